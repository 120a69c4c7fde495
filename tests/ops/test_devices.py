#!/usr/bin/env python3
"""Devices of a guest that runs: the guest itself shows what it has."""

import os
import re

import demo_guest
from daemon import Daemon, fails, vbd
from demo_guest import wait_for_address
from invariants import check
from test_guest import Console, install


class Shell(Console):
    """Runs commands in the demo guest."""

    def run(self, command):
        """What the command prints, as lines."""
        self.text = b""
        self.socket.sendall(f"run {command}\n".encode())
        while not re.search(rb"(^|\n)done -?\d+\r\n", self.text):
            self.read()
        lines = self.text.decode(errors="replace").splitlines()
        return [line for line in lines if line and not line.startswith(("tick ", "done "))]


def isos(d, c):
    """Two CD images of different content."""
    sr = next(r for r, s in c.SR.get_all_records().items() if s["type"] == "iso")
    path = c.PBD.get_device_config(c.SR.get_PBDs(sr)[0])["location"]
    for name in ("one", "two"):
        with open(os.path.join(path, f"{name}.iso"), "wb") as f:
            f.write(f"this is {name}\n".encode().ljust(1 << 20))
    c.SR.scan(sr)
    return [c.VDI.get_by_name_label(f"{name}.iso")[0] for name in ("one", "two")]


def cd(d, c, vm, shell):
    one, two = isos(d, c)
    drive = next(b for b in c.VM.get_VBDs(vm) if c.VBD.get_type(b) == "CD")
    for module in ("scsi_common", "scsi_mod", "libata", "ata_piix", "cdrom", "sr_mod"):
        shell.run(f"insmod /modules/{module}.ko")
    for vdi, text in ((one, "this is one"), (two, "this is two"), (one, "this is one")):
        assert "insert" in c.VBD.get_allowed_operations(drive) and "eject" not in c.VBD.get_allowed_operations(drive)
        c.VBD.insert(drive, vdi)
        assert c.VBD.get_VDI(drive) == vdi and not c.VBD.get_empty(drive)
        assert "eject" in c.VBD.get_allowed_operations(drive) and "insert" not in c.VBD.get_allowed_operations(drive)
        fails("VBD_NOT_EMPTY", c.VBD.insert, drive, two)
        shown = []
        while text not in shown:  # a drive takes a moment to notice its medium
            shown = shell.run("head -n 1 /dev/sr0")
        check(d, c, f"inserting {text}")
        c.VBD.eject(drive)
        assert c.VBD.get_VDI(drive) == "OpaqueRef:NULL" and c.VBD.get_empty(drive)
        fails("VBD_IS_EMPTY", c.VBD.eject, drive)
        while any("this is" in line for line in shown):
            shown = shell.run("head -n 1 /dev/sr0")
        check(d, c, "ejecting it")
    c.VBD.insert(drive, two)
    d.kill()
    d.start()
    c = d.client()
    assert c.VBD.get_VDI(drive) == two, "a new daemon finds the medium"
    check(d, c, "a new daemon")
    c.VBD.eject(drive)
    return c


def main():
    with Daemon("qemu", options=["--demo-guest", demo_guest.folder()]) as d:
        c = d.client()
        vm = install(c, "guest")
        c.VBD.create(vbd(vm, "OpaqueRef:NULL", device="3", type="CD", mode="RO", empty=True))
        c.VM.start(vm, False, False)
        wait_for_address(c, vm)
        shell = Shell(d, c, vm)  # from here on it is read, or the guest would stand still
        c = cd(d, c, vm, shell)
        print("ok the medium of a CD drive changes", flush=True)
        c.VM.hard_shutdown(vm)
        check(d, c, "the end")


if __name__ == "__main__":
    main()
