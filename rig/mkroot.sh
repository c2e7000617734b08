#!/bin/bash
# mkroot.sh: build the guest's root: Debian 12 with systemd, dbus, python3, a user `tester` (1001) and what
# the tests call. vmrun.sh attaches it with snapshot=on, so every run begins from the same state.
set -euo pipefail
. "$(dirname "$(readlink -f "$0")")/lib.sh"
need_root
PKGS=systemd,systemd-sysv,dbus,dbus-user-session,libpam-systemd,iproute2,nftables,procps,kmod,uidmap,strace,apparmor,python3,sudo,bubblewrap
IMG=$WORK/images
# The recipe's hash names the image: a changed recipe builds a new one.
RECIPE=$( (cat "$0"; find "$RIG/guest" -type f -print0 | sort -z | xargs -0 cat) | sha256sum | cut -c1-16)
if [ "$(cat "$IMG/root.recipe" 2>/dev/null)" = "$RECIPE" ] && [ -e "$IMG/root.ext4" ]; then echo "the image is there"; exit 0; fi
MIRROR=$(debian_mirror); export MIRROR RIG PKGS IMG
mkdir -p "$IMG/tmp"
# A tmpfs saves dpkg's many fsyncs.
unshare -m bash -euc '
  mount -t tmpfs -o size=3g,mode=755 tmpfs "$IMG/tmp"; export TMPDIR=$IMG/tmp
  mmdebstrap --quiet --variant=minbase --include="$PKGS" \
    --dpkgopt=force-unsafe-io --dpkgopt=path-exclude=/usr/share/doc/* --dpkgopt=path-exclude=/usr/share/man/* \
    --dpkgopt=path-exclude=/usr/share/locale/* --aptopt="Acquire::Retries \"3\"" \
    --customize-hook="cp -r \"$RIG/guest/.\" \"\$1/\"; chroot \"\$1\" useradd -m -u 1001 -s /bin/bash tester;
       echo tester:100000:65536 | tee \"\$1/etc/subuid\" > \"\$1/etc/subgid\"; echo vm > \"\$1/etc/hostname\";
       chroot \"\$1\" systemctl -q mask getty@tty1 serial-getty@ttyS0 systemd-timesyncd apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer systemd-update-utmp ldconfig systemd-firstboot;
       chroot \"\$1\" systemctl -q enable vmrun.service; mkdir -p \"\$1/var/lib/systemd/linger\"; touch \"\$1/var/lib/systemd/linger/tester\"" \
    bookworm "$IMG/tmp/root.tar" "deb $MIRROR/debian bookworm main" "deb $MIRROR/debian-security bookworm-security main"
  mkdir "$IMG/tmp/r"; tar -C "$IMG/tmp/r" --numeric-owner -xf "$IMG/tmp/root.tar"
  truncate -s 1500M "$IMG/root.tmp"
  mke2fs -q -t ext4 -O ^has_journal -E lazy_itable_init=1 -d "$IMG/tmp/r" -F "$IMG/root.tmp"'
mv "$IMG/root.tmp" "$IMG/root.ext4"; echo "$RECIPE" > "$IMG/root.recipe"; ls -sh "$IMG/root.ext4"
