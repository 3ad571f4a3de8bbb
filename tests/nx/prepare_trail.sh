#!/bin/bash
# prepare_trail.sh INSTALLED DIR: a workspace with nx of its own, and the adaptor beside it as it lies
# on a node: what test_trail.py works in.
set -euo pipefail

package=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../../packaging/nx" && pwd -P)
installed=$1
target=$2

rm -rf "$target"
mkdir -p "$target/adaptor"
cp -a "$package"/{package.json,preload.js,plugin.js,lib,bin} "$target/adaptor/"
cp -a "$package/test/fixtures/workspace" "$target/workspace"
# Links to the installed files: this directory is copied as a whole.
cp -al "$installed/nx24/node_modules" "$target/workspace/node_modules"
