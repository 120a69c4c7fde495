#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <talloc.h>
#include <unistd.h>
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "model/errors.gen.h"
#include "pool/authority.h"
#include "pool/membership.h"
#include "xapid/check_db.h"
#include "xapid/host_backup/archive.h"
#include "xapid/options.h"

enum { LINE_MAX_LENGTH = 256, TOLD_MAX = 20 };

static int refuse(struct err *e, const char *what, const struct err *why)
{
    CLEANUP_BUF struct buf text = {0};

    buf_printf(&text, "%s: %s", what, why->n_params > 0 ? why->params[0] : why->code);
    return err_restore_script_failed(e, buf_cstr(&text));
}

/* ---- is all there? ---- */

static int want(const char *folder, const char *name, struct err *e)
{
    CLEANUP_BUF struct buf path = {0}, why = {0};
    struct stat st;

    buf_printf(&path, "%s/%s", folder, name);
    if (lstat(buf_cstr(&path), &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0)
        return 0;
    buf_printf(&why, "the archive has no %s", name);
    return err_restore_script_failed(e, buf_cstr(&why));
}

static int want_all(const char *folder, struct err *e)
{
    static const char *const names[] = {ARCHIVE_MANIFEST,       ARCHIVE_DATABASE,     "tls/server.pem",
                                        "pool/membership",      "pool/ca-cert.pem",   "pool/ca-key.pem",
                                        "pool/server-cert.pem", "pool/server-key.pem"};

    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
        if (want(folder, names[i], e) < 0)
            return -1;
    return 0;
}

/* Keys of later versions of the same format are passed over. */
static int check_format(const char *folder, struct err *e)
{
    CLEANUP_BUF struct buf path = {0};
    char line[LINE_MAX_LENGTH];
    int format = 0;

    buf_printf(&path, "%s/" ARCHIVE_MANIFEST, folder);
    FILE *f = fopen(buf_cstr(&path), "re");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, "format = ", 9) == 0)
            format = atoi(line + 9);
    if (f)
        fclose(f);
    return format == ARCHIVE_FORMAT ? 0 : err_restore_incompatible_version(e);
}

/* ---- does it fit together? ---- */

static int make_links(const char *folder)
{
    static const char *const links[][2] = {{"server-cert.pem", "client-cert.pem"},
                                           {"server-key.pem", "client-key.pem"}};

    for (unsigned i = 0; i < 2; i++) {
        CLEANUP_BUF struct buf path = {0};
        buf_printf(&path, "%s/pool/%s", folder, links[i][1]);
        if (symlink(links[i][0], buf_cstr(&path)) < 0)
            return -errno;
    }
    return 0;
}

static int check_certificates(const char *folder, const struct membership *m, struct err *e)
{
    CLEANUP_ERR struct err why = {0};
    CLEANUP_BUF struct buf tls = {0};
    struct authority *a = NULL;
    struct tls_server *t = NULL;
    int r = make_links(folder);

    if (r < 0)
        err_errno(&why, r, "making the links in pool/");
    else
        r = authority_open(folder, m->pool, m->host, &a, &why);
    if (r == 0)
        authority_free(a);
    buf_printf(&tls, "%s/tls", folder);
    if (r == 0)
        r = tls_server_open(buf_cstr(&tls), "localhost", "127.0.0.1", &t, &why);
    if (r == 0)
        tls_server_free(t);
    return r < 0 ? refuse(e, "the certificates", &why) : 0;
}

static void tell(const char *problem, void *arg)
{
    unsigned *n = arg;

    if (++*n <= TOLD_MAX)
        log_warning("the host to be restored: %s", problem);
}

static int check_rows(struct db *db, const struct membership *m, struct err *e)
{
    unsigned n = 0;

    check_db_rows(db, tell, &n);
    if (db_count(db, CLASS_POOL) != 1 || !db_get_by_uuid(db, CLASS_POOL, m->pool))
        return err_restore_script_failed(e,
                                         "the database is not that of the pool which pool/membership names");
    if (!db_get_by_uuid(db, CLASS_HOST, m->host))
        return err_restore_script_failed(e,
                                         "the database does not know the host which pool/membership names");
    return 0;
}

static int check_database(const char *folder, const struct membership *m, struct err *e)
{
    CLEANUP_ERR struct err why = {0};
    CLEANUP_BUF struct buf path = {0};
    struct db *db;
    unsigned n = 0;

    buf_printf(&path, "%s/" ARCHIVE_DATABASE, folder);
    if (db_check(buf_cstr(&path), tell, &n, &db, &why) < 0)
        return refuse(e, "the database", &why);
    int r = n > 0
                ? err_restore_script_failed(e, "the database has values that cannot be (the log tells which)")
                : check_rows(db, m, e);
    db_close(db);
    return r;
}

int archive_check(const char *folder, char ret_host[UUID_TEXT_SIZE], struct err *e)
{
    CLEANUP_ERR struct err why = {0};
    struct membership m;

    if (want_all(folder, e) < 0 || check_format(folder, e) < 0)
        return -1;
    if (membership_read(folder, &m, &why) < 0)
        return refuse(e, "pool/membership", &why);
    if (check_certificates(folder, &m, e) < 0 || check_database(folder, &m, e) < 0)
        return -1;
    strcpy(ret_host, m.host);
    return 0;
}

/* ---- settings ---- */

/* The command line that there is, with that file. */
static char **arguments(void *ctx, const struct xapid_options *o, const char *config)
{
    char **argv = talloc_array(ctx, char *, (unsigned)o->argc + 3);
    int n = 0;

    for (int i = 0; i < o->argc; i++)
        argv[n++] = o->argv[i];
    argv[n++] = talloc_strdup(ctx, "--config");
    argv[n++] = talloc_strdup(ctx, config);
    argv[n] = NULL;
    return argv;
}

int archive_check_settings(const struct xapid_options *o, const char *folder, struct err *e)
{
    CLEANUP_TALLOC char *path = talloc_asprintf(NULL, "%s/" ARCHIVE_CONFIG, folder);
    CLEANUP_BUF struct buf why = {0};
    struct options_reading r;
    char **argv = arguments(path, o, path);

    if (access(path, F_OK) < 0 || !o->config)
        return 0;
    options_parse(o->argc + 2, argv, &r);
    if (r.n_problems > 0)
        buf_printf(&why, "the configuration file: %s", buf_cstr(&r.problems));
    else if (strcmp(r.options.state_dir, o->state_dir) != 0)
        buf_printf(&why, "the configuration file has another state-dir, %s", r.options.state_dir);
    options_reading_fini(&r);
    return why.len > 0 ? err_restore_script_failed(e, buf_cstr(&why)) : 0;
}
