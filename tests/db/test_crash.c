/* kill -9 at random moments: what was answered is there, and batches are whole. */
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include "tests/db/fixture.h"
#include "tests/db/random_value.h"

#define CLIENTS 8
#define ROUNDS 25

static struct ref vms[CLIENTS], vdis[CLIENTS];
static long answered[CLIENTS];

/* ---- the writer that is killed ---- */

struct client {
    struct db *db;
    unsigned number;
    long value;
    int answers;
};

struct answer {
    unsigned client;
    long value;
};

/* One batch: a VM and its VDI get the same name, and a VBD takes the place of the last one. */
static void change(struct client *c, const char *name)
{
    struct txn *t = db_begin(c->db);
    const struct row *old = db_first_referrer(c->db, CLASS_VBD, VBD_F_VM, vms[c->number]);
    const struct vbd *vbd = vbd_create(t);

    vm_set_name_label(t, db_vm(c->db, vms[c->number]), name);
    vdi_set_name_label(t, db_vdi(c->db, vdis[c->number]), name);
    vbd_set_vm(t, vbd, vms[c->number]);
    vbd_set_userdevice(t, vbd, name);
    if (old)
        db_delete(t, old);
    must_commit(t);
}

static void co_client(void *arg)
{
    struct client *c = arg;

    for (;;) {
        struct answer a = {c->number, ++c->value};
        char name[32];

        snprintf(name, sizeof name, "%ld", c->value);
        change(c, name);
        ck_assert_int_eq(co_db_wait_durable(c->db, db_generation(c->db), CLOCK_NEVER), 0);
        if (write(c->answers, &a, sizeof a) != sizeof a)
            _exit(1);
    }
}

static void write_until_killed(int answers)
{
    struct client clients[CLIENTS];
    struct db *db = must_open(db_path);

    for (unsigned i = 0; i < CLIENTS; i++) {
        clients[i] = (struct client){db, i, answered[i] + 1000, answers};
        fiber_spawn("client", co_client, &clients[i]);
    }
    loop_run();
    _exit(1);
}

/* ---- the one who kills and looks ---- */

/* Kill the writer after n answers; those that were under way count too. */
static void kill_after(pid_t writer, int answers, uint32_t n)
{
    struct answer a;
    int status;

    for (uint32_t i = 0; read(answers, &a, sizeof a) == sizeof a; i++) {
        answered[a.client] = a.value;
        if (i == n)
            kill(writer, SIGKILL);
    }
    ck_assert_int_eq(waitpid(writer, &status, 0), writer);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void check_client(struct db *db, unsigned i)
{
    const struct vm *vm = db_vm(db, vms[i]);
    const struct row *row = db_first_referrer(db, CLASS_VBD, VBD_F_VM, vms[i]);

    ck_assert_int_ge(strtol(vm->name_label, NULL, 10), answered[i]);
    ck_assert_str_eq(vm->name_label, db_vdi(db, vdis[i])->name_label);
    ck_assert_ptr_nonnull(row);
    ck_assert_str_eq(((const struct vbd *)row)->userdevice, vm->name_label);
    ck_assert_ptr_null(db_next_referrer(db, row, VBD_F_VM, vms[i]));
    answered[i] = strtol(vm->name_label, NULL, 10);
}

static void make_rows(void)
{
    struct db *db = must_open(db_path);

    for (unsigned i = 0; i < CLIENTS; i++) {
        struct client c = {.db = db, .number = i};
        struct txn *t = db_begin(db);

        vms[i] = vm_create(t)->row.ref;
        vdis[i] = vdi_create(t)->row.ref;
        must_commit(t);
        change(&c, "0");
    }
    db_close(db);
    loop_run();
}

static void one_round(struct dice *dice)
{
    int answers[2];
    pid_t writer;
    struct db *db;

    ck_assert_int_eq(pipe(answers), 0);
    writer = fork();
    if (writer == 0) {
        close(answers[0]);
        write_until_killed(answers[1]);
    }
    close(answers[1]);
    kill_after(writer, answers[0], dice_roll(dice, 200));
    close(answers[0]);
    db = must_open(db_path);
    for (unsigned i = 0; i < CLIENTS; i++)
        check_client(db, i);
    db_close(db);
}

START_TEST(what_was_answered_survives_a_kill_and_batches_are_whole)
{
    struct dice dice = {test_seed()};

    make_rows();
    for (int i = 0; i < ROUNDS; i++)
        one_round(&dice);
}
END_TEST

/* ---- migration ---- */

static void make_old(void)
{
    sqlite3 *sql;

    ck_assert_int_eq(sqlite3_open(db_path, &sql), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(sql,
                                  "ALTER TABLE VM DROP COLUMN name_description; DROP TABLE VIF;"
                                  "ALTER TABLE VDI ADD COLUMN wings TEXT DEFAULT 'two';"
                                  "UPDATE meta SET value = 1 WHERE key = 'model_fingerprint'",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(sql);
}

static void killed_migration(struct dice *dice)
{
    pid_t child = fork();

    if (child == 0) {
        must_open(db_path);
        _exit(0);
    }
    usleep(dice_roll(dice, 40000));
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

START_TEST(a_migration_that_is_killed_is_repeated)
{
    struct dice dice = {test_seed()};

    make_rows();
    for (int i = 0; i < ROUNDS; i++) {
        struct db *db;

        make_old();
        killed_migration(&dice);
        db = must_open(db_path);
        for (unsigned n = 0; n < CLIENTS; n++)
            check_client(db, n);
        ck_assert_str_eq(db_vm(db, vms[0])->name_description, "");
        db_close(db);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("db crash");
    TCase *t = tcase_create("kill -9");

    tcase_add_checked_fixture(t, folder_make, folder_remove);
    tcase_set_timeout(t, TEST_HANG_GUARD_S);
    tcase_add_test(t, what_was_answered_survives_a_kill_and_batches_are_whole);
    tcase_add_test(t, a_migration_that_is_killed_is_repeated);
    suite_add_tcase(s, t);
    return run_suite(s);
}
