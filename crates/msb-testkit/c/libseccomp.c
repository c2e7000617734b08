/* What libseccomp makes of rules, for tests and benches: a peer to compare with.
 *
 * libseccomp filter [tree]: reads "default ACTION", then lines "ACTION NUMBER COUNT {ARGUMENT OP A B}...", and
 * writes the program, struct sock_filter after struct sock_filter. OP is eq, ne, lt, le, gt, ge or mask. A rule that
 * libseccomp refuses ends the process with status 3 and the error on standard error. */
#include <errno.h>
#include <inttypes.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int operation(const char *word, enum scmp_compare *op) {
  static const struct { const char *word; enum scmp_compare op; } words[] = {
      {"eq", SCMP_CMP_EQ}, {"ne", SCMP_CMP_NE}, {"lt", SCMP_CMP_LT},         {"le", SCMP_CMP_LE},
      {"gt", SCMP_CMP_GT}, {"ge", SCMP_CMP_GE}, {"mask", SCMP_CMP_MASKED_EQ}};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (!strcmp(word, words[i].word)) { *op = words[i].op; return 0; }
  return -1;
}

static int filter(int tree) {
  uint32_t action;
  if (scanf(" default %" SCNu32, &action) != 1) return 2;
  scmp_filter_ctx context = seccomp_init(action);
  if (!context || seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS)) return 2;
  if (tree && seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2)) return 2;
  int number;
  unsigned count;
  while (scanf("%" SCNu32 " %d %u", &action, &number, &count) == 3) {
    struct scmp_arg_cmp all[6];
    if (count > 6) return 2;
    for (unsigned i = 0; i < count; i++) {
      char op[8];
      unsigned argument;
      uint64_t a, b;
      memset(&all[i], 0, sizeof all[i]);
      if (scanf("%u %7s %" SCNu64 " %" SCNu64, &argument, op, &a, &b) != 4 || operation(op, &all[i].op)) return 2;
      all[i].arg = argument;
      all[i].datum_a = a;
      all[i].datum_b = b;
    }
    int failed = seccomp_rule_add_exact_array(context, action, number, count, all);
    if (failed) { fprintf(stderr, "call %d: %s\n", number, strerror(-failed)); return 3; }
  }
  return seccomp_export_bpf(context, STDOUT_FILENO) ? 2 : 0;
}

int main(int argc, char **argv) {
  if (argc >= 2 && !strcmp(argv[1], "filter")) return filter(argc == 3 && !strcmp(argv[2], "tree"));
  return 2;
}
