#include "lib/fault.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "lib/fiber.h"
#include "lib/log.h"

unsigned fault_armed_kinds;

static unsigned points_left;
static bool fired, kills;

int fault_point_slow(enum fault_kind kind, const char *what)
{
    if (fiber_cancel_masked() || --points_left > 0)
        return 0;
    fault_armed_kinds = 0;
    fired = true;
    log_info("fault point: %s", what);
    if (kills)
        kill(getpid(), SIGKILL);
    if (kind != FAULT_CANCEL)
        return -EIO;
    if (fiber_self())
        fiber_cancel(fiber_self());
    return 0;
}

static void arm(unsigned kinds, unsigned n, bool kill_then)
{
    fired = false;
    kills = kill_then;
    points_left = n;
    fault_armed_kinds = n > 0 ? kinds : 0;
}

void fault_arm(unsigned kinds, unsigned n)
{
    arm(kinds, n, false);
}

void fault_disarm(void)
{
    fault_armed_kinds = 0;
}

bool fault_fired(void)
{
    return fired;
}

static const struct {
    const char *name;
    enum fault_kind kind;
} kind_names[] = {
    {"wait", FAULT_WAIT},       {"qmp", FAULT_QMP}, {"storage", FAULT_STORAGE},
    {"network", FAULT_NETWORK}, {"db", FAULT_DB},   {"cancel", FAULT_CANCEL},
};

/* The bit of the kind named by the n bytes at name, 0 when there is none. */
static unsigned kind_by_name(const char *name, size_t n)
{
    for (size_t i = 0; i < sizeof kind_names / sizeof *kind_names; i++) {
        if (strlen(kind_names[i].name) == n && memcmp(kind_names[i].name, name, n) == 0)
            return kind_names[i].kind;
    }
    return 0;
}

/* Read "qmp+db" up to the colon; 0 when something is not a kind. */
static unsigned kinds_parse(const char **text)
{
    unsigned kinds = 0;

    for (;;) {
        size_t n = strcspn(*text, "+:");
        unsigned kind = kind_by_name(*text, n);

        if (kind == 0)
            return 0;
        kinds |= kind;
        *text += n;
        if (**text != '+')
            return kinds;
        ++*text;
    }
}

int fault_arm_text(const char *text)
{
    unsigned kinds = kinds_parse(&text);
    unsigned long n;
    bool kill_then;
    char *end;

    if (kinds == 0 || *text++ != ':' || *text < '1' || *text > '9')
        return -EINVAL;
    errno = 0;
    n = strtoul(text, &end, 10);
    kill_then = strcmp(end, ":kill") == 0;
    if (errno != 0 || n > 1000000000 || (!kill_then && *end != '\0'))
        return -EINVAL;
    arm(kinds, (unsigned)n, kill_then);
    return 0;
}
