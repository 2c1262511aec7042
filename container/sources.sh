# shellcheck shell=sh
# Sourced by the Dockerfiles' steps that download: what a company's network needs, from two optional build secrets,
# of which no image keeps anything.
#
#   docker build --secret id=ca,src=corporate.pem --secret id=index,src=index.txt …
#
#   ca      certificates (PEM), trusted beside the usual ones
#   index   the address of a Python package index, with its credentials where it wants some
secrets=${SECRETS:-/run/secrets}

if [ -s "$secrets/ca" ]; then
    bundle=$(mktemp)
    trap 'rm -f "$bundle"' EXIT
    cat "${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}" "$secrets/ca" >"$bundle"
    export SSL_CERT_FILE="$bundle" PIP_CERT="$bundle"
fi
if [ -s "$secrets/index" ]; then
    PIP_INDEX_URL=$(cat "$secrets/index")
    export PIP_INDEX_URL UV_DEFAULT_INDEX="$PIP_INDEX_URL"
fi
