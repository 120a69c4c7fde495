#include "xapid/network/mac.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <openssl/evp.h>

bool mac_is_valid(const char *text)
{
    if (strlen(text) != MAC_TEXT_SIZE - 1)
        return false;
    for (unsigned i = 0; i < MAC_TEXT_SIZE - 1; i++)
        if (i % 3 == 2 ? text[i] != ':' : !isxdigit((unsigned char)text[i]))
            return false;
    int low = text[1] >= '0' && text[1] <= '9' ? text[1] - '0' : (text[1] | 0x20) - 'a' + 10;
    return low % 2 == 0;
}

void mac_from_seed(const char *seed, unsigned device, char mac[MAC_TEXT_SIZE])
{
    unsigned char d[EVP_MAX_MD_SIZE] = {0};
    char text[256];
    int n = snprintf(text, sizeof text, "%u-%s", device, seed);

    EVP_Digest(text, n < (int)sizeof text ? (size_t)n : sizeof text - 1, d, NULL, EVP_sha256(), NULL);
    d[0] = (unsigned char)((d[0] | 2) & ~1);
    snprintf(mac, MAC_TEXT_SIZE, "%02x:%02x:%02x:%02x:%02x:%02x", d[0], d[1], d[2], d[3], d[4], d[5]);
}
