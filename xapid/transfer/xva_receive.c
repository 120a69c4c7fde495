#include "xapid/transfer/xva_receive.h"
#include <ctype.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <talloc.h>
#include <xxhash.h>
#include "lib/utf8.h"
#include "model/errors.gen.h"
#include "sm/disk_writing.h"
#include "xapid/transfer/xva.h"

/* Numbers past this would be disks beyond any bound. */
static const int64_t max_number = (int64_t)1 << 32;

enum { SUM_TEXT = 41 };

/* The disk whose blocks are coming, and the block that waits for its checksum. */
struct receiving {
    struct arriving *a;
    struct arriving_disk *disk; /* NULL: none yet */
    struct open_vdi open;
    struct disk_writing writing;
    XXH64_state_t *xxhash;
    EVP_MD_CTX *sha1;
    bool no_sha1;                 /* the archive has .xxhash files */
    char block[TAR_NAME_MAX + 1]; /* "": none waits */
    char xxhash_text[SUM_TEXT], sha1_text[SUM_TEXT];
};

/* ---- names ---- */

/* Something else was to come. */
static int unexpected(struct receiving *r, const char *expected, struct err *e)
{
    const char *found = r->a->tar.entry.name;

    return err_import_error_unexpected_file(e, expected,
                                            utf8_valid(found, strlen(found)) ? found : "(no UTF-8)");
}

/* "DIRECTORY/NUMBER": the disk and the number; false for any other name. */
static bool parse_block(struct arriving *a, const char *name, struct arriving_disk **ret, int64_t *ret_number)
{
    const char *slash = strrchr(name, '/');
    size_t digits = slash ? strspn(slash + 1, "0123456789") : 0;

    if (digits < 8 || digits > 18 || slash[1 + digits] != '\0')
        return false;
    *ret_number = strtoll(slash + 1, NULL, 10);
    for (unsigned i = 0; i < a->n; i++) {
        const char *id = a->disks[i].record->id;
        if (strlen(id) == (size_t)(slash - name) && strncmp(id, name, strlen(id)) == 0) {
            *ret = &a->disks[i];
            return *ret_number < max_number;
        }
    }
    return false;
}

/* ---- disks ---- */

static int co_close_disk(struct receiving *r, bool good, struct err *e)
{
    int rc = good && r->open.disk ? co_disk_writing_end(&r->writing, e) : 0;

    disk_writing_free(&r->writing);
    r->writing = (struct disk_writing){0};
    co_vdi_close(&r->open);
    r->disk = NULL;
    return rc;
}

static int co_switch_disk(struct receiving *r, struct arriving_disk *d, struct err *e)
{
    if (r->disk == d)
        return 0;
    if (co_close_disk(r, true, e) < 0 || co_vdi_open_location(&r->a->sr, r->a->tar.transfer->request->mem,
                                                              d->sm.location, DISK_WRITE, &r->open, e) < 0)
        return -1;
    r->disk = d;
    return co_disk_writing_init(&r->writing, r->open.disk, e);
}

/* ---- blocks ---- */

static void begin_sums(struct receiving *r)
{
    XXH64_reset(r->xxhash, 0);
    if (!r->no_sha1)
        EVP_DigestInit_ex(r->sha1, EVP_sha1(), NULL);
}

static void add_to_sums(struct receiving *r, const char *bytes, size_t n)
{
    XXH64_update(r->xxhash, bytes, n);
    if (!r->no_sha1)
        EVP_DigestUpdate(r->sha1, bytes, n);
}

static void end_sums(struct receiving *r)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;

    snprintf(r->xxhash_text, SUM_TEXT, "%016" PRIX64, (uint64_t)XXH64_digest(r->xxhash));
    r->sha1_text[0] = '\0';
    if (!r->no_sha1)
        EVP_DigestFinal_ex(r->sha1, digest, &n);
    for (unsigned i = 0; i < n && i < 20; i++)
        snprintf(r->sha1_text + i * 2, 3, "%02x", digest[i]);
}

/* Go to the block's place: numbers that are left out are zeros of the size of the first block, and so are
 * there already in a new disk. */
static int advance(struct receiving *r, int64_t number, struct err *e)
{
    struct arriving_disk *d = r->disk;
    int64_t skipped = number - d->next;

    if (skipped < 0 || (skipped > 0 && d->next == 0))
        return unexpected(
            r, talloc_asprintf(r->a->tar.transfer->request->mem, "%s/%08" PRId64, d->record->id, d->next), e);
    /* Both factors are below 2^33 and 2^40, which the size of a disk bounds. */
    if (d->stride > 0 && skipped > disk_size(r->open.disk) / d->stride)
        return err_import_error(e, "A block lies beyond the end of its disk");
    d->offset += skipped * d->stride;
    d->next = number + 1;
    if (d->offset + r->a->tar.entry.size > disk_size(r->open.disk))
        return err_import_error(e, "A block lies beyond the end of its disk");
    if (d->stride == 0)
        d->stride = r->a->tar.entry.size;
    return 0;
}

static int co_take_bytes(struct receiving *r, struct err *e)
{
    ssize_t n;

    while ((n = co_tar_read(&r->a->tar, disk_writing_room(&r->writing), DISK_PIECE, e)) > 0) {
        add_to_sums(r, disk_writing_room(&r->writing), (size_t)n);
        if (co_disk_writing_put(&r->writing, (size_t)n, r->disk->offset, e) < 0)
            return -1;
        r->disk->offset += n;
    }
    return n < 0 ? -1 : 0;
}

static int64_t arrived(const struct arriving *a)
{
    int64_t sum = 0;

    for (unsigned i = 0; i < a->n; i++)
        sum += a->disks[i].offset;
    return sum;
}

static int co_take_block(struct receiving *r, struct arriving_disk *d, int64_t number, struct err *e)
{
    struct arriving *a = r->a;

    if (co_switch_disk(r, d, e) < 0 || advance(r, number, e) < 0)
        return -1;
    begin_sums(r);
    if (co_take_bytes(r, e) < 0)
        return -1;
    end_sums(r);
    memcpy(r->block, a->tar.entry.name, sizeof r->block);
    call_progress(&a->tar.transfer->call, (double)arrived(a) / ((double)a->total + 1) * 0.99);
    return 0;
}

/* ---- checksums ---- */

/* The file after a block. */
static int co_take_sum(struct receiving *r, struct err *e)
{
    const char *name = r->a->tar.entry.name;
    bool xxhash = strcmp(name + strlen(r->block), ".xxhash") == 0;
    char text[SUM_TEXT + 8] = "";

    if (r->a->tar.entry.size >= SUM_TEXT + 7)
        return err_import_error_some_checksums_failed(e);
    if (co_tar_read(&r->a->tar, text, sizeof text - 1, e) < 0)
        return -1;
    text[strcspn(text, " \r\n")] = '\0';
    if (strcasecmp(text, xxhash ? r->xxhash_text : r->sha1_text) != 0)
        return err_import_error_some_checksums_failed(e);
    r->no_sha1 = r->no_sha1 || xxhash;
    r->block[0] = '\0';
    return 0;
}

static bool is_sum_of_block(const struct receiving *r, const char *name)
{
    size_t n = strlen(r->block);

    return n > 0 && strncmp(name, r->block, n) == 0 &&
           ((strcmp(name + n, ".checksum") == 0 && !r->no_sha1) || strcmp(name + n, ".xxhash") == 0);
}

/* ---- the archive ---- */

static int co_take_entry(struct receiving *r, struct err *e)
{
    const char *name = r->a->tar.entry.name;
    void *mem = r->a->tar.transfer->request->mem;
    struct arriving_disk *d;
    int64_t number;

    if (is_sum_of_block(r, name))
        return co_take_sum(r, e);
    if (r->block[0] && r->a->xva.version >= XVA_VERSION)
        return unexpected(r, talloc_asprintf(mem, "%s.xxhash", r->block), e);
    r->block[0] = '\0';
    if (r->a->xva.version < XVA_VERSION && strcmp(name, "checksum.xml") == 0)
        return 0;
    if (!parse_block(r->a, name, &d, &number))
        return unexpected(r, "a block of a disk", e);
    return co_take_block(r, d, number, e);
}

/* Has every disk come to its end? */
static int check_complete(struct receiving *r, struct err *e)
{
    for (unsigned i = 0; i < r->a->n; i++)
        if (r->a->disks[i].offset != r->a->disks[i].sm.virtual_size)
            return err_import_error_premature_eof(e);
    return r->block[0] && r->a->xva.version >= XVA_VERSION ? err_import_error_premature_eof(e) : 0;
}

int co_xva_receive(struct arriving *a, struct err *e)
{
    struct receiving r = {.a = a, .xxhash = XXH64_createState(), .sha1 = EVP_MD_CTX_new()};
    CLEANUP_ERR struct err second = {0};
    int rc;

    while ((rc = co_tar_next(&a->tar, e)) > 0)
        if (co_take_entry(&r, e) < 0) {
            rc = -1;
            break;
        }
    if (rc == 0)
        rc = check_complete(&r, e);
    if (co_close_disk(&r, rc == 0, rc == 0 ? e : &second) < 0)
        rc = -1;
    XXH64_freeState(r.xxhash);
    EVP_MD_CTX_free(r.sha1);
    return rc;
}
