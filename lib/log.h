#ifndef LIB_LOG_H
#define LIB_LOG_H
/*
 * Lines to standard error, each with a syslog priority prefix when standard error is not a terminal (systemd
 * reads it), the running fiber's name, and its log tag (the task it serves). Operations log; leaf code does
 * not. Control bytes and what is not UTF-8 are written as \\xNN (newlines as \\n), so text from clients may
 * be logged as it is; past 16 KiB it is cut. Workers may log too. Never yields, apart from a standard error
 * that blocks.
 */
#include <stddef.h>

struct buf;

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

void log_set_level(enum log_level level);

/* "error", "warning", "info", "debug"; -1 for any other. */
int log_level_by_name(const char *name);

/* Give the text that identifies the running fiber's work (a task's uuid), or NULL; asked for at each line. */
void log_set_tag_source(const char *(*tag)(void));

/* Append text to b as log lines show it. */
void log_escape(struct buf *b, const char *text, size_t n);

void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
