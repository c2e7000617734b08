// What loading a filter costs, and what it adds to calls: filter ROUNDS TRUE FILE...
//
// Each FILE is a program, struct sock_filter after struct sock_filter; `-` is none. In each round, in a new random
// order, a child loads each one, makes calls of four kinds, and another is timed from fork to the end of TRUE. For
// each round and file a line: index, nanoseconds to load, for one allowed, argument-checked, denied and unknown
// call, and to launch. Clocks are read through the vDSO, so that no filter sees them.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { FILES_MAX = 16, INSTRUCTIONS_MAX = 4096, CALLS = 2000, KINDS = 4, UNKNOWN = 1000 };
static struct sock_filter instructions[FILES_MAX][INSTRUCTIONS_MAX];
static struct sock_fprog programs[FILES_MAX];

#define CHECK(e) do { if (!(e)) { perror(#e); _exit(1); } } while (0)

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}

static void load(const struct sock_fprog *program) {
  if (!program->len) return;
  CHECK(!syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, program));
}

static long make(int kind) {
  static char name[16];
  switch (kind) {
    case 0: return syscall(SYS_getppid);
    case 1: return syscall(SYS_prctl, PR_GET_NAME, name, 0, 0, 0);
    case 2: return syscall(SYS_sethostname, "", -1L); // EINVAL or EPERM at once without a filter, EPERM by one
    default: return syscall(UNKNOWN);
  }
}

static void child(const struct sock_fprog *program, int out) {
  double times[1 + KINDS], start;
  CHECK(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  start = now();
  load(program);
  times[0] = now() - start;
  for (int kind = 0; kind < KINDS; kind++) {
    for (int i = 0; i < CALLS / 10; i++) make(kind);
    start = now();
    for (int i = 0; i < CALLS; i++) make(kind);
    times[1 + kind] = (now() - start) / CALLS;
  }
  CHECK(write(out, times, sizeof times) == sizeof times);
  _exit(0);
}

static double launch(const struct sock_fprog *program, const char *path) {
  char *const args[] = {(char *)path, 0}, *const none[] = {0};
  int status;
  double start = now();
  pid_t pid = fork();
  CHECK(pid >= 0);
  if (!pid) {
    CHECK(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    load(program);
    execve(path, args, none);
    _exit(1);
  }
  CHECK(waitpid(pid, &status, 0) == pid);
  double took = now() - start;
  if (status) { fprintf(stderr, "%s ended with status %#x\n", path, status); exit(1); }
  return took;
}

int main(int argc, char **argv) {
  int files = argc - 3, order[FILES_MAX];
  if (files < 1 || files > FILES_MAX) { fprintf(stderr, "usage: filter ROUNDS TRUE FILE...\n"); return 2; }
  for (int i = 0; i < files; i++) {
    order[i] = i;
    programs[i].filter = instructions[i];
    if (!strcmp(argv[3 + i], "-")) continue;
    FILE *file = fopen(argv[3 + i], "r");
    CHECK(file);
    programs[i].len = fread(instructions[i], sizeof **instructions, INSTRUCTIONS_MAX, file);
    CHECK(programs[i].len);
    fclose(file);
  }
  srandom((unsigned)time(0));
  const int warm_up = 3;
  for (int round = -warm_up; round < atoi(argv[1]); round++) {
    for (int i = files - 1; i > 0; i--) {
      int j = random() % (i + 1), kept = order[i];
      order[i] = order[j];
      order[j] = kept;
    }
    for (int at = 0; at < files; at++) {
      int i = order[at], ends[2], status;
      double times[1 + KINDS];
      CHECK(!pipe(ends));
      pid_t pid = fork();
      CHECK(pid >= 0);
      if (!pid) child(&programs[i], ends[1]);
      CHECK(read(ends[0], times, sizeof times) == sizeof times);
      CHECK(waitpid(pid, &status, 0) == pid && !status);
      close(ends[0]);
      close(ends[1]);
      double launched = launch(&programs[i], argv[2]);
      if (round < 0) continue;
      printf("%d", i);
      for (int k = 0; k < 1 + KINDS; k++) printf(" %.1f", times[k]);
      printf(" %.1f\n", launched);
    }
  }
  return 0;
}
