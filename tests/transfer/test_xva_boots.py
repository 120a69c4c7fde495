#!/usr/bin/env python3
"""A real guest that lives on its disk alone: exported, imported, started by the imported VM's BIOS."""

import shutil
import sys

from bulk import MIB, disk_bytes, get, put, task
from daemon import Daemon, add_disk, make_vdi, make_vm, wait_until
from invariants import check
from test_guest import Console

SKIP = 77

# A boot sector that writes "tick 1 1" lines to the first serial port for ever:
#   cld; xor ax,ax; mov ds,ax; again: mov si,text; next: lodsb; test al,al; jz again; mov bl,al; mov dx,0x3fd; wait: in al,dx
#   test al,0x20; jz wait; mov al,bl; mov dx,0x3f8; out dx,al; jmp next
CODE = bytes.fromhex("fc31c08ed8be207cac84c074f888c3bafd03eca82074fb88d8baf803eeebe9")
SECTOR = CODE.ljust(0x20, b"\x90") + b"\ntick 1 1\r\n\0"


def boot_disk():
    """The sector, with a partition table that says the disk is active, and data up to the end."""
    sector = SECTOR.ljust(446, b"\0") + bytes.fromhex("80000200830020000100000000080000") + bytes(48) + b"\x55\xaa"
    assert len(sector) == 512
    return sector + bytes(2 * MIB) + b"the end".rjust(2 * MIB - 512, b"x")


def ticks(d, c, vm):
    c.VM.start(vm, False, False)
    console = Console(d, c, vm)
    assert console.tick() == 1
    console.close()
    c.VM.hard_shutdown(vm)


def main():
    if not shutil.which("qemu-system-x86_64"):
        print("skipped: there is no QEMU")
        sys.exit(SKIP)
    with Daemon("qemu", address="127.0.27.15") as d:
        c = d.client()
        data = boot_disk()
        vm, disk = make_vm(c, "from its disk", disks=0, nics=0, memory=64 << 20), make_vdi(c, "boots", len(data))
        put(d, "/import_raw_vdi", data, vdi=disk)
        add_disk(c, vm, disk, bootable=True)
        ticks(d, c, vm)
        _, archive = get(d, "/export", ref=vm, use_compression="zstd")
        c.VM.destroy(vm)
        c.VDI.destroy(disk)
        t = task(c)
        put(d, "/import", archive, task_id=t)
        wait_until(lambda: c.task.get_status(t) == "success", "the import succeeds")
        again, = c.VM.get_by_name_label("from its disk")
        assert disk_bytes(c, c.VBD.get_VDI(c.VM.get_VBDs(again)[0]), d.directory) == data
        ticks(d, c, again)
        check(d, c, "a guest moved as a file")


main()
