// A static program that ends at once: what every case of the launch bench starts.
#include "start.h"
void start(long *stack) {
  (void)stack;
  for (;;) CALL(exit_group, 0, 0, 0, 0, 0);
}
