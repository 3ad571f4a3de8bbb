#!/bin/bash
# prepare_trail.sh WORKSPACE NODE_MODULES DIR: in DIR a copy of a workspace with its packages, and the adaptor beside
# it as it lies on a node: what the tests here work in.
set -euo pipefail

package=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../../packaging/nx" && pwd -P)
workspace=$1
packages=$2
target=$3

rm -rf "$target"
mkdir -p "$target/adaptor"
cp -a "$package"/{package.json,preload.js,plugin.js,lib,bin} "$target/adaptor/"
cp -a "$workspace" "$target/workspace"
# Links to the installed files: this directory is copied as a whole.
cp -al "$packages" "$target/workspace/node_modules"
