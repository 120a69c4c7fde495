#include "xapid/host/upgrade.h"
#include <string.h>
#include <talloc.h>
#include "db/setters.gen.h"

#define KEY "rolling_upgrade_in_progress"

bool upgrade_is_newer(const char *version, const char *than)
{
    return strverscmp(version, than) > 0;
}

static const char *version_of(const struct host *host)
{
    const char *version = map_get(host->software_version, "xapi_build");

    return version ? version : "";
}

bool upgrade_host_is_newer(const struct host *host, const struct host *than)
{
    return upgrade_is_newer(version_of(host), version_of(than));
}

bool upgrade_in_progress(struct db *db)
{
    const struct host *first = (const struct host *)db_first(db, CLASS_HOST);

    DB_FOREACH_HOST (db, host)
        if (strcmp(version_of(host), version_of(first)) != 0)
            return true;
    return false;
}

void upgrade_note(struct txn *t)
{
    const struct pool *pool = (const struct pool *)db_first(txn_db(t), CLASS_POOL);
    CLEANUP_TALLOC void *mem = talloc_new(NULL);

    if (!pool)
        return;
    pool_set_other_config(t, pool,
                          upgrade_in_progress(txn_db(t)) ? map_with(mem, pool->other_config, KEY, "true")
                                                         : map_without(mem, pool->other_config, KEY));
}
