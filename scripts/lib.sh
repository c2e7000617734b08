# What the scripts share. Source it from the root of the checkout.
# shellcheck shell=bash
TARGET=${CARGO_TARGET_DIR:-$PWD/target}
[ -t 2 ] || export CARGO_TERM_COLOR=never

say() { printf '\n== %s\n' "$*"; }
have() { command -v "$1" >/dev/null 2>&1; }

# The command that makes us root for one call, empty when we are root; fails when there is none.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif have sudo && sudo -n true 2>/dev/null; then sudo -n "$@"
  else return 1; fi
}

# install PACKAGE...: Debian packages, quietly. Fails when we can't.
install_packages() {
  have apt-get && as_root true || return 1
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update >/dev/null &&
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$@" >/dev/null
}

# require COMMAND=PACKAGE...: what can't be done without; installs it or says what to type and ends.
require() {
  local pair missing=()
  for pair in "$@"; do have "${pair%%=*}" || missing+=("${pair#*=}"); done
  [ ${#missing[@]} -gt 0 ] || return 0
  if as_root true 2>/dev/null; then echo "installing: ${missing[*]}"; install_packages "${missing[@]}" && return 0; fi
  echo "missing: ${missing[*]}. Install them as root, then run this again:" >&2
  echo "    apt-get update && apt-get install -y ${missing[*]}" >&2
  exit 1
}

require_rust() {
  have cargo || PATH=$HOME/.cargo/bin:$PATH
  have cargo || { echo "missing: Rust 1.88 or newer; https://rustup.rs says how to install it" >&2; exit 1; }
}

# Sets MSB_TEST_USER, an ordinary user for what root can't test, and makes it where it is missing. Root only.
test_user() {
  export MSB_TEST_USER=${MSB_TEST_USER:-msbtest}
  id "$MSB_TEST_USER" >/dev/null 2>&1 || useradd --create-home --shell /bin/bash "$MSB_TEST_USER"
}
