/* Messages about certificates near their end. */
#include <check.h>
#include <stdio.h>
#include <string.h>
#include "db/setters.gen.h"
#include "tests/in_fiber.h"
#include "xapid/certificate/alert.h"
#include "xapid/reftext.h"

enum { DAY = 24 * 3600 };
static const int64_t now = 1800000000;

static struct db *db;
static const struct certificate *certificate;

static void set_end(int64_t left)
{
    CLEANUP_ERR struct err e = {0};
    struct txn *t = db_begin(db);
    certificate_set_not_after(t, certificate, now + left);
    ck_assert_int_eq(db_commit(t, &e), 0);
}

/* The only message there is, "NAME PRIORITY", or "". */
static const char *said(int64_t left)
{
    static char text[128];
    text[0] = '\0';
    set_end(left);
    certificate_alerts(db, now);
    certificate_alerts(db, now);
    ck_assert_uint_le(db_count(db, CLASS_MESSAGE), 1);
    DB_FOREACH_MESSAGE (db, m)
        snprintf(text, sizeof text, "%s %d", text_of(m->name), (int)m->priority);
    return text;
}

static void begin(enum certificate_type type)
{
    CLEANUP_ERR struct err e = {0};
    ck_assert_int_eq(db_open(NULL, &db, &e), 0);
    struct txn *t = db_begin(db);
    const struct host *host = host_create(t);
    certificate = certificate_create(t);
    certificate_set_type(t, certificate, type);
    if (type == CERTIFICATE_TYPE_HOST)
        certificate_set_host(t, certificate, host->row.ref);
    ck_assert_int_eq(db_commit(t, &e), 0);
}

static void co_host(void *arg)
{
    begin(CERTIFICATE_TYPE_HOST);
    ck_assert_str_eq(said(300LL * DAY), "");
    ck_assert_str_eq(said(30LL * DAY), "");
    ck_assert_str_eq(said(30LL * DAY - 1), "HOST_SERVER_CERTIFICATE_EXPIRING_30 3");
    ck_assert_str_eq(said(14LL * DAY), "HOST_SERVER_CERTIFICATE_EXPIRING_30 3");
    ck_assert_str_eq(said(14LL * DAY - 1), "HOST_SERVER_CERTIFICATE_EXPIRING_14 2");
    ck_assert_str_eq(said(7LL * DAY - 1), "HOST_SERVER_CERTIFICATE_EXPIRING_07 1");
    ck_assert_str_eq(said(0), "HOST_SERVER_CERTIFICATE_EXPIRING_07 1");
    ck_assert_str_eq(said(-1), "HOST_SERVER_CERTIFICATE_EXPIRED 1");
    ck_assert_str_eq(said(300LL * DAY), "");
    db_close(db);
}

START_TEST(each_level_has_its_message_and_replaces_the_one_before)
{
    run_in_fiber(co_host, NULL);
}
END_TEST

static void co_ca(void *arg)
{
    CLEANUP_ERR struct err e = {0};
    begin(CERTIFICATE_TYPE_CA);
    ck_assert_str_eq(said(-1), "POOL_CA_CERTIFICATE_EXPIRED 1");
    DB_FOREACH_MESSAGE (db, m) {
        ck_assert_str_eq(m->obj_uuid, certificate->uuid);
        ck_assert_ptr_nonnull(strstr(m->body, "<date>20270115T07:59:59Z</date>"));
    }
    struct txn *t = db_begin(db);
    db_delete(t, &certificate->row);
    ck_assert_int_eq(db_commit(t, &e), 0);
    certificate_alerts(db, now);
    ck_assert_uint_eq(db_count(db, CLASS_MESSAGE), 0);
    db_close(db);
}

START_TEST(an_authority_that_goes_takes_its_message_along)
{
    run_in_fiber(co_ca, NULL);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("alerts");
    TCase *t = tcase_create("alerts");
    tcase_set_timeout(t, TEST_HANG_GUARD_S);
    tcase_add_test(t, each_level_has_its_message_and_replaces_the_one_before);
    tcase_add_test(t, an_authority_that_goes_takes_its_message_along);
    suite_add_tcase(s, t);
    return run_suite(s);
}
