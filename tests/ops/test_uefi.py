#!/usr/bin/env python3
"""Guests with UEFI firmware: they boot from a disk, and what their firmware writes down outlives them."""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import uefi_disk
from daemon import Daemon, add_disk, fails, make_vdi, make_vm, vif
from demo_guest import Console
from invariants import check

FIRMWARE = "/usr/share/OVMF/OVMF_CODE_4M.fd"
KEY = "OVMF-variables"


def make(d, c):
    vm = make_vm(c, "uefi", disks=0, nics=0, memory=128 << 20)
    c.VM.set_HVM_boot_params(vm, {"order": "c", "firmware": "uefi"})
    vdi = make_vdi(c, "system", size=16 << 20)
    add_disk(c, vm, vdi)
    image = uefi_disk.make(os.path.join(d.directory, "disk.img"))
    location = os.path.join(d.state, "sr", c.SR.get_uuid(c.VDI.get_SR(vdi)), c.VDI.get_location(vdi))
    subprocess.run(["qemu-img", "convert", "-n", "-f", "raw", "-O", "qcow2", image, location], check=True)
    return vm


def boots(d, c, vm):
    """Which boot the guest says that this is."""
    c.VM.start(vm, False, False)
    console = Console(d, c, vm)
    while not (found := re.search(rb"uefi boots (\d)", console.text)):
        console.read()
    console.close()
    return int(found[1])


def stored(c, vm):
    return c.VM.get_NVRAM(vm).get(KEY)


def secure(d, c, vm):
    """A program that nobody signed is not run. The machine is another one, in which things are plugged all the same:
    its state fits afterwards, and they are taken from a guest whose firmware does not let go of them."""
    c.VM.add_to_platform(vm, "secureboot", "true")
    c.VM.start(vm, False, False)
    console = Console(d, c, vm)
    while b"Access Denied" not in console.text:
        assert b"uefi boots" not in console.text
        console.read()
    console.close()
    disk = add_disk(c, vm, make_vdi(c, "late"))
    nic = c.VIF.create(vif(c, vm, "2"))
    c.VBD.plug(disk)
    c.VIF.plug(nic)
    check(d, c, "plugging under Secure Boot")
    c.VM.suspend(vm)
    c.VM.resume(vm, False, False)
    assert c.VBD.get_currently_attached(disk) and c.VIF.get_currently_attached(nic)
    with ThreadPoolExecutor() as both:
        for done in (both.submit(d.client().VIF.unplug_force, nic), both.submit(d.client().VBD.unplug_force, disk)):
            done.result()
    check(d, c, "unplugging under Secure Boot")
    c.VM.hard_shutdown(vm)


def main():
    if not os.path.exists(FIRMWARE):
        print("skipped: no UEFI firmware (apt-get install ovmf)")
        sys.exit(uefi_disk.SKIP)
    with Daemon("qemu") as d:
        c = d.client()
        vm = make(d, c)
        assert boots(d, c, vm) == 1
        c.VM.hard_shutdown(vm)
        first = stored(c, vm)
        assert first and len(first) < 200000, first and len(first)
        check(d, c, "a guest with UEFI")

        assert boots(d, c, vm) == 2
        d.kill()
        d.end_guests()
        d.start()
        c = d.client()
        assert c.VM.get_power_state(vm) == "Halted" and stored(c, vm) != first
        copy = c.VM.clone(vm, "copy")
        assert stored(c, copy) == stored(c, vm), "a clone has the variables of its origin"

        c.VM.set_NVRAM(vm, {KEY: "bm90aGluZyBvZiBvdXJz"})
        params = fails("INVALID_VALUE", c.VM.start, vm, False, False)
        assert params[0] == f"NVRAM:{KEY}", params
        c.VM.remove_from_NVRAM(vm, KEY)
        secure(d, c, vm)
        check(d, c, "guests with UEFI")


if __name__ == "__main__":
    main()
