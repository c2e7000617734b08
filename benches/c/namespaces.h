// What the floors share: namespaces, ids, capabilities, and how they end.
#include "start.h"
#include <asm/signal.h>
#include <linux/capability.h>
#include <linux/fcntl.h>
#include <linux/filter.h>
#include <linux/mount.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <linux/types.h>

#define DETACH 2          // MNT_DETACH of umount(2), which no kernel header has
#define O_PATH_ 010000000 // O_PATH of asm-generic/fcntl.h
#define AT_HERE "."

// Ends with the number of the line that failed, so that a bench never times a failure.
#define CHECK(e) do { if ((e) < 0) CALL(exit_group, __LINE__ & 0xff ? __LINE__ & 0xff : 1, 0, 0, 0, 0); } while (0)

static unsigned length(const char *s) { unsigned n = 0; while (s[n]) n++; return n; }

static void write_file(const char *path, const char *text) {
  long f = CALL(openat, AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0, 0);
  CHECK(f);
  CHECK(CALL(write, f, text, length(text), 0, 0));
  CALL(close, f, 0, 0, 0, 0);
}

// "ID ID 1\n", a line of uid_map.
static void map_self(const char *path, unsigned id) {
  char line[32], digits[12];
  int n = 0, at = 0;
  do digits[n++] = '0' + id % 10; while (id /= 10);
  for (int twice = 0; twice < 2; twice++) {
    for (int i = n; i > 0;) line[at++] = digits[--i];
    line[at++] = ' ';
  }
  line[at++] = '1', line[at++] = '\n', line[at] = 0;
  write_file(path, line);
}

static void map_ids(unsigned uid, unsigned gid) {
  write_file("/proc/self/setgroups", "deny");
  map_self("/proc/self/uid_map", uid);
  map_self("/proc/self/gid_map", gid);
}

static void give_up_capabilities(void) {
  struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct none[2] = {{0, 0, 0}, {0, 0, 0}};
  CHECK(CALL(prctl, PR_SET_SECUREBITS, 0x2f, 0, 0, 0)); // root's id gives nothing, and that is locked
  CHECK(CALL(capset, &head, none, 0, 0, 0));
}

// A process in new namespaces of every kind: 0 in there.
static long new_namespaces(void) {
  struct clone_args clone = {.exit_signal = SIGCHLD,
    .flags = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP |
      CLONE_NEWTIME};
  long child = CALL(clone3, &clone, sizeof clone, 0, 0, 0);
  CHECK(child);
  return child;
}

// Waits for the child and ends as it did.
__attribute__((noreturn)) static void leave(long child) {
  int status = 0;
  CHECK(CALL(wait4, child, &status, 0, 0, 0));
  for (;;) CALL(exit_group, status & 0x7f ? 128 + (status & 0x7f) : status >> 8 & 0xff, 0, 0, 0, 0);
}
