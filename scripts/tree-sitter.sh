#!/bin/bash
# tree-sitter.sh [--write]: hold the tree-sitter grammar of policies against the compiler's parser; with --write, first
# make its parser anew, policy-lang/grammar/tree-sitter-msb/src. Wants Rust, a C compiler and Node.js.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
. scripts/lib.sh
require_rust
require cc=gcc cc=libc6-dev node=nodejs
grammar=policy-lang/grammar/tree-sitter-msb
# A folder of its own: in the others' these dependencies' features would be those of other crates.
export CARGO_TARGET_DIR=$TARGET/tree-sitter
cd "$grammar"
case ${1:-} in
  --write) cargo run --quiet --locked -- . ;;
  "") ;;
  *) echo "usage: scripts/tree-sitter.sh [--write]" >&2; exit 2 ;;
esac
cargo test --quiet --locked
