#!/bin/bash
# suite.sh WHERE: what runs inside a guest, as the user who runs it. It stands beside bin/ (msbc, msb-launch),
# policy-lang/ and policies/, as ci.sh copies them in.
#   cgroup      this user can have a cgroup: every limit is held by one
#   scope       the same, once msbc has asked systemd for a scope
#   no-cgroup   it can't: the second way holds, and `limits hard` refuses
#   refused     it can't make a user namespace: every launch is refused and nothing is started
set -u
HERE=$(dirname "$(readlink -f "$0")"); WHERE=$1
ASKED=; [ "$WHERE" != scope ] || { WHERE=cgroup ASKED=yes; }
# Installed ones are taken where there are any: an AppArmor profile knows its program by its path.
[ -x /usr/local/bin/msb-launch ] || export PATH=$HERE/bin:$PATH
# Not /tmp: a tmpfs has no id-mapped mounts before Linux 6.3, and root's launches need them.
DIR=$(mktemp -d /var/tmp/suite.XXXXXX); cd "$DIR" || exit 2
passed=0 failed=0
ok() { passed=$((passed + 1)); echo "ok    $1"; }
bad() { failed=$((failed + 1)); echo "FAIL  $1"; [ $# -lt 2 ] || sed 's/^/      | /' <<<"$2"; }
expect() { # expect NAME WANTED GOT [OUTPUT]
  if [ "$2" = "$3" ]; then ok "$1"; else bad "$1: wanted $2, got $3" "${4-}"; fi
}
says() { # says NAME PATTERN TEXT
  if grep -Eq -- "$2" <<<"$3"; then ok "$1"; else bad "$1: no /$2/" "$3"; fi
}

workspace() { rm -rf "$DIR/workspace" "$DIR/home"; cp -r "$HERE/policy-lang/examples/hello-agent/workspace" "$DIR/workspace"
  mkdir -p "$DIR/home/.ssh"; echo key > "$DIR/home/.ssh/id_ed25519"; }
hello() { msbc run "$HERE/policy-lang/examples/hello-agent.msb" --set workspace="$DIR/workspace" -- "$@" 2>&1; }
limits() { msbc run "$HERE/policies/limits.msb" --set dir="$HERE/policies" -- python3 /work/use.py "$@" 2>&1; }
# msb-outside stays: the launcher moves the processes of a delegated cgroup there. Scopes are systemd's to remove, soon.
cgroups() {
  for _ in $(seq 50); do find /sys/fs/cgroup -name 'msbc-*.scope' | grep -q . || break; sleep .1; done
  find /sys/fs/cgroup -type d -name 'msb*' ! -name msb-outside 2>/dev/null | sort
}

echo "suite: $WHERE, $(uname -r), $(id -un)"
workspace
if [ "$WHERE" = refused ]; then
  out=$(hello touch /work/started); rc=$?
  expect "a launch without user namespaces is refused" 125 $rc "$out"
  says "it says which step failed" "namespaces" "$out"
  [ ! -e workspace/started ] && ok "nothing was started" || bad "the command ran"
  out=$(msbc doctor); rc=$?
  expect "msbc doctor ends with 1" 1 $rc "$out"
  says "msbc doctor says what is missing, and how to get it" "^missing  namespaces: .*" "$out"
  says "msbc doctor names what to type" "sysctl -w (user.max_user_namespaces|kernel.unprivileged_userns_clone)|apparmor_parser -r" "$out"
  echo "$passed passed, $failed failed"; [ $failed = 0 ]; exit
fi

# The main example: the work is done, and each attempt refused.
before=$(cgroups)
out=$(hello python3 agent.py "$DIR/home"); rc=$?
expect "hello-agent ends well" 0 $rc "$out"
expect "hello-agent: eight attempts" 8 "$(grep -c '^tried to ' <<<"$out")" "$out"
expect "hello-agent: none allowed" 0 "$(grep -c '→ allowed$' <<<"$out")" "$out"
expect "hello-agent: the work is done" 4 "$(wc -l < workspace/result.md)" "$out"
expect "no cgroup is left" "$before" "$(cgroups)"

if [ -n "$ASKED" ]; then
  before_asking=$(cut -d: -f3 /proc/self/cgroup)
  out=$(hello true); expect "nothing is said of limits without a cgroup" "" "$out"
  out=$(msbc doctor); expect "msbc doctor finds everything" 0 $? "$out"
  out=$(msbc run "$HERE/policies/hard.msb" -- sleep 60 2>&1 & launched=$!
    for _ in $(seq 100); do grep -q msbc- "/proc/$launched/cgroup" && break; sleep .1; done
    cat "/proc/$launched/cgroup"; kill $launched; wait $launched)
  says "msbc is in a scope of its own while it runs" "msbc-[0-9]+-[0-9]+.scope" "$out"
  expect "who asked for it is where it was" "$before_asking" "$(cut -d: -f3 /proc/self/cgroup)"
  out=$(XDG_RUNTIME_DIR=/nonexistent msbc run "$HERE/policies/hard.msb" -- true 2>&1)
  expect "limits hard refuses without a manager" 125 $? "$out"
  out=$(XDG_RUNTIME_DIR=/nonexistent msbc run "$HERE/policies/limits.msb" --set dir="$HERE/policies" -- true 2>&1)
  expect "without one the second way holds" 0 $? "$out"
  says "and says so" "no cgroup|without a cgroup" "$out"
fi

# Where AppArmor lets the launcher alone make user namespaces, others still make none that they have privileges in.
if [ "$(cat /proc/sys/kernel/apparmor_restrict_unprivileged_userns 2>/dev/null)" = 1 ] && [ "$(id -u)" != 0 ]; then
  out=$(unshare --user --map-root-user --mount mount -t tmpfs none /mnt 2>&1); rc=$?
  [ $rc != 0 ] && ok "another program makes no user namespace" || bad "another program makes a user namespace" "$out"
  says "the launcher has its profile" "^msb-launch \(unconfined\)" "$(hello cat /proc/self/attr/current)"
  out=$(msbc doctor 2>&1); says "msbc doctor finds a whole sandbox" "^ok +namespaces" "$out"
  says "and a network" "^ok +network" "$out"
fi

# What comes out is what went in.
out=$(hello sh -c 'exit 7'); expect "an exit status passes" 7 $? "$out"
out=$(hello sh -c 'kill -TERM $$'); expect "a signal is 128+n" 143 $? "$out"
out=$(hello no-such-command); expect "a missing command is 127" 127 $? "$out"
head -c 3000000 /dev/urandom > workspace/in   # standard error has the line on limits
msbc run "$HERE/policy-lang/examples/hello-agent.msb" --set workspace="$DIR/workspace" -- cat < workspace/in > workspace/out 2>/dev/null
cmp -s workspace/in workspace/out && ok "3 MB pass through unchanged" || bad "3 MB pass through unchanged"

# What went in and out is counted, and all eight namespaces are new.
cat > output.msb <<'EOF'
edition 2026
policy output {
  include std.base
  limits { memory 256MiB  pids 16  wall 1min  output 100KiB  cpu_time 10s  cpuset 1  fsize 1MiB }
}
EOF
msbc compile output.msb -o output.plan >/dev/null 2>&1 || bad "compile output.msb"
out=$(msb-launch output.plan -- yes 2>/dev/null | wc -c); expect "100 KiB of output and not a byte more" 102400 "$out"
out=$(msb-launch --json output.plan -- yes 2>&1 >/dev/null | tail -n 1)
says "the report says which limit ended it" '"cause":"limit","limit":"output"' "$out"
expect "one CPU" 1 "$(msb-launch output.plan -- nproc 2>/dev/null)"
inside=$(msb-launch output.plan -- sh -c 'for n in cgroup ipc mnt net pid time user uts; do readlink /proc/self/ns/$n; done' 2>/dev/null)
expect "eight namespaces" 8 "$(wc -l <<<"$inside")" "$inside"
same=$(for n in cgroup ipc mnt net pid time user uts; do readlink /proc/self/ns/$n; done | grep -cxF "$inside")
expect "each of them new" 0 "$same" "$inside"
msb-launch --dry-run output.plan -- sh >/dev/null 2>&1; expect "a dry run" 0 $?

# Nothing outlives the launcher, not even when it is killed.
msbc compile "$HERE/policy-lang/examples/hello-agent.msb" -o plan >/dev/null || bad "compile"
msb-launch plan --set workspace="$DIR/workspace" -- sh -c 'setsid sleep 987654 & sleep 987654' >/dev/null 2>&1 &
launcher=$!
sleepers() { ps -eo args= | grep -cx 'sleep 987654'; }
for _ in $(seq 100); do [ "$(sleepers)" = 2 ] && break; sleep .1; done
expect "two processes run inside" 2 "$(sleepers)"
kill -KILL $launcher; wait $launcher 2>/dev/null
for _ in $(seq 100); do [ "$(sleepers)" = 0 ] && break; sleep .1; done
expect "kill -9 of the launcher ends everything" 0 "$(sleepers)"

# The next launch removes the cgroup that a killed launcher left: looked for at the end.

# Where names have many spellings, a deny holds by each (ADR 0070).
if [ "$(id -u)" = 0 ] && modprobe -q loop; then
  truncate -s 8M names.img; mke2fs -q -t ext4 -O casefold,^has_journal -E encoding=utf8 names.img; mkdir names
  mount -o loop names.img names && mkdir names/d && chattr +F names/d || bad "a file system that folds names"
  mkdir -p names/d/.GIT names/d/sub/.HG; echo secret > names/d/.ENV
  out=$(msbc run "$HERE/policies/spelled.msb" --set dir=names/d -- sh -c 'cat .env .ENV .Env; echo x > .eNV; mkdir -p .GIT/HOOKS .git/hooks
    for it in .git/hooks .GIT/HOOKS .Git/Hooks sub/.hg sub/.HG; do echo x > $it/x && echo "wrote $it"; done; echo ok > open; cat OPEN' 2>/dev/null)
  expect "a deny holds for every spelling" ok "$out"
  expect "and nothing of it is left" "secret" "$(cat names/d/.env; ls names/d/.git names/d/sub/.hg 2>/dev/null | grep -v ':$\|^$')"
  umount names
fi

# Limits hold for the sandbox as a whole.
out=$(limits one-process); rc=$?
says "memory: one process of 512 MiB is stopped" "^stopped" "$out"
if [ "$WHERE" = cgroup ]; then
  out=$(limits many-processes); rc=$?
  says "memory: 20 processes of 16 MiB together are stopped" "^stopped|status 137$" "$out
status $rc"
fi
out=$(limits forks); says "pids: 64 processes are refused" "^stopped after [0-9]+ .*EAGAIN" "$out"
out=$(msbc run "$HERE/policies/wall.msb" -- sleep 60 2>&1); expect "wall: 1 s is enough" 137 $? "$out"
out=$(msbc run "$HERE/policies/hard.msb" -- true 2>&1); rc=$?
if [ "$WHERE" = cgroup ]; then
  expect "limits hard starts" 0 $rc "$out"
else
  expect "limits hard is refused" 125 $rc "$out"
  says "limits hard: the line is named" "hard.msb:[0-9]+" "$out"
fi
expect "no cgroup is left after limits, nor the one of the launcher that was killed" "$before" "$(cgroups)"
echo "$passed passed, $failed failed"; [ $failed = 0 ]
