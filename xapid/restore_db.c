#include "xapid/restore_db.h"
#include <stdio.h>
#include "db/restore.h"
#include "lib/buf.h"
#include "xapid/state_dir.h"

int restore_db(const struct xapid_options *o, struct err *e)
{
    CLEANUP_BUF struct buf path = {0};
    buf_printf(&path, "%s/xapid.db", o->state_dir);
    if (state_dir_make(o->state_dir, e) < 0 || state_dir_lock(o->state_dir, e) < 0 ||
        restore_prepare(buf_cstr(&path), o->restore_db, 0, e) < 0 || restore_finish(buf_cstr(&path), e) < 0)
        return -1;
    printf("xapid: %s is the database now\n", o->restore_db);
    return 0;
}
