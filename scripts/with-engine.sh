#!/usr/bin/env bash
# with-engine.sh COMMAND [ARG...]: runs COMMAND while a Docker engine is up, and
# gives the engine up afterwards, however COMMAND ends. An engine that ran before
# keeps running.
set -euo pipefail

setup=$(dirname "$(readlink -f "$0")")/setup.sh
sudo=()
[ "$(id -u)" = 0 ] || sudo=(sudo)

trap '"${sudo[@]}" "$setup" engine-stop $$' EXIT
trap 'exit 130' INT # after COMMAND, which gets the signal as well, has ended
trap 'exit 143' TERM
"${sudo[@]}" "$setup" engine-start $$
"$@"
