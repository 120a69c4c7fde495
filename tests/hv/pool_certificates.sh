#!/bin/sh
# pool_certificates.sh CA POOL STATE HOST: give the host whose state directory this is a certificate of the pool, as
# hv/hv.h has it. The pool's authority is made in CA when there is none.
set -eu
ca=$1 pool=$2 dir=$3/pool host=$4
ec='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'

mkdir -p "$ca" "$dir"
if [ ! -f "$ca/key.pem" ]; then
    # shellcheck disable=SC2086
    openssl req -x509 $ec -keyout "$ca/key.pem" -out "$ca/cert.pem" -subj "/CN=pool $pool" -days 30 2>/dev/null
fi
# shellcheck disable=SC2086
openssl req $ec -keyout "$dir/server-key.pem" -out "$dir/request.pem" -subj "/CN=$host/O=$pool" 2>/dev/null
echo "subjectAltName=DNS:$host" >"$dir/extensions"
openssl x509 -req -in "$dir/request.pem" -CA "$ca/cert.pem" -CAkey "$ca/key.pem" -CAcreateserial -days 30 \
    -out "$dir/server-cert.pem" -extfile "$dir/extensions" 2>/dev/null
cp "$ca/cert.pem" "$dir/ca-cert.pem"
ln -sf server-cert.pem "$dir/client-cert.pem"
ln -sf server-key.pem "$dir/client-key.pem"
