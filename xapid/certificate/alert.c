#include "xapid/certificate/alert.h"
#include <string.h>
#include <talloc.h>
#include "db/setters.gen.h"
#include "lib/log.h"
#include "xapid/message/message.h"
#include "xapid/reftext.h"

enum { DAY = 24 * 3600 };

static const struct kind {
    const char *prefix;
    const char *expiring, *expired; /* for people */
} of_host = {"HOST_SERVER_CERTIFICATE_", "The certificate that the host shows to clients ends soon.",
             "The certificate that the host shows to clients has ended."},
  of_ca = {"POOL_CA_CERTIFICATE_", "The certificate of an authority that the pool trusts ends soon.",
           "The certificate of an authority that the pool trusts has ended."};

static const struct level {
    int64_t days;
    const char *suffix;
    int64_t priority;
} levels[] = {{0, "EXPIRED", 1}, {7, "EXPIRING_07", 1}, {14, "EXPIRING_14", 2}, {30, "EXPIRING_30", 3}};

/* What should be said of a certificate; name NULL: nothing. */
struct alert {
    const struct kind *kind;
    const char *obj_uuid;
    enum cls cls;
    const char *name, *body;
    int64_t priority;
};

static bool begin_alert(struct db *db, const struct certificate *c, struct alert *a)
{
    const struct host *host = db_host(db, c->host);
    bool known = c->type == CERTIFICATE_TYPE_CA || (c->type == CERTIFICATE_TYPE_HOST && host);
    if (!known)
        return false;
    *a = c->type == CERTIFICATE_TYPE_CA
             ? (struct alert){.kind = &of_ca, .cls = CLS_CERTIFICATE, .obj_uuid = text_of(c->uuid)}
             : (struct alert){.kind = &of_host, .cls = CLS_HOST, .obj_uuid = text_of(host->uuid)};
    return true;
}

static void choose_level(void *mem, struct alert *a, int64_t not_after, int64_t now)
{
    char date[DATETIME_TEXT_SIZE];
    for (unsigned i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        if (not_after - now >= levels[i].days * DAY)
            continue;
        datetime_format(not_after, date);
        a->name = talloc_asprintf(mem, "%s%s", a->kind->prefix, levels[i].suffix);
        a->body = talloc_asprintf(mem, "<body><message>%s</message><date>%s</date></body>",
                                  levels[i].days == 0 ? a->kind->expired : a->kind->expiring, date);
        a->priority = levels[i].priority;
        return;
    }
}

static bool is_about(const struct message *m, const struct alert *a)
{
    return strcmp(text_of(m->obj_uuid), a->obj_uuid) == 0 &&
           strncmp(text_of(m->name), a->kind->prefix, strlen(a->kind->prefix)) == 0;
}

static bool says(const struct message *m, const struct alert *a)
{
    return a->name && strcmp(text_of(m->name), a->name) == 0 && strcmp(text_of(m->body), a->body) == 0;
}

/* A message about the certificate that does (or does not) say what should be said. */
static const struct message *find(struct db *db, const struct alert *a, bool saying)
{
    DB_FOREACH_MESSAGE (db, m)
        if (is_about(m, a) && says(m, a) == saying)
            return m;
    return NULL;
}

static void update(struct txn *t, const struct alert *a)
{
    const struct message *old;
    while ((old = find(txn_db(t), a, false)))
        db_delete(t, &old->row);
    if (a->name && !find(txn_db(t), a, true))
        message_post(t, a->name, a->priority, a->cls, a->obj_uuid, a->body);
}

/* About a certificate that is not there any more. */
static const struct message *find_orphan(struct db *db)
{
    DB_FOREACH_MESSAGE (db, m)
        if (strncmp(text_of(m->name), of_ca.prefix, strlen(of_ca.prefix)) == 0 &&
            !db_get_by_uuid(db, CLASS_CERTIFICATE, text_of(m->obj_uuid)))
            return m;
    return NULL;
}

void certificate_alerts(struct db *db, int64_t now)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    CLEANUP_ERR struct err e = {0};
    const struct message *orphan;
    struct txn *t = db_begin(db);
    DB_FOREACH_CERTIFICATE (db, c) {
        struct alert a;
        if (!begin_alert(db, c, &a))
            continue;
        choose_level(mem, &a, c->not_after, now);
        update(t, &a);
    }
    while ((orphan = find_orphan(db)))
        db_delete(t, &orphan->row);
    if (db_commit(t, &e) < 0)
        log_warning("messages about certificates: %s", e.code);
}
