#ifndef XAPID_STORAGE_DEVICE_H
#define XAPID_STORAGE_DEVICE_H
/*
 * Names of drives. VBD.userdevice is a number as text ("0" is the first), or a name that clients know from
 * Linux
 * ("xvda", "hdb", "sdc"); "autodetect" asks for the first free number.
 */
#include <stdbool.h>

#define DEVICE_COUNT 255

/* The number of a userdevice, or -1. */
int device_number(const char *userdevice);

/* "xvda" … for a number, as VBD.device has it. */
void device_name(unsigned number, char name[8]);

#endif
