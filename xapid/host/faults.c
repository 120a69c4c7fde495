#include "xapid/host/faults.h"
#include <ev.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include "lib/fault.h"
#include "lib/fiber.h"
#include "lib/log.h"

static ev_signal watcher;

/* Leave the answer where the test looks for it, whole or not at all. */
static void write_fired(const char *state_dir, bool fired)
{
    char path[600], temporary[620];

    snprintf(path, sizeof path, "%s/fault.fired", state_dir);
    snprintf(temporary, sizeof temporary, "%s.tmp", path);
    FILE *f = fopen(temporary, "we");
    if (!f)
        return;
    fprintf(f, "%d\n", fired);
    if (fclose(f) == 0)
        rename(temporary, path);
}

static void on_signal(struct ev_loop *loop, ev_signal *w, int events)
{
    const struct xapid *x = w->data;
    char path[600], text[128] = "";

    snprintf(path, sizeof path, "%s/fault", x->options.state_dir);
    FILE *f = fopen(path, "re");
    if (f && !fgets(text, sizeof text, f))
        text[0] = '\0';
    if (f)
        fclose(f);
    text[strcspn(text, "\n")] = '\0';
    bool fired = fault_fired();
    fault_disarm();
    if (text[0] && fault_arm_text(text) < 0)
        log_warning("no fault: %s", text);
    write_fired(x->options.state_dir, fired);
}

int faults_start(struct xapid *x, struct err *e)
{
    const char *text = x->options.fault_at;

    if (!text)
        return 0;
    if (strcmp(text, "control") != 0)
        return fault_arm_text(text) < 0 ? err_internal(e, "--fault-at: no fault '%s'", text) : 0;
    ev_signal_init(&watcher, on_signal, SIGUSR1);
    watcher.data = x;
    ev_signal_start(loop_get(), &watcher);
    ev_unref(loop_get());
    return 0;
}
