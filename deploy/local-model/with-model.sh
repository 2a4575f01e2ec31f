#!/bin/sh
# Starts the local model and then becomes the given command, which learns its address from
# GOODGATE_LOCAL_MODEL_URL. Because the command takes over this very process, signals reach it as if
# it had been started directly, and the model ends when it does, even by `kill -9`.
#
#   with-model.sh DIR COMMAND [ARGUMENT]...
#
# Without a model (no Python, no network) one line says so and the command runs all the same.
set -u
dir=$1
shift
here=$(dirname "$0")

mkdir -p "$dir"
if ! command -v python3 >/dev/null 2>&1; then
    echo "local model: left out, there is no python3" >&2
    exec "$@"
fi

# A pipe with a name: reading it ends with the address, or with nothing if the starter gave up.
pipe=$dir/url.$$
rm -f "$pipe"
mkfifo "$pipe"
# In the background of a script it ignores Ctrl-C, which is for the gateway: that one drains first.
python3 "$here/local_model.py" serve --dir "$dir" --parent $$ >"$pipe" </dev/null &
read -r url <"$pipe" || url=
rm -f "$pipe"

if [ -n "$url" ]; then
    GOODGATE_LOCAL_MODEL_URL=$url
    export GOODGATE_LOCAL_MODEL_URL
else
    echo "local model: going on without it" >&2
fi
exec "$@"
