#include "lib/log_journal.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "lib/buf.h"

static int journal_fd = -1;
static struct sockaddr_un journal_address = {.sun_family = AF_UNIX};

/* JOURNAL_STREAM names the device and inode of what systemd made standard error; it may be another by now. */
static bool stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat st;

    return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 && fstat(STDERR_FILENO, &st) == 0 &&
           st.st_dev == device && st.st_ino == inode;
}

bool log_use_journal(const char *socket_path)
{
    const char *path = socket_path ? socket_path : "/run/systemd/journal/socket";

    if (journal_fd >= 0 || strlen(path) >= sizeof journal_address.sun_path || !stderr_is_journal())
        return journal_fd >= 0;
    memcpy(journal_address.sun_path, path, strlen(path) + 1);
    journal_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return journal_fd >= 0;
}

/* Escaped text has no newlines, so the form without a length will do. */
static void add_field(struct buf *entry, const char *name, const char *value)
{
    if (!value)
        return;
    buf_add_str(entry, name);
    log_escape(entry, value, strlen(value));
    buf_add_char(entry, '\n');
}

bool log_journal_send(char priority, const char *text, size_t n, const struct log_origin *origin)
{
    CLEANUP_BUF struct buf entry = {0};

    if (journal_fd < 0)
        return false;
    buf_printf(&entry, "PRIORITY=%c\nSYSLOG_IDENTIFIER=xapid\n", priority);
    add_field(&entry, "XAPID_FIBER=", origin->fiber);
    add_field(&entry, "XAPID_METHOD=", origin->method);
    add_field(&entry, "XAPID_TASK=", origin->task);
    add_field(&entry, "XAPID_SESSION=", origin->session);
    buf_add_lit(&entry, "MESSAGE=");
    log_escape(&entry, text, n);
    buf_add_char(&entry, '\n');
    return sendto(journal_fd, entry.data, entry.len, MSG_DONTWAIT | MSG_NOSIGNAL,
                  (struct sockaddr *)&journal_address, sizeof journal_address) >= 0;
}
