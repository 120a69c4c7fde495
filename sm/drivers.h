#ifndef SM_DRIVERS_H
#define SM_DRIVERS_H
/* The drivers that sm/sm.c lists; one file each. */
struct sm_driver;
extern const struct sm_driver sm_file_driver, sm_iso_driver;

#endif
