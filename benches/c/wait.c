// A static program that waits until it is killed: what is alive beside a launch that is measured.
#include "start.h"
void start(long *stack) {
  (void)stack;
  for (;;) CALL(ppoll, 0, 0, 0, 0, 0);
}
