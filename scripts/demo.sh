#!/bin/bash
# demo.sh [--unconfined]: run an agent that works, then misbehaves, under policy-lang/examples/hello-agent.msb.
# It installs what is missing if it may, builds, runs, and shows the file that the agent made.
#   --unconfined   run the same agent without the sandbox, to compare; its attempts do no harm
# What it makes lies in target/. MSB_BIN_DIR=DIR takes msbc, msb-launch and msb-gateway from DIR instead of building.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
. scripts/lib.sh
case ${1-} in ''|--unconfined) ;; *) sed -n '2,5s/^# \?//p' "$0" >&2; exit 2;; esac

require /usr/bin/python3=python3
DEMO=$TARGET/demo
rm -rf "$DEMO"; mkdir -p "$DEMO"
cp -r policy-lang/examples/hello-agent/workspace "$DEMO/workspace"
# A home with a key, both made up for this: `~` names it in the policy. Not below /work or /tmp, which are
# places of the sandbox's own.
MADE_UP=$(mktemp -d /var/tmp/msb-demo.XXXXXX); trap 'rm -rf "$MADE_UP"' EXIT
mkdir "$MADE_UP/.ssh"; echo "a key made up for this demonstration" > "$MADE_UP/.ssh/id_ed25519"

if [ "${1-}" = --unconfined ]; then
  say "the agent without a sandbox"
  cd "$DEMO/workspace"; HOME=$MADE_UP /usr/bin/python3 agent.py "$MADE_UP"; exit
fi

if [ -z "${MSB_BIN_DIR-}" ]; then
  require cc=gcc cc=libc6-dev
  say "building msbc, msb-launch and msb-gateway (the first time takes some minutes)"
  scripts/build.sh
  MSB_BIN_DIR=$TARGET/dist
fi

say "the agent, confined by policy-lang/examples/hello-agent.msb"
rc=0
HOME=$MADE_UP "$MSB_BIN_DIR/msbc" run policy-lang/examples/hello-agent.msb --explain --set workspace="$DEMO/workspace" \
  -- python3 agent.py "$MADE_UP" 2>&1 | tee "$DEMO/output.txt" || rc=$?

say "what it left in $DEMO/workspace/result.md"
cat "$DEMO/workspace/result.md"

# The demonstration checks itself: it fails if the work was not done or an attempt succeeded.
tried=$(grep -c '^tried to ' "$DEMO/output.txt" || true)
allowed=$(grep -c '^tried to .* → allowed$' "$DEMO/output.txt" || true)
lines=$(grep -c '^refused  ' "$DEMO/output.txt" || true)
say "$tried attempts, $allowed allowed; $lines refusals named with their line; the agent's exit status is $rc"
[ "$rc" = 0 ] && [ "$allowed" = 0 ] && [ "$tried" -ge 8 ] && [ "$lines" -ge 7 ]
