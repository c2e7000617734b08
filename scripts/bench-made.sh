#!/bin/bash
# bench-made.sh [ROUNDS]: what it costs `msbc run` to tell what a run made: its search of the folder before and after, beside the
# launcher's own, in folders of 10,000 files, of 100,000, and of 10,000 directories. Medians, milliseconds of elapsed time.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
. scripts/lib.sh
ROUNDS=${1:-25}
BIN=${MSB_BIN_DIR:-$TARGET/dist}
WORK=$(mktemp -d -p /var/tmp); trap 'rm -rf "$WORK"' EXIT
make() { # make NAME FOLDERS FILES: two levels of folders, the deeper ones with so many files each
  local at
  for ((at = 0; at < $2; at++)); do
    mkdir -p "$WORK/$1/p$((at / 20))/d$at"
    (cd "$WORK/$1/p$((at / 20))/d$at" && eval "touch f{1..$3}")
  done
}
mkdir "$WORK/empty"; make files-10000 100 100; make files-100000 1000 100; make folders-10000 10000 1
cat >"$WORK/made.msb" <<'POLICY'
edition 2026
policy made(workspace: dir) {
  include std.base
  include std.workspace(root: $workspace)
  fs { write $workspace at /work }
}
POLICY
"$BIN/msbc" compile "$WORK/made.msb" -o "$WORK/made.plan" 2>/dev/null
median() { # median COMMAND...
  local begin at
  for ((at = 0; at < ROUNDS; at++)); do
    begin=${EPOCHREALTIME/./}; "$@" >/dev/null 2>&1; echo $((${EPOCHREALTIME/./} - begin))
  done | sort -n | awk '{ all[NR] = $1 } END { printf "%.1f", all[int((NR + 1) / 2)] / 1000 }'
}
printf '%-16s %10s %10s\n' folder 'msbc run' msb-launch
for folder in empty files-10000 files-100000 folders-10000; do
  set="workspace=$WORK/$folder"
  printf '%-16s %10s %10s\n' "$folder" "$(median "$BIN/msbc" run "$WORK/made.msb" --set "$set" -- true)" \
    "$(median "$BIN/msb-launch" "$WORK/made.plan" --set "$set" -- true)"
done
