#ifndef LIB_LOG_H
#define LIB_LOG_H
/*
 * Lines to standard error, each with a syslog priority prefix when standard error is not a terminal, the
 * running fiber's name, and what it works on: the call's message, the task and the session. In systemd's
 * journal the same stand in fields of their own (log_use_journal). Operations log; leaf code does not.
 * Control bytes and what is not UTF-8 are written as \xNN (newlines as \n), so text from clients may be
 * logged as it is; past 16 KiB it is cut. Workers may log too. Never yields, apart from a standard error that
 * blocks.
 */
#include <stdbool.h>
#include <stddef.h>

struct buf;

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

void log_set_level(enum log_level level);

/* A level that goes before the one that is set, until the process ends; -1: none any more. */
void log_override_level(int level);

bool log_wants(enum log_level level);

/* "error", "warning", "info", "debug"; -1 for any other. */
int log_level_by_name(const char *name);

/* Whose work a line is about; members may be NULL. Nothing secret belongs here. */
struct log_origin {
    const char *fiber;
    const char *method, *task,
        *session; /* "VM.start", the task's uuid, the beginning of the session's uuid */
};

/* Who fills in what the running code works on; asked at each line, also by workers. ret is all NULL before.
 */
void log_set_origin_source(void (*source)(struct log_origin *ret));

/* Write to the journal's own socket instead, where standard error is the journal's (JOURNAL_STREAM); false
 * where it is not. socket_path NULL: the usual one. A line that the journal does not take goes to standard
 * error. */
bool log_use_journal(const char *socket_path);

/* Append text to b as log lines show it. */
void log_escape(struct buf *b, const char *text, size_t n);

void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
