#ifndef TESTS_HV_FAKED_H
#define TESTS_HV_FAKED_H
/* For tests of the QEMU driver whose QEMU is tests/hv/fake_qemu.c. */
#include "tests/hv/fixture.h"

/* How QEMUs that are started from now on behave, in the words of fake_qemu.c; "": well. */
void faked_misbehave(const char *how);

/* Open f->hv, a driver with that QEMU. The fixture's directory is made when there is none yet. */
void faked_open(struct fixture *f, const char *accelerator);

#endif
