#include <malloc.h>
#include <stdio.h>
#include "xapid/check_db.h"
#include "xapid/config_check.h"
#include "xapid/daemonize.h"
#include "xapid/handover.h"
#include "xapid/host_backup/host_backup.h"
#include "xapid/options.h"
#include "xapid/restore_db.h"
#include "xapid/set_password.h"
#include "xapid/start.h"

#if defined __SANITIZE_ADDRESS__
#define WITH_LSAN
#elif defined __has_feature
#if __has_feature(address_sanitizer)
#define WITH_LSAN
#endif
#endif
#ifdef WITH_LSAN
#include <sanitizer/lsan_interface.h>

/* An empty talloc context's address is that of the byte behind its block, so the leak checker does not see
 * that fibers which still wait when the process ends hold theirs. */
const char *__lsan_default_suppressions(void)
{
    return "leak:libtalloc\n";
}
#endif

static int complain(const struct err *e)
{
    fprintf(stderr, "xapid: %s\n", e->n_params > 0 ? e->params[0] : e->code);
    return 1;
}

/* Read the options; set a password, or start, serve until told to stop, and stop. */
int main(int argc, char **argv)
{
    CLEANUP_ERR struct err e = {0};
    struct xapid_options options;
    enum options_action action;

    mallopt(M_ARENA_MAX, 1); /* what a worker has freed serves the next one, on whichever thread it runs */
    handover_receive();
    if (options_read(argc, argv, &options, &action, &e) < 0)
        return complain(&e);
    if (action == OPTIONS_CHECK)
        return config_check_main(argc, argv);
    if (action == OPTIONS_CHECK_DB)
        return check_db(&options);
    if (action == OPTIONS_RESTORE_DB)
        return restore_db(&options, &e) < 0 ? complain(&e) : 0;
    if (action == OPTIONS_DONE)
        return 0;
    if (action == OPTIONS_SET_PASSWORD)
        return set_password(&options, &e) < 0 ? complain(&e) : 0;
    int restored = host_restore_finish(&options, &e);
    if (restored < 0 || (restored > 0 && options_read(argc, argv, &options, &action, &e) < 0))
        return complain(&e);
    if (!options.foreground && daemonize(options.state_dir, handover_is_continued(), &e) < 0)
        return complain(&e);
    int status = server_run(&options, &e);
    return status < 0 ? complain(&e) : status;
}
