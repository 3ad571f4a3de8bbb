#!/bin/bash
# prepare.sh DIR: the comparison and the packages that it needs. Installed again when the lock file has changed.
set -euo pipefail

source=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
mkdir -p "$1"
cd -- "$1"
cp "$source/compare.js" "$source/package.json" .
if cmp -s "$source/package-lock.json" installed-lock.json; then exit 0; fi
rm -rf node_modules
cp "$source/package-lock.json" .
"$source/../support/npm_ci"
cp package-lock.json installed-lock.json
