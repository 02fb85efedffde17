#!/bin/sh
# Takes the gateway off this box: the program, its units, its command. Configuration and data stay; `--purge` removes them,
# its key and its user, too. `install.sh --uninstall` is this; the Debian package has it in its postrm.
set -eu
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
NAME=eryxon-gateway
OPT=/opt/$NAME
LINK=/usr/local/bin/$NAME
CONFIGS=/etc/$NAME
DATA=/var/lib/$NAME
BOX_KEY=/etc/credstore/$NAME.box-key
SYSTEM=/etc/systemd/system

main() {
    for unit in eryxon-kiosk.service $NAME-backup.timer $NAME-backup.service $NAME.service; do
        [ -e "$SYSTEM/$unit" ] || continue
        ! runs_systemd || systemctl stop "$unit"
        ! command -v systemctl >/dev/null || systemctl -q disable "$unit" 2>/dev/null || true
        rm -rf "${SYSTEM:?}/$unit" "$SYSTEM/$unit.d/url.conf"
    done
    ! runs_systemd || systemctl daemon-reload
    case $(readlink "$LINK" || true) in "$OPT"/*) rm -f "$LINK" ;; esac
    rm -rf "$OPT"
    if [ "${1:-}" != --purge ]; then
        echo "$NAME is removed. What it knew is still here: $DATA, $CONFIGS, $BOX_KEY (--uninstall --purge removes them, too)."
        return
    fi
    rm -rf "$DATA" "$CONFIGS" "$BOX_KEY" "$BOX_KEY".* /var/lib/eryxon-kiosk
    for user in "$NAME" eryxon-kiosk; do # with the group of the same name
        ! id "$user" >/dev/null 2>&1 || userdel "$user"
    done
    echo "$NAME is removed, with its configuration and everything that it knew."
}

runs_systemd() {
    [ -d /run/systemd/system ]
}

main "$@"
