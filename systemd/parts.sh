# What install.sh is made of: what it looks at, and each thing that it makes. Every part may be done again.
# HERE is the folder of the bundle; START, KIOSK_URL, CREDENTIALS, NEW are those of install.sh.

NAME=eryxon-gateway # also its user and group
OPT=/opt/$NAME
VERSIONS=$OPT/versions # one virtual environment for each version; .bundle in it: complete, and made from what
CURRENT=$OPT/current   # the one that runs
PREVIOUS=$OPT/previous # the one before
UPDATING=$OPT/updating # while an update is neither confirmed nor taken back
LINK=/usr/local/bin/$NAME
CONFIGS=/etc/$NAME
CONFIG=$CONFIGS/gateway.toml
DATA=/var/lib/$NAME
FIRST_KEY=$DATA/first-admin-key
STORE=/etc/credstore
BOX_KEY=$STORE/$NAME.box-key
BOX_KEY_BYTES=64
SYSTEM=/etc/systemd/system
SERVICE=$NAME.service
TIMER=$NAME-backup.timer
KIOSK=eryxon-kiosk.service
PYTHON=/usr/bin/python3 # the distribution's: another one on root's PATH may be gone tomorrow
OPT_MIN_MB=500          # two versions side by side, with room to unpack
DATA_MIN_MB=200         # the ballast, a database, a copy of it
READY_WAIT_S=120

# ---------------------------------------------------------------- may it be?
check() {
    VERSION=$(of_bundle version)
    # shellcheck disable=SC1091
    family=$(. /etc/os-release 2>/dev/null && echo "${ID:-} ${ID_LIKE:-}") || family=
    case " $family " in
    *" debian "*) ;;
    *) fail "this is ${family:-an unknown system}; the installer is for Debian and what is made from it: take the container (docs/install.md)" ;;
    esac
    for tool in useradd runuser sha256sum flock; do has $tool || fail "no $tool here: apt install passwd util-linux coreutils"; done
    [ -x $PYTHON ] || fail "no Python here: apt install python3"
    here=$($PYTHON -I -c 'import os, sys
print(f"{sys.version_info[0]}.{sys.version_info[1]} {os.uname().machine} {64 if sys.maxsize > 2**32 else 32}")')
    [ "${here##* }" = 64 ] || fail "a 64-bit system is needed, this Python is 32-bit: 32-bit ARM is not supported"
    $PYTHON -I -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        fail "Python 3.11 or later is needed, this is ${here%% *}: Debian 12 or newer has it"
    wanted="$(of_bundle python) $(of_bundle machine) 64"
    [ "$here" = "$wanted" ] || fail "these packages are for Python and machine $wanted, here is $here: make bundle ARCH=$(
        has dpkg && dpkg --print-architecture || echo ...
    ) PYTHON=${here%% *}"
    (cd "$HERE" && sha256sum --quiet --strict -c SHA256SUMS) >&2 || fail "$HERE is damaged (above): copy it again"
    unpacked
    [ -n "$NEW" ] || { room /opt $OPT_MIN_MB && room /var/lib $DATA_MIN_MB; }
}

of_bundle() {
    sed -n "s/^$1=//p" "$HERE/BUNDLE"
}

room() {
    free_mb=$(df -Pk "$1" | awk 'NR == 2 { print int($4 / 1024) }')
    [ "$free_mb" -ge "$2" ] || fail "$free_mb MB are free below $1, $2 MB are needed: make room"
}

known_url() {
    case $KIOSK_URL in
    *[!A-Za-z0-9:/._~?\&=%#-]* | '') fail "--kiosk wants an address, as http://127.0.0.1:8080/terminal/" ;;
    http://?* | https://?*) ;;
    *) fail "--kiosk wants an address that begins with http:// or https://, not $KIOSK_URL" ;;
    esac
}

# ---------------------------------------------------------------- the parts; each may be done again
user_and_folders() {
    getent group "$NAME" >/dev/null || groupadd --system "$NAME"
    id "$NAME" >/dev/null 2>&1 ||
        useradd --system --gid "$NAME" --home-dir "$DATA" --no-create-home --shell /usr/sbin/nologin "$NAME"
    its_own "$CONFIGS"
    its_own "$DATA"
    [ -d "$STORE" ] || mkdir -m 0700 "$STORE"
    mkdir -p "$VERSIONS" "$SYSTEM" /usr/local/bin
}

# The service's alone; also one that was made, and not yet given to it.
its_own() {
    [ "$(stat -c %U:%G:%a "$1" 2>/dev/null)" = "$NAME:$NAME:700" ] || { mkdir -p "$1" && chown "$NAME:$NAME" "$1" && chmod 0700 "$1"; }
}

# Sets NEW: the version that was made from this very bundle, or nothing.
unpacked() {
    NEW=
    BUNDLE=$(sha256sum <"$HERE/SHA256SUMS" | cut -d ' ' -f 1)
    for version in "$VERSIONS"/*; do
        if [ -e "$version/.bundle" ] && [ "$(cat "$version/.bundle")" = "$BUNDLE" ]; then NEW=$version; fi
    done
}

# Sets NEW. An environment cannot be moved, so a half-made one is known by what is missing in it, and made anew.
new_version() {
    for version in "$VERSIONS"/*; do
        [ -e "$version/.bundle" ] || rm -rf "$version"
    done
    n=1
    while [ -e "$VERSIONS/$VERSION-$n" ]; do n=$((n + 1)); done
    NEW=$VERSIONS/$VERSION-$n
    say "unpacking the packages of $VERSION into $NEW (about half a minute; on a small board some minutes)"
    $PYTHON -I -m venv --without-pip "$NEW"
    # From its wheel: Debian keeps pip and ensurepip in packages of their own. Nobody's configuration, no index.
    env -i PATH="$PATH" LC_ALL=C.UTF-8 PIP_CONFIG_FILE=/dev/null TMPDIR="$NEW" \
        "$NEW/bin/python" "$(echo "$HERE"/wheelhouse/pip-*.whl)/pip" install --quiet --disable-pip-version-check \
        --no-cache-dir --no-index --find-links "$HERE/wheelhouse" --only-binary=:all: --require-hashes \
        --requirement "$HERE/requirements.txt" || fail "the packages could not be installed (above)"
    "$NEW/bin/$NAME" version >/dev/null || fail "what was installed does not start (above)"
    cp -R "$HERE/units" "$NEW/units"
    sync -f "$OPT"
    printf '%s\n' "$BUNDLE" >"$NEW/.bundle"
}

version_of() {
    basename "$(readlink -f "$1")"
}

# At once or not at all, also when the power goes.
switch() {
    sync -f "$OPT"
    ln -sfn "$1" "$CURRENT.new"
    mv -T "$CURRENT.new" "$CURRENT"
    ln -sfn "$CURRENT/bin/$NAME" "$LINK"
}

# The key that opens what is sealed in the database: root's, handed to the service by systemd. One in the data folder is from
# before there was a store, or from a restore: it is the right one and moves there, and what it takes the place of is kept.
# The folder is the service's: root reads in it as the service does, so that no link leads it elsewhere.
box_key() {
    kept=$DATA/box.key found=no
    ! as_service test -e "$kept" || found=yes
    if [ $found = yes ] || [ ! -e "$BOX_KEY" ]; then
        (
            umask 077
            if [ $found = yes ]; then as_service cat "$kept"; else head -c $BOX_KEY_BYTES /dev/urandom; fi >"$BOX_KEY.part"
        )
        [ "$(wc -c <"$BOX_KEY.part")" = $BOX_KEY_BYTES ] || fail "$kept is damaged: bring it back, or remove it and set every secret anew"
        [ ! -e "$BOX_KEY" ] || cmp -s "$BOX_KEY" "$BOX_KEY.part" || mv "$BOX_KEY" "$BOX_KEY.before-$(date +%Y%m%d-%H%M%S)"
        sync -f "$STORE"
        mv "$BOX_KEY.part" "$BOX_KEY"
        credentials
        [ $found = no ] || as_service rm "$kept"
    fi
}

# Written once. The key goes into a file and nowhere else: what is printed lands in the logs of a package manager.
configuration() {
    part=$FIRST_KEY.part # from before the key is made until it is kept
    if [ -e "$CONFIG" ] && [ -e "$DATA/gateway.sqlite" ] && [ ! -e "$part" ]; then return; fi
    [ -e "$DATA/gateway.sqlite" ] || as_service touch "$part"
    said=$(as_service "$NEW/bin/$NAME" init --config "$CONFIG" --data "$DATA" --json 2>"$CREDENTIALS/.said") ||
        fail "the configuration could not be made: $(cat "$CREDENTIALS/.said")"
    key=$(printf %s "$said" | $PYTHON -I -c 'import json, sys; print(json.load(sys.stdin)["key"] or "")')
    [ -e "$part" ] || return 0
    [ -n "$key" ] || key=$(as_service "$NEW/bin/$NAME" keys create --name "first admin" --scope admin --config "$CONFIG")
    printf '%s\n' "$key" | as_service sh -c 'cat >"$1"; sync "$1"; mv "$1" "$2"' - "$part" "$FIRST_KEY"
}

# Those of the version that runs. Sets CHANGED.
units() {
    CHANGED=no
    for unit in "$CURRENT"/units/*; do
        name=$(basename "$unit")
        [ "$name" != $KIOSK ] || [ -n "$KIOSK_URL" ] || [ -e "$SYSTEM/$KIOSK" ] || continue
        cmp -s "$unit" "$SYSTEM/$name" || { cp "$unit" "$SYSTEM/$name" && CHANGED=yes; }
    done
    if has systemctl; then
        systemctl -q enable $SERVICE $TIMER
    fi
    if [ $CHANGED = yes ] && runs_systemd; then systemctl daemon-reload; fi
}

kiosk() {
    [ -n "$KIOSK_URL" ] || return 0
    [ -e "$SYSTEM/$KIOSK" ] || fail "this version has no $KIOSK"
    has cage || say "the screen wants a compositor and a browser: docs/kiosk.md" >&2
    id eryxon-kiosk >/dev/null 2>&1 ||
        useradd --system --user-group --home-dir /var/lib/eryxon-kiosk --no-create-home --shell /usr/sbin/nologin eryxon-kiosk
    mkdir -p "$SYSTEM/$KIOSK.d"
    printf '[Service]\nEnvironment=KIOSK_URL=%s\n' "$(printf %s "$KIOSK_URL" | sed 's/%/%%/g')" >"$SYSTEM/$KIOSK.d/url.conf"
    ! has systemctl || systemctl -q enable $KIOSK
    if starts; then systemctl daemon-reload && systemctl restart $KIOSK; fi
}

# ---------------------------------------------------------------- the service
runs_systemd() {
    [ -d /run/systemd/system ]
}

starts() {
    [ $START = yes ] && runs_systemd
}

start() {
    if starts; then
        systemctl start --no-block $SERVICE
        systemctl start $TIMER
    elif runs_systemd; then
        say "not started, as asked: systemctl start $SERVICE $TIMER"
    else
        say "systemd does not run here, so nothing was started. By hand: runuser -u $NAME -- $NAME run --config $CONFIG"
    fi
}

stop() {
    if runs_systemd && [ -e "$SYSTEM/$SERVICE" ]; then
        systemctl stop $TIMER 2>/dev/null || true
        systemctl stop $SERVICE
    elif runuser -u "$NAME" -- test -e "$DATA/lock" && ! runuser -u "$NAME" -- flock -n "$DATA/lock" true; then
        fail "the gateway runs, and not by systemd: end it first"
    fi
}

# It takes work, and systemd has heard so.
works() {
    address=$(as_service "$CURRENT/bin/$NAME" config show --json --config "$CONFIG" | $PYTHON -I -c 'import json, sys
http = json.load(sys.stdin)["http"]
host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(http["host"], http["host"])
port = http["port"]
print(f"http://[{host}]:{port}/readyz" if ":" in host else f"http://{host}:{port}/readyz")') &&
        $PYTHON -I - "$address" $READY_WAIT_S <<'WAIT' && systemctl -q is-active $SERVICE
import sys, time, urllib.request
ask = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
ends = time.monotonic() + float(sys.argv[2])
while True:
    try:
        sys.exit(ask(sys.argv[1], timeout=5).status != 200)
    except OSError as problem:
        if time.monotonic() > ends:
            sys.exit(f"{sys.argv[1]}: {problem}")
        time.sleep(0.5)
WAIT
}

knows_update() {
    [ -x "$1/bin/$NAME" ] && as_service "$1/bin/$NAME" update --help >/dev/null 2>&1
}

taken_back() {
    knows_update "$1" && as_service "$1/bin/$NAME" update status --json --config "$CONFIG" | $PYTHON -I -c 'import json, sys
sys.exit((json.load(sys.stdin)["update"] or {}).get("state") != "rolled back")'
}

first_that_knows() {
    for version in "$@"; do
        if knows_update "$version"; then
            echo "$version/bin/$NAME"
            return
        fi
    done
}

# A command as the service's user, with the credentials that systemd gives the service and nothing else of root's.
as_service() {
    (umask 077 && cd "$DATA" && env -i PATH="$PATH" LC_ALL=C.UTF-8 HOME="$DATA" CREDENTIALS_DIRECTORY="$CREDENTIALS" \
        runuser -u "$NAME" -- "$@" 9>&-)
}

# A folder for this run, as systemd makes one for the service.
credentials() {
    [ -n "$CREDENTIALS" ] || CREDENTIALS=$(mktemp -d /run/$NAME-credentials.XXXXXX)
    chown "root:$NAME" "$CREDENTIALS" && chmod 0750 "$CREDENTIALS"
    [ ! -e "$BOX_KEY" ] || (
        umask 077
        cp "$BOX_KEY" "$CREDENTIALS/box-key"
        chown "root:$NAME" "$CREDENTIALS/box-key" && chmod 0440 "$CREDENTIALS/box-key"
    )
}

forget_credentials() {
    [ -z "$CREDENTIALS" ] || rm -rf "$CREDENTIALS"
}

# ---------------------------------------------------------------- manners
say() {
    printf '%s\n' "$*"
}

fail() {
    printf 'install.sh: %s\n' "$*" >&2
    exit 1
}

has() {
    command -v "$1" >/dev/null 2>&1
}
