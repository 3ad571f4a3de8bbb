#!/bin/bash
# prepare.sh DIR: the versions of nx that the adaptor is tested with, one a folder. Installed again
# when a lock file has changed.
set -euo pipefail

source=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)/fixtures
target=$1

for project in nx22 nx23 nx24; do
    if cmp -s "$source/$project/package-lock.json" "$target/$project/installed-lock.json"; then continue; fi
    rm -rf "${target:?}/$project"
    mkdir -p "$target/$project"
    cp -a "$source/$project/." "$target/$project/"
    (cd "$target/$project" && npm ci --no-audit --no-fund --ignore-scripts)
    cp "$source/$project/package-lock.json" "$target/$project/installed-lock.json"
done
