#!/bin/bash
# ci.sh [--brief] [KERNEL...]: build, boot other kernels, and run suite.sh in each; prints seconds per step. From
# nothing it takes about four minutes. Default kernels: 6.1 6.12 new ubuntu. Needs root and Debian 12 (setup.sh, mkroot.sh).
#   --brief   one kernel, cgroup v2, as root and as a user
# The matrix: cgroup v2 as root and as a user on each kernel; on the first also systemd, with a delegated scope
# and without one, hybrid cgroups, and user namespaces refused in two ways. On Ubuntu's also AppArmor, without our profile and
# with it.
set -uo pipefail
. "$(dirname "$(readlink -f "$0")")/lib.sh"
BRIEF=; [ "${1-}" != --brief ] || { BRIEF=1; shift; }
[ $# -gt 0 ] || { [ -n "$BRIEF" ] && set -- 6.1 || set -- 6.1 6.12 new ubuntu; }
cd "$RIG/.."; . scripts/lib.sh
mkdir -p "$WORK/log"
passed=0 failed=0
step() { # step NAME COMMAND...
  local name=$1 start=$SECONDS rc=0; shift
  "$@" > "$WORK/log/step.out" 2>&1 || rc=$?
  printf '%4d s  %-6s %s\n' $((SECONDS - start)) "$([ $rc = 0 ] && echo ok || echo FAILED)" "$name"
  if [ $rc = 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); grep -av '^ok ' "$WORK/log/step.out" | tail -40; fi
  return $rc
}
finish() { echo "$passed passed, $failed failed, $SECONDS s"; [ $failed = 0 ]; exit; }

step "kernels: $*" "$RIG/setup.sh" "$@" || finish
step "root file system" "$RIG/mkroot.sh" || finish
if [ -n "${MSB_BIN_DIR-}" ]; then echo "taking msbc, msb-launch and msb-gateway from $MSB_BIN_DIR"
else step "build" scripts/build.sh || finish; MSB_BIN_DIR=$TARGET/dist; fi

STAGE=$(mktemp -d); trap 'rm -rf "$STAGE"' EXIT; chmod 755 "$STAGE"
mkdir "$STAGE/bin"
cp "$MSB_BIN_DIR"/msbc "$MSB_BIN_DIR"/msb-launch "$MSB_BIN_DIR"/msb-gateway "$STAGE/bin/"
cp -r policy-lang packaging rig/policies rig/suite.sh rig/apparmor.sh "$STAGE/"
[ ! -d "$WORK/ubuntu/apparmor" ] || cp -r "$WORK/ubuntu/apparmor" "$STAGE/"
vm() { "$RIG/vmrun.sh" --share "$STAGE:/srv/msb" "$@"; }
S=/srv/msb/suite.sh

for k in "$@"; do
  step "$k, cgroup v2, root" vm --kernel "$k" -- $S cgroup
  step "$k, cgroup v2, user" vm --kernel "$k" --user tester -- $S cgroup
done
[ -z "$BRIEF" ] || finish
step "$1, systemd, user in a delegated scope" vm --kernel "$1" --init systemd --user tester -- $S cgroup
step "$1, systemd, user who is given a scope on asking" vm --kernel "$1" --init systemd --no-scope --user tester -- $S scope
step "$1, hybrid cgroups, root" vm --kernel "$1" --cgroup hybrid -- $S cgroup
step "$1, hybrid cgroups, user" vm --kernel "$1" --cgroup hybrid --user tester -- $S no-cgroup
step "$1, max_user_namespaces=0, user" vm --kernel "$1" --pre 'sysctl -qw user.max_user_namespaces=0' --user tester -- $S refused
step "$1, unprivileged_userns_clone=0, user" vm --kernel "$1" --pre 'sysctl -qw kernel.unprivileged_userns_clone=0' --user tester -- $S refused
case " $* " in *" ubuntu "*)
  LSM='lsm=landlock,lockdown,yama,apparmor'
  step "ubuntu, AppArmor refuses, user" vm --kernel ubuntu --append "$LSM" --pre /srv/msb/apparmor.sh --user tester -- $S refused
  step "ubuntu, AppArmor with our profile, user" vm --kernel ubuntu --append "$LSM" --pre '/srv/msb/apparmor.sh with' --user tester -- $S cgroup;;
esac
finish
