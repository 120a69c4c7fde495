#include "net/tool.h"
#include <string.h>
#include "lib/clock.h"
#include "lib/fault.h"
#include "lib/proc.h"

enum { TOOL_MS = 20 * 1000 };

int co_tool_run(const char *const *argv, struct err *e)
{
    struct proc_result r = {0};
    int rc = fault_point(FAULT_NETWORK, argv[0]);

    if (rc == 0)
        rc = co_proc_run(argv, &r, clock_in_ms(TOOL_MS));
    if (rc < 0) {
        err_errno(e, rc, "%s", argv[0]);
    } else if (r.status != 0) {
        const char *text = buf_cstr(&r.err);
        rc = err_internal(e, "%s failed: %.*s", argv[0], (int)strcspn(text, "\n"), text);
    }
    proc_result_free(&r);
    return rc < 0 ? -1 : 0;
}
