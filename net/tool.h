#ifndef NET_TOOL_H
#define NET_TOOL_H
/* Programs that set up what has no call of its own. */
#include "lib/err.h"

/* Run one to its end, for at most 20 seconds; failure carries what it said. */
int co_tool_run(const char *const *argv, struct err *e);

#endif
