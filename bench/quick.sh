#!/bin/sh
# The paired measurement behind `make bench-quick`: bench/quick.sh path/to/goodgate [options of `quick`].
# Where nginx is missing, Debian's package is unpacked below bench/target, not installed.
set -eu

goodgate=${1:?usage: bench/quick.sh path/to/goodgate [--rounds N ...]}
shift
bench=$(cd "$(dirname "$0")" && pwd)
CARGO_TARGET_DIR=$bench/target
export CARGO_TARGET_DIR

PATH=$PATH:/usr/sbin:/usr/local/sbin
nginx=$(command -v nginx || true)
if [ -z "$nginx" ]; then
    nginx=$bench/target/nginx/usr/sbin/nginx
    if [ ! -x "$nginx" ] && command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null; then
        echo "nginx is not installed: fetching Debian's package into bench/target/nginx" >&2
        mkdir -p "$bench/target/nginx"
        (cd "$bench/target/nginx" && apt-get download -q nginx >&2 && dpkg-deb -x nginx_*.deb .) || true
    fi
fi

${CARGO:-cargo} build --release --quiet --locked --manifest-path "$bench/Cargo.toml"
exec "$bench/target/release/goodgate-bench" quick --goodgate "$goodgate" --nginx "$nginx" "$@"
