#!/bin/bash
# prepare.sh DIR PROJECT…: npm packages of each PROJECT, in a folder of its name in DIR. Installed again when a
# lock file has changed.
set -euo pipefail

source=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
target=$1
shift

for project in "$@"; do
    installed=$target/$(basename -- "$project")
    if cmp -s "$project/package-lock.json" "$installed/installed-lock.json"; then continue; fi
    rm -rf "${installed:?}"
    mkdir -p "$installed"
    cp -a "$project/." "$installed/"
    (cd "$installed" && "$source/../../../tests/support/npm_ci")
    cp "$project/package-lock.json" "$installed/installed-lock.json"
done
