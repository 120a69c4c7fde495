#include "xapid/storage/device.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "a" is 0, "z" 25, "aa" 26; -1 for anything else. */
static int letters_number(const char *s)
{
    int n = 0;

    if (!*s || strlen(s) > 2)
        return -1;
    for (; *s; s++) {
        if (*s < 'a' || *s > 'z')
            return -1;
        n = n * 26 + (*s - 'a' + 1);
    }
    return n - 1;
}

int device_number(const char *userdevice)
{
    static const char *const prefixes[] = {"xvd", "hd", "sd"};
    int n = -1;

    if (!userdevice)
        return -1;
    if (isdigit((unsigned char)userdevice[0]) && strlen(userdevice) <= 3 &&
        userdevice[strspn(userdevice, "0123456789")] == '\0')
        n = atoi(userdevice);
    for (unsigned i = 0; n < 0 && i < sizeof prefixes / sizeof *prefixes; i++)
        if (strncmp(userdevice, prefixes[i], strlen(prefixes[i])) == 0)
            n = letters_number(userdevice + strlen(prefixes[i]));
    return n < DEVICE_COUNT ? n : -1;
}

void device_name(unsigned number, char name[8])
{
    if (number < 26)
        snprintf(name, 8, "xvd%c", 'a' + number);
    else
        snprintf(name, 8, "xvd%c%c", 'a' + number / 26 - 1, 'a' + number % 26);
}
