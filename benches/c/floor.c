// The floor: every kernel step that a namespace sandbox needs, and nothing else. No plan, no check, no limits:
// it is for measuring, never for confining. Usage: floor ROOT CMD; CMD is a path inside ROOT, which has the
// folders proc and tmp.
#include "namespaces.h"

static void confined(const char *root, unsigned uid, unsigned gid) {
  map_ids(uid, gid);
  CHECK(CALL(mount, root, root, 0, MS_BIND | MS_REC, 0));
  CHECK(CALL(mount, 0, root, 0, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV, 0));
  CHECK(CALL(chdir, root, 0, 0, 0, 0));
  CHECK(CALL(mount, "proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, 0));
  CHECK(CALL(mount, "tmpfs", "tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777,size=64m"));
  CHECK(CALL(pivot_root, AT_HERE, AT_HERE, 0, 0, 0));
  CHECK(CALL(umount2, AT_HERE, DETACH, 0, 0, 0));
  CHECK(CALL(chdir, "/", 0, 0, 0, 0));
  give_up_capabilities();
  struct sock_filter allow = {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW};
  struct sock_fprog program = {1, &allow};
  CHECK(CALL(prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  CHECK(CALL(seccomp, SECCOMP_SET_MODE_FILTER, 0, &program, 0, 0));
}

void start(long *stack) {
  char **args = (char **)(stack + 1);
  if (stack[0] != 3) CALL(exit_group, 2, 0, 0, 0, 0);
  unsigned uid = CALL(getuid, 0, 0, 0, 0, 0), gid = CALL(getgid, 0, 0, 0, 0, 0);
  long child = new_namespaces();
  if (child == 0) {
    confined(args[1], uid, gid);
    CHECK(CALL(execve, args[2], args + 2, args + 4, 0, 0));
  }
  leave(child);
}
