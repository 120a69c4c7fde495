/* The database as XML: whatever the rows hold is the same after it was written and read, however the bytes
 * come; what is no such document is refused. */
#include "tests/db/fixture.h"
#include "db/store.h"
#include "tests/db/random_value.h"
#include "xapid/pool_db/dump.h"
#include "xapid/pool_db/xml_text.h"

static void write_all(struct db *from, struct buf *out)
{
    struct dump *d = dump_new(from);

    while (dump_next(d, out))
        ;
    dump_free(d);
}

static int read_all(struct db *into, const char *bytes, size_t n, size_t piece, struct err *e)
{
    struct dump_reader *r = dump_reader_new(into);
    int rc = 0;

    for (size_t at = 0; rc == 0 && at < n; at += piece)
        rc = dump_reader_feed(r, bytes + at, n - at < piece ? n - at : piece, e);
    if (rc == 0)
        rc = dump_reader_end(r, e);
    dump_reader_free(r);
    return rc;
}

static const char *tables(struct buf *b)
{
    return strstr(buf_cstr(b), "</manifest>");
}

/* ---- there and back ---- */

static void fill(struct db *db, struct dice *dice)
{
    for (unsigned cls = 0; cls < CLASS_COUNT; cls++) {
        const struct model_class *c = &model_classes[cls];

        for (int n = 0; c->stored && n < 3; n++) {
            void *mem = talloc_new(NULL);
            struct txn *t = db_begin(db);
            const struct row *row = db_create(t, cls, REF_NULL);

            for (unsigned i = 0; i < c->n_fields; i++) {
                if (field_has_cell(&c->fields[i]) && (int)i != c->uuid_field && dice_roll(dice, 8) != 0)
                    db_set(t, row, i, dice_unique_value(dice, mem, c->fields[i].type));
            }
            must_commit(t);
            talloc_free(mem);
        }
    }
}

static void check_same(struct buf *written, size_t piece)
{
    CLEANUP_BUF struct buf again = {0};
    CLEANUP_ERR struct err e = {0};
    struct db *db = must_open(NULL);

    if (read_all(db, written->data, written->len, piece, &e) < 0)
        ck_abort_msg("%s", err_text(NULL, &e));
    write_all(db, &again);
    ck_assert_str_eq(tables(&again), tables(written));
    db_close(db);
}

START_TEST(what_is_read_is_what_was_written)
{
    struct dice dice = {.state = (uint64_t)_i + 1};
    CLEANUP_BUF struct buf written = {0};
    struct db *db = must_open(NULL);

    fill(db, &dice);
    write_all(db, &written);
    check_same(&written, written.len);
    check_same(&written, 1);
    check_same(&written, 4093);
    db_close(db);
}
END_TEST

START_TEST(every_text_survives)
{
    char text[3] = "";

    for (int c = 1; c < 0x80; c++) {
        CLEANUP_BUF struct buf out = {0};
        CLEANUP_TALLOC void *mem = talloc_new(NULL);

        text[0] = text[1] = (char)c;
        xml_text_add(&out, text, 2);
        for (size_t i = 0; i < out.len; i++)
            ck_assert_int_ge((unsigned char)out.data[i], ' ');
        if (!strchr("&<>\"", c))
            ck_assert_str_eq(xml_text_read(mem, out.data, out.len), text);
    }
}
END_TEST

START_TEST(what_is_no_text_is_refused)
{
    static const char *const bad[] = {"\\",    "\\x",   "\\x1",   "\\y00", "\\x0g",
                                      "\\x00", "\\xff", "a\\xc3", "\xff"};
    CLEANUP_TALLOC void *mem = talloc_new(NULL);

    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_ptr_null(xml_text_read(mem, bad[i], strlen(bad[i])));
}
END_TEST

/* ---- hostile documents ---- */

static void check_refused(const char *bytes, size_t n)
{
    CLEANUP_ERR struct err e = {0};
    struct db *db = must_open(NULL);

    ck_assert_int_eq(read_all(db, bytes, n, 7, &e), -1);
    ck_assert(err_is_set(&e));
    db_close(db);
}

START_TEST(a_document_cut_anywhere_is_refused)
{
    CLEANUP_BUF struct buf written = {0};
    struct db *db = must_open(NULL);

    make_vm(db, "one");
    write_all(db, &written);
    for (size_t n = 0; n < written.len - sizeof "</database>"; n += 3)
        check_refused(written.data, n);
    db_close(db);
}
END_TEST

START_TEST(endless_nesting_and_names_are_refused)
{
    CLEANUP_BUF struct buf deep = {0}, wide = {0};

    for (int i = 0; i < 100000; i++)
        buf_add_lit(&deep, "<database>");
    check_refused(deep.data, deep.len);
    buf_add_lit(&wide, "<database><manifest><pair key=\"");
    for (int i = 0; i < 12 << 20; i++)
        buf_add_char(&wide, 'k');
    check_refused(wide.data, wide.len);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pool_db");
    TCase *t = tcase_create("pool_db");

    tcase_set_timeout(t, TEST_HANG_GUARD_S);
    tcase_add_loop_test(t, what_is_read_is_what_was_written, 0, 3);
    tcase_add_test(t, every_text_survives);
    tcase_add_test(t, what_is_no_text_is_refused);
    tcase_add_test(t, a_document_cut_anywhere_is_refused);
    tcase_add_test(t, endless_nesting_and_names_are_refused);
    suite_add_tcase(s, t);
    return run_suite(s);
}
