# What the rig's scripts share: where things are.
# shellcheck shell=bash
RIG=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
# Kernels, images and logs are some gigabytes and stay outside the checkout.
WORK=${MSB_RIG_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/microsandbox/rig}
export MSB_RIG_DIR=$WORK

need_root() {
  [ "$(id -u)" = 0 ] || { echo "this needs root, to install packages and to build a root file system: sudo -E $0" >&2; exit 1; }
}

# The mirror that this machine already uses.
debian_mirror() {
  local m
  m=$(cat /etc/apt/sources.list.d/*.sources 2>/dev/null | awk '/^URIs:.*\/debian\/?$/ {print $2; exit}')
  [ -n "$m" ] || m=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
    sed -n 's/^deb \(\[[^]]*\] \)\?\([^ ]*\/debian\)\/\? .*/\2/p' | head -1)
  [ -n "$m" ] || { echo "no Debian mirror in /etc/apt: the rig needs a Debian machine" >&2; return 1; }
  m=${m%/}; echo "${m%/debian}"
}
