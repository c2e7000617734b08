#!/bin/bash
# setup.sh [KERNEL...]: install qemu, fetch and unpack Debian kernels. Needs root and Debian 12's apt.
# KERNEL: 5.10 6.1 6.12 new (trixie-backports, 7.x), and ubuntu (24.04's, with its AppArmor). Default: 6.1 6.12.
# It has an apt configuration of its own: the machine's sources stay as they are.
set -euo pipefail
. "$(dirname "$(readlink -f "$0")")/lib.sh"
need_root
[ $# -gt 0 ] || set -- 6.1 6.12
KEY=/usr/share/keyrings/debian-archive-keyring.gpg
SUITES="debian:bookworm debian:bookworm-updates debian-security:bookworm-security debian:bookworm-backports
        debian-security:bullseye-security debian:trixie-backports"
mkdir -p "$WORK"/apt/lists/partial "$WORK"/apt/cache/archives/partial "$WORK/kernels" "$WORK/log"
MIRROR=$(debian_mirror)
for s in $SUITES; do echo "deb [signed-by=$KEY] $MIRROR/${s%%:*} ${s##*:} main"; done > "$WORK/apt/sources.list"
APT="-o Dir::Etc::sourcelist=$WORK/apt/sources.list -o Dir::Etc::sourceparts=- -o Dir::State::lists=$WORK/apt/lists
     -o Dir::Cache=$WORK/apt/cache -o Acquire::Languages=none -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false
     -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 -o APT::Sandbox::User=root"

# Ubuntu's archive is held by the key that Debian's package has. Where Debian comes from a mirror of somebody's own, Ubuntu is
# looked for beside it; MSB_UBUNTU_MIRROR names another.
ubuntu_sources() {
  local keys=$WORK/ubuntu/keys/usr/share/keyrings/ubuntu-archive-keyring.gpg at=$MIRROR/ubuntu
  case $MIRROR in *.debian.org*) at=http://archive.ubuntu.com/ubuntu;; esac
  at=${MSB_UBUNTU_MIRROR:-$at}
  [ -e "$keys" ] || unpack ubuntu-keyring "$WORK/ubuntu/keys"
  for s in noble noble-updates; do echo "deb [signed-by=$keys] $at $s main"; done >> "$WORK/apt/sources.list"
  apt-get $APT -qq update
}
unpack() { # unpack PACKAGE[=VERSION] DIR
  mkdir -p "$2"
  (cd "$WORK/apt" && rm -f ./*.deb && apt-get $APT -qq download "$1" && dpkg-deb -x ./*.deb "$2" && rm -f ./*.deb)
}
missing_kernels() { local k; for k in "$@"; do [ -e "$WORK/kernels/$k/initrd.cpio" ] || echo "$k"; done; }
missing_tools() { local p; for p in qemu-system-x86 busybox-static mmdebstrap cpio kmod xz-utils zstd e2fsprogs python3; do
  dpkg -s "$p" >/dev/null 2>&1 || echo "$p"; done; }

if [ -z "$(missing_kernels "$@")$(missing_tools)" ]; then echo "kernels $* are there"; exit 0; fi
apt-get $APT -qq update
need=$(missing_tools)
# qemu comes from backports: bookworm's 7.2 does not install beside a qemu-utils from backports.
[ -z "$need" ] || DEBIAN_FRONTEND=noninteractive apt-get $APT -qq install -y --no-install-recommends -t bookworm-backports $need \
  >"$WORK/log/apt.log" 2>&1 || { tail -20 "$WORK/log/apt.log" >&2; exit 1; }

fetch() { # fetch NAME META-PACKAGE SUITE
  local d=$WORK/kernels/$1 ver pkg p v
  [ ! -e "$d/initrd.cpio" ] || return 0
  ver=$(apt-cache $APT madison "$2" | awk -F'|' -v s=" $3/" '{gsub(/ /,"",$2)} index(" "$3, s) || index($3, s) {print $2; exit}')
  pkg=$(apt-cache $APT show "$2=$ver" | sed -n 's/^Depends:.*\(linux-image-[0-9][^ ,]*\).*/\1/p' | head -1)
  # From 7.x on linux-image is an empty package; the files are in linux-binary and linux-modules.
  [ -n "$pkg" ] || pkg=$(apt-cache $APT depends "$2=$ver" | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -1)
  [ -n "$pkg" ] || { echo "no package for kernel $1 ($2 in $3)" >&2; return 1; }
  rm -rf "$d"; mkdir -p "$d"
  for p in "$pkg" ${pkg/linux-image/linux-binary} ${pkg/linux-image/linux-modules}; do
    apt-cache $APT show "$p" >/dev/null 2>&1 || continue
    unpack "$p" "$d"
  done
  [ -d "$d/lib/modules" ] || { rm -rf "$d/lib"; ln -s usr/lib "$d/lib"; }
  v=$(basename "$d"/lib/modules/*); [ -d "$d/boot" ] || { mkdir "$d/boot"; mv "$d/lib/modules/$v/vmlinuz" "$d/boot/vmlinuz-$v"; }
  find -L "$d/lib/modules" -name '*.ko.xz' -print0 | xargs -0r -P2 -n50 unxz
  find -L "$d/lib/modules" -name '*.ko.zst' -print0 | xargs -0r -P2 -n50 unzstd -q --rm
  depmod -b "$d" "$v" 2>/dev/null
  "$RIG/extract-vmlinux.py" "$d"/boot/vmlinuz-* "$d/vmlinux"   # started by PVH: no decompression in the guest
  echo "$v" > "$d/version"; "$RIG/mkinitrd.sh" "$1"; echo "kernel $1: $pkg $ver"
}
# AppArmor 4 comes with the C library that it was built with: the guest's is older (see apparmor.sh).
fetch_parser() {
  local p
  [ ! -e "$WORK/ubuntu/apparmor/sbin/apparmor_parser" ] || return 0
  for p in libc6 libgcc-s1 libstdc++6 libapparmor1 apparmor; do unpack "$p/noble-updates" "$WORK/ubuntu/tree"; done
  (cd "$WORK/ubuntu" && rm -rf apparmor && mkdir -p apparmor/{sbin,lib,etc}
    cp tree/sbin/apparmor_parser apparmor/sbin/ && cp -r tree/etc/apparmor.d apparmor/etc/
    cp -P tree/usr/lib/x86_64-linux-gnu/{ld-linux-x86-64.so.2,libc.so*,libm.so*,libgcc_s.so*,libstdc++.so*,libapparmor.so*} apparmor/lib/
    rm -rf tree)
}
for k in "$@"; do case $k in
  5.10) fetch 5.10 linux-image-cloud-amd64 bullseye-security ;;
  6.1)  fetch 6.1 linux-image-cloud-amd64 bookworm-security ;;
  6.12) fetch 6.12 linux-image-6.12-cloud-amd64 bookworm-security ;;
  new)  fetch new linux-image-cloud-amd64 trixie-backports ;;
  ubuntu) ubuntu_sources; fetch_parser; fetch ubuntu linux-image-virtual noble-updates ;;
  *) echo "unknown kernel $k: there are 5.10, 6.1, 6.12, new and ubuntu" >&2; exit 2;; esac; done
