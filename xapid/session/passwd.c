#include "xapid/session/passwd.h"
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "lib/buf.h"
#include "lib/fd.h"
#include "lib/cleanup.h"
#include "lib/mem.h"

enum { SALT_SIZE = 16, KEY_SIZE = 32, MAX_FILE = 1024 * 1024 };
enum { DEFAULT_N = 16384, DEFAULT_R = 8, DEFAULT_P = 1, MAX_MEMORY = 64 * 1024 * 1024 };

struct entry {
    unsigned long n, r, p;
    unsigned char salt[SALT_SIZE], key[KEY_SIZE];
};

/* Read a whole small file: 0 or -errno. */
static int read_file(const char *path, struct buf *ret)
{
    CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    for (;;) {
        ssize_t n = read(fd, buf_reserve(ret, 4096), 4096);
        if (n < 0)
            return -errno;
        if (n == 0)
            return 0;
        ret->len += n;
        if (ret->len > MAX_FILE)
            return -EFBIG;
    }
}

static bool name_is_valid(const char *user)
{
    return *user && strlen(user) < 256 && !strpbrk(user, ":\r\n");
}

static int hex_digit(char c)
{
    const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

static bool from_hex(const char *text, unsigned char *bytes, size_t size)
{
    if (strlen(text) != 2 * size)
        return false;
    for (size_t i = 0; i < size; i++) {
        int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        bytes[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

static void add_hex(struct buf *b, const unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        buf_printf(b, "%02x", bytes[i]);
}

/* Read what follows "name:" on a line. */
static bool parse_entry(char *rest, struct entry *ret)
{
    char *save = NULL, *field[6];
    for (unsigned i = 0; i < 6; i++, rest = NULL)
        if (!(field[i] = strtok_r(rest, ":", &save)))
            return false;
    ret->n = strtoul(field[1], NULL, 10);
    ret->r = strtoul(field[2], NULL, 10);
    ret->p = strtoul(field[3], NULL, 10);
    return strcmp(field[0], "scrypt") == 0 && from_hex(field[4], ret->salt, SALT_SIZE) &&
           from_hex(field[5], ret->key, KEY_SIZE);
}

/* Find user's line in the file's text (which is taken apart). */
static bool find_entry(char *text, const char *user, struct entry *ret)
{
    char *save = NULL;
    size_t n = strlen(user);
    for (char *line = strtok_r(text, "\r\n", &save); line; line = strtok_r(NULL, "\r\n", &save))
        if (strncmp(line, user, n) == 0 && line[n] == ':')
            return parse_entry(line + n + 1, ret);
    return false;
}

static int derive(const struct entry *entry, const char *password, unsigned char key[KEY_SIZE])
{
    int ok = EVP_PBE_scrypt(password, strlen(password), entry->salt, SALT_SIZE, entry->n, entry->r, entry->p,
                            MAX_MEMORY, key, KEY_SIZE);
    return ok == 1 ? 0 : -EIO;
}

int passwd_check(const char *path, const char *user, const char *password)
{
    CLEANUP_BUF struct buf text = {0};
    int r = read_file(path, &text);
    if (r < 0 && r != -ENOENT)
        return r;
    buf_cstr(&text);
    struct entry entry = {.n = DEFAULT_N, .r = DEFAULT_R, .p = DEFAULT_P};
    bool known = text.len > 0 && name_is_valid(user) && find_entry(text.data, user, &entry);
    if (!known)
        entry = (struct entry){.n = DEFAULT_N, .r = DEFAULT_R, .p = DEFAULT_P};
    unsigned char key[KEY_SIZE];
    r = derive(&entry, password, key);
    if (r < 0)
        return r;
    return known && CRYPTO_memcmp(key, entry.key, KEY_SIZE) == 0 ? 0 : -EACCES;
}

int passwd_find(const char *path, const char *user)
{
    CLEANUP_BUF struct buf text = {0};
    struct entry ignored = {0};
    int r = read_file(path, &text);
    if (r < 0)
        return r;
    buf_cstr(&text);
    return text.len > 0 && name_is_valid(user) && find_entry(text.data, user, &ignored) ? 0 : -ENOENT;
}

/* Copy every line but user's. */
static void copy_other_lines(struct buf *to, char *text, const char *user)
{
    char *save = NULL;
    size_t n = strlen(user);
    for (char *line = strtok_r(text, "\r\n", &save); line; line = strtok_r(NULL, "\r\n", &save)) {
        if (strncmp(line, user, n) == 0 && line[n] == ':')
            continue;
        buf_add_str(to, line);
        buf_add_char(to, '\n');
    }
}

int passwd_set(const char *path, const char *user, const char *password)
{
    if (!name_is_valid(user))
        return -EINVAL;
    CLEANUP_BUF struct buf old = {0};
    CLEANUP_BUF struct buf text = {0};
    int r = read_file(path, &old);
    if (r < 0 && r != -ENOENT)
        return r;
    buf_cstr(&old);
    if (old.len > 0)
        copy_other_lines(&text, old.data, user);
    struct entry entry = {.n = DEFAULT_N, .r = DEFAULT_R, .p = DEFAULT_P};
    if (RAND_bytes(entry.salt, SALT_SIZE) != 1 || derive(&entry, password, entry.key) < 0)
        return -EIO;
    buf_printf(&text, "%s:scrypt:%lu:%lu:%lu:", user, entry.n, entry.r, entry.p);
    add_hex(&text, entry.salt, SALT_SIZE);
    buf_add_char(&text, ':');
    add_hex(&text, entry.key, KEY_SIZE);
    buf_add_char(&text, '\n');
    return fd_replace_file(path, text.data, text.len);
}
