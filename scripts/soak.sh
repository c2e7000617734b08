#!/bin/bash
# soak.sh [TIMES]: the launcher's fault tests for long, as root and as an ordinary user: with 50, the default, 10,000
# launches, 10,000 launchers killed at random moments, 25,000 mutated plans, and every call of a launch made to fail. Then the
# same with everything that a policy can ask for (crates/msb-testkit/tests/life.rs): 3,000 killed, 1,500 launches, 15,000
# mutated plans, 3,000 calls. Some hours on two CPUs; `soak.sh 1` takes some minutes. Needs strace. Ends with how long each took.
set -uo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
. scripts/lib.sh
require_rust
require strace=strace
TIMES=${1:-50}
export MSB_SOAK=$TIMES
say "building"
scripts/build.sh || exit 1
tests=$(cargo test --no-run -p msb-launch --test faults 2>&1 | sed -n 's/.*(\(.*\/faults-[^)]*\)).*/\1/p') || exit 1
[ -x "$tests" ] || { echo "the fault tests did not build" >&2; exit 1; }
# An ordinary user must be able to reach both.
STAGE=$(mktemp -d); trap 'rm -rf "$STAGE"' EXIT; chmod 755 "$STAGE"
life=$(cargo test --no-run -p msb-testkit --test life 2>&1 | sed -n 's/.*(\(.*\/life-[^)]*\)).*/\1/p') || exit 1
[ -x "$life" ] || { echo "the tests of life did not build" >&2; exit 1; }
install -m 755 "$TARGET"/dist/* "$STAGE"; install -m 755 "$tests" "$STAGE/faults"; install -m 755 "$life" "$STAGE/life"
failed=0
soak() { # soak WHO COMMAND...
  local who=$1 name start of; shift
  for name in nobody_survives many_launches mutated_plans fifty_at_once starvation every_call \
    all_of_it_dies launches_leave_nothing mutated_plans_of_everything starvation_of_any every_call_of_all; do
    start=$SECONDS of=faults
    case $name in all_of_it_dies | launches_leave_nothing | *_everything | *_of_any | *_of_all) of=life ;; esac
    if "$@" env MSB_SOAK="$MSB_SOAK" MSB_LAUNCH="$STAGE/msb-launch" MSB_BIN_DIR="$STAGE" "$STAGE/$of" --nocapture "$name" >"$STAGE/log" 2>&1; then
      printf '%5d s  ok      %s, %s\n' $((SECONDS - start)) "$name" "$who"
      grep -E '^[0-9]+ of [0-9]+|^skipped' "$STAGE/log" | sed 's/^/         /'
    else
      printf '%5d s  FAILED  %s, %s\n' $((SECONDS - start)) "$name" "$who"; tail -20 "$STAGE/log"; failed=1
    fi
  done
}
say "$TIMES times"
if [ "$(id -u)" = 0 ]; then
  soak root
  test_user
  soak "$MSB_TEST_USER" runuser -u "$MSB_TEST_USER" --
else
  soak "$(id -un)"
fi
exit $failed
