#ifndef NET_WAKE_H
#define NET_WAKE_H
/*
 * Wake on LAN: the frame that network cards of machines that are off wait for, six bytes of ones and the
 * card's address sixteen times, in a UDP datagram. Never yields; blocks for microseconds.
 */
#include <stdint.h>

enum { WAKE_PORT = 9, WAKE_SIZE = 6 + 16 * 6 };

/* The frame for a card "aa:bb:cc:dd:ee:ff". 0, or -EINVAL for what is no such address. */
int wake_frame(const char *mac, unsigned char ret[WAKE_SIZE]);

/* Send it to an IPv4 address, mostly that of all machines of a network. 0 or -errno. */
int wake_send(const char *mac, const char *address, uint16_t port);

#endif
