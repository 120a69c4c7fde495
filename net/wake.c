#include "net/wake.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/ether.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include "lib/cleanup.h"

int wake_frame(const char *mac, unsigned char ret[WAKE_SIZE])
{
    struct ether_addr card;

    if (strlen(mac) != sizeof "aa:bb:cc:dd:ee:ff" - 1 || !ether_aton_r(mac, &card))
        return -EINVAL;
    memset(ret, 0xff, 6);
    for (unsigned i = 1; i <= 16; i++)
        memcpy(ret + i * 6, card.ether_addr_octet, 6);
    return 0;
}

int wake_send(const char *mac, const char *address, uint16_t port)
{
    union {
        struct sockaddr any;
        struct sockaddr_in in;
    } to = {.in = {.sin_family = AF_INET, .sin_port = htons(port)}};
    unsigned char frame[WAKE_SIZE];
    const int on = 1;

    if (inet_pton(AF_INET, address, &to.in.sin_addr) != 1)
        return -EINVAL;
    int r = wake_frame(mac, frame);
    CLEANUP_FD int fd = r < 0 ? -1 : socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (r < 0)
        return r;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof on) < 0 ||
        sendto(fd, frame, sizeof frame, 0, &to.any, sizeof to.in) < 0)
        return -errno;
    return 0;
}
