#include "xapid/housekeeping.h"
#include <errno.h>
#include "lib/clock.h"
#include "lib/fiber.h"
#include "xapid/certificate/alert.h"
#include "xapid/session/session.h"
#include "xapid/task/task.h"

enum { PERIOD_MS = 60 * 1000 };

static void co_keep_house(void *arg)
{
    struct xapid *x = arg;
    do {
        certificate_alerts(x->db, clock_wall());
        session_expire(x, clock_wall());
        task_collect(x->db, clock_wall());
    } while (co_sleep_until(clock_in_ms(PERIOD_MS), "the next housekeeping") != -ECANCELED);
}

void housekeeping_start(struct xapid *x)
{
    fiber_spawn("housekeeping", co_keep_house, x);
}
