#ifndef LIB_LOG_JOURNAL_H
#define LIB_LOG_JOURNAL_H
/*
 * The journal's own protocol (systemd's "Native Journal Protocol"): a datagram an entry, of lines
 * FIELD=value. For log.c. Thread-safe; never yields.
 */
#include "lib/log.h"

/* Send an entry; false when the journal is not in use or did not take it. priority: '0' to '7'. */
bool log_journal_send(char priority, const char *text, size_t n, const struct log_origin *origin);

#endif
