#!/bin/bash
# apparmor.sh [with]: what Ubuntu 24.04 does at its start, in a guest with its kernel, as root: AppArmor refuses user namespaces
# to programs that it does not know. With an argument our own profile is loaded, too, and the programs are put where it wants them.
set -euo pipefail
HERE=$(dirname "$(readlink -f "$0")"); A=$HERE/apparmor
parse() { "$A/lib/ld-linux-x86-64.so.2" --library-path "$A/lib" "$A/sbin/apparmor_parser" -K -b "$A/etc/apparmor.d" -r "$@"; }
sysctl -qw kernel.apparmor_restrict_unprivileged_userns=1
parse "$A/etc/apparmor.d/unprivileged_userns"
[ $# = 0 ] || { cp "$HERE"/bin/* /usr/local/bin/; parse "$HERE/packaging/apparmor/msb-launch"; }
