#!/bin/sh
# Runs once before Mosquitto, in its image: a password that nobody knows, who may do what, the configuration. What is there stays:
# take the volume away to begin anew. In docker/mosquitto/ there may be an `acl` and a `passwd` with your devices.
set -eu
umask 077
config=/mosquitto/config
extra=/mosquitto/extra
secret=$config/gateway/broker.password

cat >"$config/mosquitto.conf" <<CONF
# Made by broker-setup.sh at every start.
listener 1883
allow_anonymous false
password_file $config/passwd
acl_file $config/acl
persistence true
persistence_location /mosquitto/data/
log_dest stdout
message_size_limit 262144
max_queued_messages 1000
CONF

# The gateway reads it as the setting of its name.
if [ ! -s "$secret" ]; then
    mkdir -p "$config/gateway"
    head -c 32 /dev/urandom | base64 | tr -d '/+=\n' >"$secret.part"
    mv "$secret.part" "$secret"
fi
chmod 0755 "$config/gateway"
chmod 0444 "$secret" # the gateway is another user, and nobody else has this volume

printf 'gateway:%s\n' "$(cat "$secret")" >"$config/passwd.part"
mosquitto_passwd -U "$config/passwd.part"
[ ! -f "$extra/passwd" ] || cat "$extra/passwd" >>"$config/passwd.part"
mv "$config/passwd.part" "$config/passwd"

# `eryxon-gateway uns check` prints the list for your devices.
{
    printf 'user gateway\ntopic readwrite #\ntopic read $SYS/#\n\n'
    [ ! -f "$extra/acl" ] || cat "$extra/acl"
} >"$config/acl.part"
mv "$config/acl.part" "$config/acl"
