#!/bin/bash
# build.sh: build msbc, msb-launch and msb-gateway for use and put them in target/dist/, where they find each other.
# The launcher is built alone, with a profile and a feature of its own: it is a static program without the standard
# library, and beside others cargo would give its dependencies their features (ADR 0001).
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
. scripts/lib.sh
require_rust
# At a terminal cargo shows how far it is; elsewhere only what went wrong.
quiet=--quiet; [ ! -t 2 ] || quiet=
cargo build $quiet --release -p msbc
cargo build $quiet --release -p msb-gateway
cargo $quiet launcher
mkdir -p "$TARGET/dist"
install -m 755 "$TARGET/release/msbc" "$TARGET/launcher/msb-launch" "$TARGET/release/msb-gateway" "$TARGET/dist/"
