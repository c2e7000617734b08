// The floor of policies/agent.msb: what that policy asks of the kernel, in the cheapest C that does it. No plan, no check,
// no memory of which line asked for what: it is for measuring, never for confining. It serves the user it is started by.
// Usage: agent ROOT FILTER CMD; FILTER is a program, struct sock_filter after struct sock_filter, and CMD a path inside.
#include "namespaces.h"
#include <linux/landlock.h>
#include <linux/resource.h>

enum { INSTRUCTIONS_MAX = 4096, CAPABILITIES = 41, TREE = 0x8000 /* AT_RECURSIVE */ };
static struct sock_filter instructions[INSTRUCTIONS_MAX];

enum { READ = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC, RUN = MOUNT_ATTR_RDONLY, WRITE = MOUNT_ATTR_NOEXEC };

// What agent.msb and std.base show where it is there, and how; what is not absolute lies in ROOT.
static const struct { const char *from, *to; unsigned how; } BINDS[] = {
  {"/usr", "usr", RUN}, {"/lib32", "lib32", RUN},
  {"/etc/ld.so.cache", "etc/ld.so.cache", READ}, {"/etc/ld.so.conf", "etc/ld.so.conf", READ},
  {"/etc/ld.so.conf.d", "etc/ld.so.conf.d", READ}, {"/etc/alternatives", "etc/alternatives", READ},
  {"/etc/localtime", "etc/localtime", READ}, {"/etc/services", "etc/services", READ},
  {"/etc/protocols", "etc/protocols", READ}, {"/etc/mime.types", "etc/mime.types", READ},
  {"/etc/os-release", "etc/os-release", READ}, {"/etc/ssl/certs", "etc/ssl/certs", READ},
  {"/etc/ssl/openssl.cnf", "etc/ssl/openssl.cnf", READ}, {"/etc/ca-certificates", "etc/ca-certificates", READ},
  {"bin", "opt/bin", RUN}, {".", "work", WRITE}, {"bin", "work/bin", READ}, {"dev", "work/dev", READ}, {".", "data", READ},
};
static const char *const FOLDERS[] = {"usr", "etc", "etc/ssl", "opt", "work", "data", "dev", "dev/pts", "dev/shm", "proc", "tmp",
  "var", "var/tmp"};
static const char *const LINKS[][2] = {{"usr/bin", "bin"}, {"usr/lib", "lib"}, {"usr/lib64", "lib64"}, {"usr/sbin", "sbin"},
  {"/proc/self/fd", "dev/fd"}, {"/proc/self/fd/0", "dev/stdin"}, {"/proc/self/fd/1", "dev/stdout"},
  {"/proc/self/fd/2", "dev/stderr"}, {"pts/ptmx", "dev/ptmx"}};
static const char *const DEVICES[] = {"dev/null", "dev/zero", "dev/full", "dev/random", "dev/urandom"};

static void grant(long wall, long place, unsigned long rights) {
  struct landlock_path_beneath_attr rule = {rights, (int)place};
  CHECK(CALL(landlock_add_rule, wall, LANDLOCK_RULE_PATH_BENEATH, &rule, 0, 0));
}

// A mount of `from` at `to`, which is made; gives a descriptor of it, or less than 0 where nothing is there to be shown.
static long show(long base, const char *from, const char *to, unsigned how) {
  struct mount_attr attr = {.attr_set = how | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, .propagation = MS_PRIVATE};
  unsigned short stat[128]; // struct statx: word 14 is stx_mode
  long tree = CALL(open_tree, base, from, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | TREE, 0, 0);
  if (tree < 0) return tree;
  CHECK(CALL(mount_setattr, tree, "", AT_EMPTY_PATH | TREE, &attr, sizeof attr));
  CHECK(CALL(statx, tree, "", AT_EMPTY_PATH, 1, stat));
  // What std.base has may lie below what it has too.
  if ((stat[14] & 0170000) == 0040000) CALL(mkdirat, AT_FDCWD, to, 0755, 0, 0);
  else CALL(mknodat, AT_FDCWD, to, 0100400, 0, 0);
  CHECK(CALL(move_mount, tree, "", AT_FDCWD, to, MOVE_MOUNT_F_EMPTY_PATH));
  return tree;
}

static void confine(const char *root_path, unsigned uid, unsigned gid) {
  const unsigned long reads = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
  const unsigned long all = (1ul << 15) - 1; // up to LANDLOCK_ACCESS_FS_TRUNCATE
  write_file("/proc/self/oom_score_adj", "500");
  map_ids(uid, gid);
  CHECK(CALL(sethostname, "sandbox", 7, 0, 0, 0));
  CALL(umask, 0, 0, 0, 0, 0);
  struct landlock_ruleset_attr rules = {.handled_access_fs = all};
  long wall = CALL(landlock_create_ruleset, &rules, 8, 0, 0, 0);
  CHECK(wall);
  long shown = CALL(openat, AT_FDCWD, root_path, O_PATH_ | O_CLOEXEC, 0, 0);
  CHECK(shown);
  CHECK(CALL(mount, "tmpfs", "/", "tmpfs", MS_NOSUID | MS_NODEV, "size=4m,nr_inodes=4096,mode=0755"));
  // What is mounted over / shows from above it alone.
  CHECK(CALL(chdir, "/..", 0, 0, 0, 0));
  for (unsigned i = 0; i < sizeof FOLDERS / sizeof *FOLDERS; i++) CHECK(CALL(mkdirat, AT_FDCWD, FOLDERS[i], 0755, 0, 0));
  for (unsigned i = 0; i < sizeof LINKS / sizeof *LINKS; i++) CHECK(CALL(symlinkat, LINKS[i][0], AT_FDCWD, LINKS[i][1], 0, 0));
  for (unsigned i = 0; i < sizeof BINDS / sizeof *BINDS; i++) {
    long tree = show(shown, BINDS[i].from, BINDS[i].to, BINDS[i].how);
    if (tree < 0) continue;
    if (BINDS[i].how == RUN) grant(wall, tree, reads | LANDLOCK_ACCESS_FS_EXECUTE);
    if (BINDS[i].how == WRITE) grant(wall, tree, all & ~LANDLOCK_ACCESS_FS_EXECUTE);
    CALL(close, tree, 0, 0, 0, 0);
  }
  for (unsigned i = 0; i < sizeof DEVICES / sizeof *DEVICES; i++) {
    char from[16] = "/";
    for (unsigned n = 0; DEVICES[i][n]; n++) from[n + 1] = DEVICES[i][n];
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, .propagation = MS_PRIVATE};
    long tree = CALL(open_tree, AT_FDCWD, from, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC, 0, 0);
    CHECK(tree);
    CHECK(CALL(mount_setattr, tree, "", AT_EMPTY_PATH, &attr, sizeof attr));
    CHECK(CALL(mknodat, AT_FDCWD, DEVICES[i], 0100400, 0, 0));
    CHECK(CALL(move_mount, tree, "", AT_FDCWD, DEVICES[i], MOVE_MOUNT_F_EMPTY_PATH));
    CALL(close, tree, 0, 0, 0, 0);
  }
  CHECK(CALL(mount, "devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "ptmxmode=0666,mode=0620,max=64"));
  CHECK(CALL(mount, "tmpfs", "dev/shm", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=64m,nr_inodes=4096,mode=1777"));
  CHECK(CALL(mount, "tmpfs", "tmp", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=256m,nr_inodes=20000,mode=1777"));
  CHECK(CALL(mount, "tmpfs", "var/tmp", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=64m,nr_inodes=20000,mode=1777"));
  CHECK(CALL(mount, "proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY, "subset=pid,hidepid=ptraceable"));
  struct mount_attr sealed = {.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC, .propagation = MS_PRIVATE};
  const char *const writable[] = {"dev", "dev/shm", "tmp", "var/tmp"};
  for (unsigned i = 0; i < sizeof writable / sizeof *writable; i++) {
    long place = CALL(openat, AT_FDCWD, writable[i], O_PATH_ | O_CLOEXEC, 0, 0);
    CHECK(place);
    grant(wall, place, all & ~LANDLOCK_ACCESS_FS_EXECUTE);
    CALL(close, place, 0, 0, 0, 0);
  }
  long root = CALL(openat, AT_FDCWD, AT_HERE, O_PATH_ | O_CLOEXEC, 0, 0);
  CHECK(root);
  CHECK(CALL(mount_setattr, root, "", AT_EMPTY_PATH, &sealed, sizeof sealed));
  grant(wall, root, reads);
  CHECK(CALL(pivot_root, AT_HERE, AT_HERE, 0, 0, 0));
  CHECK(CALL(umount2, AT_HERE, DETACH, 0, 0, 0));
  CHECK(CALL(chdir, "/", 0, 0, 0, 0));
  // A copy of the root that belongs to no namespace, so that nobody reads where its mounts come from.
  long copy = CALL(open_tree, AT_FDCWD, "/", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | TREE, 0, 0);
  CHECK(copy);
  CHECK(CALL(fchdir, copy, 0, 0, 0, 0));
  CHECK(CALL(chroot, AT_HERE, 0, 0, 0, 0));
  CHECK(CALL(setsid, 0, 0, 0, 0, 0));
  const struct { int what; unsigned long value; } limits[] = {{RLIMIT_CORE, 1}, {RLIMIT_NPROC, 257}, {RLIMIT_DATA, 2ul << 30},
    {RLIMIT_NOFILE, 1024}};
  for (unsigned i = 0; i < sizeof limits / sizeof *limits; i++) {
    struct rlimit64 limit = {limits[i].value, limits[i].value};
    CHECK(CALL(prlimit64, 0, limits[i].what, &limit, 0, 0));
  }
  CHECK(CALL(prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  for (int i = 0; i < CAPABILITIES; i++) CHECK(CALL(prctl, PR_CAPBSET_DROP, i, 0, 0, 0));
  give_up_capabilities();
  CHECK(CALL(landlock_restrict_self, wall, 0, 0, 0, 0));
  CALL(close_range, 3, ~0u, 0, 0, 0);
}

// pid 1: starts the command in memory that it shares, and waits.
static void init(const char *root, unsigned uid, unsigned gid, const struct sock_fprog *program, char **args, char **environment) {
  confine(root, uid, gid);
  // vfork(2): no function may return in the child, and none does.
  long command = CALL(clone, CLONE_VM | CLONE_VFORK | SIGCHLD, 0, 0, 0, 0);
  CHECK(command);
  if (command == 0) {
    CHECK(CALL(seccomp, SECCOMP_SET_MODE_FILTER, 0, program, 0, 0));
    CHECK(CALL(execve, args[0], args, environment, 0, 0));
  }
  leave(command);
}

void start(long *stack) {
  char **args = (char **)(stack + 1);
  if (stack[0] != 4) CALL(exit_group, 2, 0, 0, 0, 0);
  unsigned uid = CALL(getuid, 0, 0, 0, 0, 0), gid = CALL(getgid, 0, 0, 0, 0, 0);
  long file = CALL(openat, AT_FDCWD, args[2], O_RDONLY | O_CLOEXEC, 0, 0);
  CHECK(file);
  long bytes = CALL(read, file, instructions, sizeof instructions, 0, 0);
  CHECK(bytes);
  struct sock_fprog program = {bytes / sizeof *instructions, instructions};
  long child = new_namespaces();
  if (child == 0) init(args[1], uid, gid, &program, args + 3, args + 5);
  leave(child);
}
