#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <string.h>
#include <sys/stat.h>
#include "lib/clock.h"
#include "lib/fiber.h"
#include "lib/mem.h"
#include "xapid/session/passwd.h"

enum { REMEMBERED = 64, AT_A_TIME = 2, DIGEST_SIZE = 32 };

struct job {
    const char *path, *user, *password;
};

/* Digests of right answers, keyed by a secret of this process, good while the file is the same. */
static struct {
    bool ready;
    unsigned char key[DIGEST_SIZE];
    struct stat file;
    unsigned char digests[REMEMBERED][DIGEST_SIZE];
    unsigned n, next;
} remembered;

static unsigned running, limit = AT_A_TIME;
static struct fiber_cond finished = FIBER_COND_INIT(finished);

static bool digest(const char *user, const char *password, unsigned char ret[DIGEST_SIZE])
{
    if (!remembered.ready && RAND_bytes(remembered.key, DIGEST_SIZE) != 1)
        return false;
    remembered.ready = true;
    size_t nu = strlen(user), np = strlen(password);
    unsigned char *both = mem_zalloc(nu + np + 1);
    memcpy(both, user, nu + 1);
    memcpy(both + nu + 1, password, np);
    bool ok = HMAC(EVP_sha256(), remembered.key, DIGEST_SIZE, both, nu + np + 1, ret, NULL) != NULL;
    OPENSSL_cleanse(both, nu + np + 1);
    free(both);
    return ok;
}

/* Forget everything when the file is another than it was. */
static void forget_if_changed(const char *path)
{
    struct stat now = {0};
    if (stat(path, &now) < 0)
        memset(&now, 0, sizeof now);
    if (now.st_ino != remembered.file.st_ino || now.st_mtim.tv_sec != remembered.file.st_mtim.tv_sec ||
        now.st_mtim.tv_nsec != remembered.file.st_mtim.tv_nsec || now.st_size != remembered.file.st_size)
        remembered.n = remembered.next = 0;
    remembered.file = now;
}

static bool is_remembered(const unsigned char *d)
{
    bool found = false;
    for (unsigned i = 0; i < remembered.n; i++)
        found |= CRYPTO_memcmp(remembered.digests[i], d, DIGEST_SIZE) == 0;
    return found;
}

static void remember(const unsigned char *d)
{
    memcpy(remembered.digests[remembered.next], d, DIGEST_SIZE);
    remembered.next = (remembered.next + 1) % REMEMBERED;
    if (remembered.n < REMEMBERED)
        remembered.n++;
}

static int check_job(void *arg)
{
    struct job *j = arg;
    return passwd_check(j->path, j->user, j->password);
}

static int set_job(void *arg)
{
    struct job *j = arg;
    return passwd_set(j->path, j->user, j->password);
}

void passwd_worker_limit(int64_t most)
{
    limit = most < 1 ? 1 : most < AT_A_TIME ? (unsigned)most : AT_A_TIME;
    fiber_cond_broadcast(&finished);
}

int co_passwd_worker(int (*fn)(void *arg), void *arg)
{
    while (running >= limit) {
        int r = co_cond_wait(&finished, clock_in_ms(60 * 1000), "other logins");
        if (r < 0)
            return r;
    }
    running++;
    int r = co_run_worker(fn, arg, "checking a password");
    running--;
    fiber_cond_signal(&finished);
    return r;
}

int co_passwd_check(const char *path, const char *user, const char *password)
{
    unsigned char d[DIGEST_SIZE];
    forget_if_changed(path);
    bool have = digest(user, password, d);
    if (have && is_remembered(d))
        return 0;
    struct stat before = remembered.file;
    struct job j = {path, user, password};
    int r = co_passwd_worker(check_job, &j);
    forget_if_changed(path);
    bool same = memcmp(&before.st_mtim, &remembered.file.st_mtim, sizeof before.st_mtim) == 0;
    if (r == 0 && have && same)
        remember(d);
    return r;
}

int co_passwd_set(const char *path, const char *user, const char *password)
{
    struct job j = {path, user, password};
    return co_run_worker(set_job, &j, "writing the password file");
}
