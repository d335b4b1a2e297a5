#!/bin/sh
# The key ceremony and every secret of this federation on one machine, made once; run again, it adds only what is missing.
# In production each bureau does this at home: see deploy/README.md.
set -eu
umask 077
keys=${KEYS:-/keys} secrets=${SECRETS:-/secrets} bus=${BUS:-/bus}
bureaus="shanghai jiangsu zhejiang anhui"
quanyu() { python -m services.cli --lang en "$@"; }
password() { python -c 'import secrets; print(secrets.token_urlsafe(24))'; }

if [ ! -e "$keys/anchors.json" ]; then
    set --
    for bureau in $bureaus; do
        set -- "$@" --bureau "$bureau=http://$bureau:8080,https://$bureau:9080"
    done
    quanyu keys make "$keys" "$@"
fi

for bureau in $bureaus; do
    mkdir -p "$secrets/$bureau/superuser" "$secrets/$bureau/owner" "$secrets/$bureau/node" "$bus/$bureau"
    [ -e "$secrets/$bureau/superuser/password" ] || password >"$secrets/$bureau/superuser/password"
done
for service in keycloak grafana; do
    mkdir -p "$secrets/$service"
    [ -e "$secrets/$service/password" ] || password >"$secrets/$service/password"
done
# Grafana runs as a user of its own; no other service mounts this folder.
chmod 755 "$secrets/grafana"
chmod 644 "$secrets/grafana/password"

# Each service sees one folder: its own certificate, and the authority's without its key.
quanyu bus certificates "$bus/authority" --broker broker-1=kafka-1 --broker broker-2=kafka-2 --broker broker-3=kafka-3
for name in $bureaus bus-admin broker-1 broker-2 broker-3; do
    mkdir -p "$bus/$name"
    cp "$bus/authority/ca.pem" "$bus/$name/ca.pem"
    for ending in pem key keystore.pem; do
        cp "$bus/authority/$name.$ending" "$bus/$name/own.$ending"
    done
done
