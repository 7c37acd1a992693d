/* Not a driver: every function of libcuda.so.1 is there, none does its work, and the first one that is called fails in the way that
 * WAY names. Linked against where no driver is, and put in place of one to see what becomes of gpu-worker. */
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum way { RETURN, EXIT, SPIN, SLEEP, STOP, SEGV, ABORT };

int fail(void)
{
    switch (WAY) {
    case EXIT: _exit(0);
    case SPIN: for (;;) { __asm__ volatile(""); }
    case SLEEP: for (;;) { sleep(60); }
    case STOP: raise(SIGSTOP); return 999;
    case SEGV: raise(SIGSEGV); return 999;
    case ABORT: abort();
    default: return CODE;
    }
}

#define FUNCTION(name) int name(void) __attribute__((alias("fail")));
#include "names.h"
