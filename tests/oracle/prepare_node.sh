#!/bin/bash
# prepare_node.sh DIR: the projects of the oracle's node programs with their packages, and a cache
# from which npm can install without a network. Done again when a lock file has changed.
set -euo pipefail

source=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
target=$1
mkdir -p "$target"
target=$(cd -- "$target" && pwd -P)
registry=$(npm config get registry)

prepare() { # NAME SOURCE
    local project=$target/$1
    if cmp -s "$2/package-lock.json" "$project/installed-lock.json"; then return; fi
    rm -rf "$project"
    mkdir -p "$project"
    (cd "$2" && find . -mindepth 1 -maxdepth 1 ! -name node_modules ! -name dist -exec cp -a {} "$project/" \;)
    # Packages are cached under the address that they came from.
    echo "registry=$registry" >>"$project/.npmrc"
    (cd "$project" && "$source/../support/npm_ci" --cache "$target/npm-cache")
    cp "$2/package-lock.json" "$project/installed-lock.json"
}

prepare webpack "$source/../../examples/webpack"
prepare node "$source/node"
