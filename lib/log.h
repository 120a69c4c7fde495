#ifndef LIB_LOG_H
#define LIB_LOG_H
/*
 * Lines to standard error, each with a syslog priority prefix when standard error is not a terminal (systemd reads
 * it), the running fiber's name, and its log tag (the task it serves). Operations log; leaf code does not.
 * Never yields.
 */
enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

void log_set_level(enum log_level level);

/* Give the text that identifies the running fiber's work (a task's uuid), or NULL; asked for at each line. */
void log_set_tag_source(const char *(*tag)(void));

void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
