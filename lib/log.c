#include "lib/log.h"
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "lib/buf.h"
#include "lib/fiber.h"
#include "lib/log_journal.h"
#include "lib/utf8.h"

#define LOG_TEXT_MAX 16384

static enum log_level max_level = LOG_LEVEL_INFO;
static int override = -1;
static void (*origin_source)(struct log_origin *ret);

static const struct {
    const char *priority; /* syslog's */
    const char *word;
} levels[] = {
    [LOG_LEVEL_ERROR] = {"<3>", "error "},
    [LOG_LEVEL_WARNING] = {"<4>", "warning "},
    [LOG_LEVEL_INFO] = {"<6>", ""},
    [LOG_LEVEL_DEBUG] = {"<7>", "debug "},
};

void log_set_level(enum log_level level)
{
    max_level = level;
}

void log_override_level(int level)
{
    override = level;
}

bool log_wants(enum log_level level)
{
    return (int)level <= (override >= 0 ? override : (int)max_level);
}

int log_level_by_name(const char *name)
{
    static const char *const names[] = {[LOG_LEVEL_ERROR] = "error",
                                        [LOG_LEVEL_WARNING] = "warning",
                                        [LOG_LEVEL_INFO] = "info",
                                        [LOG_LEVEL_DEBUG] = "debug"};

    for (int level = 0; level <= LOG_LEVEL_DEBUG; level++)
        if (strcmp(names[level], name) == 0)
            return level;
    return -1;
}

void log_set_origin_source(void (*source)(struct log_origin *ret))
{
    origin_source = source;
}

/* Under systemd's journal the time is known already. */
static void add_time(struct buf *line)
{
    struct timespec now;
    struct tm tm;

    if (getenv("JOURNAL_STREAM") && !isatty(STDERR_FILENO))
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    buf_printf(line, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
               tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(now.tv_nsec / 1000000));
}

static void add_word(struct buf *line, const char *before, const char *word)
{
    if (!word)
        return;
    buf_add_str(line, line->len > 0 && line->data[line->len - 1] != '[' ? " " : "");
    buf_add_str(line, before);
    log_escape(line, word, strlen(word));
}

static void add_origin(struct buf *line, const struct log_origin *o)
{
    if (!o->fiber && !o->method)
        return;
    buf_add_char(line, '[');
    add_word(line, "", o->fiber);
    if (!o->fiber || !o->method || strcmp(o->fiber, o->method) != 0)
        add_word(line, "", o->method);
    add_word(line, "task=", o->task);
    add_word(line, "session=", o->session);
    buf_add_lit(line, "] ");
}

static struct log_origin find_origin(void)
{
    struct log_origin o = {0};

    if (origin_source)
        origin_source(&o);
    if (fiber_self())
        o.fiber = fiber_name(fiber_self());
    return o;
}

/* One character of the text, or what stands for a byte that could play tricks on a terminal or a log reader.
 */
static size_t escape_one(struct buf *b, const unsigned char *p, size_t left)
{
    size_t n = utf8_next((const char *)p, left);
    bool c1 = n == 2 && p[0] == 0xc2 && p[1] < 0xa0;

    if (n == 0 || c1 || p[0] < 0x20 || p[0] == 0x7f) {
        if (p[0] == '\n')
            buf_add_lit(b, "\\n");
        else
            for (size_t i = 0; i < (n > 0 ? n : 1); i++)
                buf_printf(b, "\\x%02x", p[i]);
        return n > 0 ? n : 1;
    }
    buf_add(b, p, n);
    return n;
}

void log_escape(struct buf *b, const char *text, size_t n)
{
    for (size_t i = 0; i < n;)
        i += escape_one(b, (const unsigned char *)text + i, n - i);
}

static void write_all(const char *p, size_t n)
{
    while (n > 0) {
        ssize_t r = write(STDERR_FILENO, p, n);

        if (r <= 0)
            return;
        p += r;
        n -= (size_t)r;
    }
}

static void write_line(enum log_level level, const char *text, size_t n, const struct log_origin *origin)
{
    CLEANUP_BUF struct buf line = {0};
    bool terminal = isatty(STDERR_FILENO);

    if (!terminal)
        buf_add_str(&line, levels[level].priority);
    add_time(&line);
    if (terminal)
        buf_add_str(&line, levels[level].word);
    add_origin(&line, origin);
    log_escape(&line, text, n);
    buf_add_char(&line, '\n');
    write_all(line.data, line.len);
}

void log_line(enum log_level level, const char *fmt, ...)
{
    CLEANUP_BUF struct buf text = {0};
    va_list ap;

    if (!log_wants(level))
        return;
    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    if (text.len > LOG_TEXT_MAX)
        text.len = LOG_TEXT_MAX;
    struct log_origin origin = find_origin();
    if (!log_journal_send(levels[level].priority[1], text.data, text.len, &origin))
        write_line(level, text.data, text.len, &origin);
}
