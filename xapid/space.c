#include "xapid/space.h"
#include <string.h>
#include "model/errors.gen.h"

/* Messages that write little and end something, so that somebody can make room through the API. */
static const char *const endings[] = {
    "cancel", "clean_reboot", "clean_shutdown", "destroy",      "disable",     "eject",
    "forget", "hard_reboot",  "hard_shutdown",  "local_logout", "logout",      "pause",
    "scan",   "shutdown",     "unpause",        "unplug",       "unplug_force"};

static bool ends_something(const struct model_message *m)
{
    if (m->verb == VERB_DESTROY)
        return true;
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        if (strcmp(m->name, endings[i]) == 0)
            return true;
    }
    return false;
}

/* By what it does; messages of the readers' role only read. */
static bool reads(const struct model_message *m)
{
    return (m->verb >= VERB_GET_RECORD && m->verb <= VERB_GET_BY_NAME_LABEL) || m->verb == VERB_GET_FIELD ||
           strncmp(m->name, "get_", 4) == 0 || (m->roles & (ROLE_READ_ONLY | ROLE_ANYONE));
}

int space_check(struct db *db, const struct model_message *m, struct err *e)
{
    if (reads(m) || !db_is_short_of_space(db) || ends_something(m))
        return 0;
    return err_out_of_space(e, "the disk of the database");
}
