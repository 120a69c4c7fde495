#include "xapid/message/message.h"
#include "db/setters.gen.h"
#include "lib/clock.h"

enum { LIMIT = 10000 };

struct ref message_post(struct txn *t, const char *name, int64_t priority, enum cls cls, const char *obj_uuid,
                        const char *body)
{
    if (db_count(txn_db(t), CLASS_MESSAGE) >= LIMIT)
        db_delete(t, db_first(txn_db(t), CLASS_MESSAGE));
    const struct message *m = message_create(t);
    message_set_name(t, m, name);
    message_set_priority(t, m, priority);
    message_set_cls(t, m, cls);
    message_set_obj_uuid(t, m, obj_uuid);
    message_set_timestamp(t, m, clock_wall());
    message_set_body(t, m, body);
    return m->row.ref;
}
