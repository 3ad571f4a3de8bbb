#!/bin/bash
# The demo's inside: runs in `./dev shell`, as an ordinary user, in a copy of examples/webpack.
set -euo pipefail

volume=$TMPDIR/trail
mkdir -p "$volume"
started=$EPOCHREALTIME
spoorctl run --volume "$volume" -w "$PWD" -- npm run build
ended=$EPOCHREALTIME
awk -v a="$started" -v b="$ended" 'BEGIN { printf "\nThe container took %.1f s.\n", b - a }'
/usr/bin/python3 -B /run/spoor-dev/source/tools/check_trail.py "$volume" --least-read 1000
