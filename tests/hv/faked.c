#include "tests/hv/faked.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "hv/qemu/qemu.h"

void faked_misbehave(const char *how)
{
    setenv("FAKE_QEMU", how, 1);
}

void faked_open(struct fixture *f, const char *accelerator)
{
    const char *build = getenv("XAPID_BUILD");
    char here[200], program[300];
    struct qemu_cmdline_host host = {program, accelerator, true};

    snprintf(program, sizeof program, "%s/tests/hv/fake_qemu", build ? build : getcwd(here, sizeof here));
    if (!f->dir[0])
        fixture_init(f);
    REQUIRE(qemu_open_with(&f->options, &host, &f->hv) == 0);
}
