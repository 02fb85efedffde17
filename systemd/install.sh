#!/bin/sh
# Installs the gateway from the folder this file lies in, updates the one that is there, goes back, removes it. As root.
#
#   install.sh [--offline] [--no-start] [--kiosk URL]    run again it finishes what was cut off, and changes nothing else
#   install.sh --rollback                                back to the version before the last update
#   install.sh --uninstall [--purge]                     the program; with --purge configuration and data, too
#
# Never touches the network (--offline says what is so anyway). Without a running systemd it starts nothing and says so.
set -eu
umask 022
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

HERE=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
[ -f "$HERE/parts.sh" ] || { echo "install.sh: this is not the whole folder that \`make bundle\` makes: carry all of it here" >&2 && exit 1; }
. "$HERE/parts.sh"

main() {
    START=yes WHAT=install PURGE=no KIOSK_URL= CREDENTIALS=
    while [ $# -gt 0 ]; do
        case $1 in
        --offline) ;;
        --no-start) START=no ;;
        --kiosk) KIOSK_URL=${2:-} && shift && known_url ;;
        --rollback) WHAT=rollback ;;
        --uninstall) WHAT=uninstall ;;
        --purge) PURGE=yes ;;
        -h | --help) usage && exit 0 ;;
        *) usage >&2 && exit 2 ;;
        esac
        shift
    done
    case $PURGE$WHAT in yesinstall | yesrollback) usage >&2 && exit 2 ;; esac
    [ "$(id -u)" = 0 ] || fail "only root may do this: sudo $0"
    exec 9>/run/$NAME-install.lock
    flock -n 9 || fail "another install.sh is at work: wait for it"
    [ $WHAT != uninstall ] || if [ $PURGE = yes ]; then exec "$HERE/remove.sh" --purge; else exec "$HERE/remove.sh"; fi
    trap forget_credentials EXIT
    trap 'exit 130' INT TERM HUP
    "$WHAT"
}

usage() {
    say "install.sh [--offline] [--no-start] [--kiosk URL] | --rollback | --uninstall [--purge]"
}

# ---------------------------------------------------------------- what is asked for
install() {
    check
    user_and_folders
    credentials
    [ -n "$NEW" ] || new_version
    if [ ! -e "$CURRENT" ]; then
        stop # one that was installed by hand
        box_key
        configuration
        switch "$NEW"
        units
        start
        kiosk
        next_steps
    elif [ "$(readlink "$CURRENT")" != "$NEW" ] || [ -e "$UPDATING" ]; then
        update
        kiosk
        say "$NAME is at $(version_of "$CURRENT")."
    else
        if [ ! -e "$BOX_KEY" ] || as_service test -e "$DATA/box.key"; then stop && box_key; fi
        configuration
        units
        start
        kiosk
        say "$NAME $VERSION is installed already: nothing was changed."
    fi
}

update() {
    if [ ! -e "$UPDATING" ]; then
        old=$(readlink "$CURRENT")
        say "update from $(version_of "$old") to $(version_of "$NEW")"
        if knows_update "$NEW"; then
            as_service "$NEW/bin/$NAME" update try --config "$CONFIG" || {
                rm -rf "$NEW"
                fail "the new version does not work with this box's data (above): nothing was changed"
            }
        fi
        stop
        printf '%s\n' "$old" >"$UPDATING"
    else
        old=$(cat "$UPDATING")
        say "an update from $(version_of "$old") was cut off: going on with it"
        stop
    fi
    box_key
    if [ "$(readlink "$CURRENT")" != "$NEW" ]; then
        program=$(first_that_knows "$old" "$NEW")
        [ -z "$program" ] || as_service "$program" update begin --config "$CONFIG" || {
            rm -f "$UPDATING"
            start
            fail "the update could not begin (above): $(version_of "$old") goes on"
        }
        switch "$NEW"
    fi
    units
    if ! starts; then
        start
        say "confirm it once it works: runuser -u $NAME -- $NAME update confirm; rm $UPDATING; or take it back: $0 --rollback"
        return
    fi
    if start && works; then
        confirmed "$old"
    else
        say "the new version is not ready within $READY_WAIT_S s: going back to $(version_of "$old")" >&2
        back "$old"
        fail "the update failed, $(version_of "$old") runs again with everything that was booked; why: journalctl -u $NAME"
    fi
}

confirmed() {
    if knows_update "$NEW"; then
        as_service "$NEW/bin/$NAME" update confirm --config "$CONFIG" ||
            say "the update works, but could not be noted as confirmed (above)" >&2
    fi
    ln -sfn "$1" "$PREVIOUS"
    rm -f "$UPDATING"
    for version in "$VERSIONS"/*; do # the newest two stay
        [ "$version" = "$NEW" ] || [ "$version" = "$1" ] || rm -rf "$version"
    done
}

# The version in $1 again: code, units, and the data with everything that was booked since.
back() {
    stop
    left=$(readlink "$CURRENT")
    done=no
    ! taken_back "$left" || done=yes # and then cut off
    for version in "$left" "$1"; do # the newer program first: it knows its own database
        if [ $done = no ] && knows_update "$version"; then
            as_service "$version/bin/$NAME" update rollback --config "$CONFIG" && done=yes
        fi
    done
    [ $done = yes ] || { ! knows_update "$left" && ! knows_update "$1"; } ||
        fail "the data could not be taken back (above); the service is stopped, nothing is lost: docs/install.md, \"Back\""
    switch "$1"
    rm -f "$UPDATING"
    units
    start
}

rollback() {
    [ -e "$CURRENT" ] || fail "$NAME is not installed here"
    if [ -e "$UPDATING" ]; then target=$(cat "$UPDATING"); else target=$(readlink "$PREVIOUS" || true); fi
    [ -n "$target" ] && [ -e "$target/.bundle" ] || fail "there is no earlier version to go back to"
    say "back from $(version_of "$CURRENT") to $(version_of "$target")"
    credentials
    back "$target"
    [ "$target" != "$(readlink "$PREVIOUS" || true)" ] || rm -f "$PREVIOUS"
    ! starts || works || fail "$(version_of "$target") is not ready within $READY_WAIT_S s: journalctl -u $NAME"
    say "$NAME is at $(version_of "$CURRENT")."
}

# ---------------------------------------------------------------- words
next_steps() {
    as="runuser -u $NAME -- $NAME"
    cat <<NEXT
$NAME $VERSION is installed.

Next, on this box as root:
  1. the first admin key     cat $FIRST_KEY      keep it elsewhere, then delete the file
  2. set it up               http://127.0.0.1:8080/ops/setup      with the code from: $as ops code
     (or by hand             $CONFIG, then: systemctl restart $NAME)
  3. let the LAN in          $as tls init, then: systemctl restart $NAME
  4. look                    $as doctor
NEXT
    if ! has mosquitto; then
        say "No Mosquitto here: the embedded broker is for trials. apt install mosquitto; systemctl disable --now mosquitto; systemctl restart $NAME"
    elif runs_systemd && systemctl -q is-active mosquitto 2>/dev/null; then
        say "Debian's own Mosquitto has port 1883. If nobody else uses it: systemctl disable --now mosquitto"
    fi
}

main "$@"
