#ifndef XAPID_SYSTEMD_H
#define XAPID_SYSTEMD_H
/*
 * What the daemon tells its service manager, by the protocol of sd_notify(3): datagrams of lines "KEY=value"
 * to the socket in NOTIFY_SOCKET. Nothing happens where there is none. Never yields.
 */

/* Lines, joined by \n. */
void systemd_notify(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The same with a descriptor beside it, for systemd's store. */
void systemd_notify_fd(int fd, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The daemon reads its settings anew, until it says READY=1. */
void systemd_notify_reloading(void);

/* Show that the loop turns, twice in each period that WATCHDOG_USEC asks for. A loop that is stuck does not,
 * and the daemon is started anew. */
void systemd_watchdog_start(void);

#endif
