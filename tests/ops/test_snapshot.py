#!/usr/bin/env python3
"""Snapshots and checkpoints of a guest that runs, and back to them: what it had written before is there, what it wrote
afterwards is not, and its memory goes on from where it was."""

import os
import re

import demo_guest
from daemon import Daemon, add_disk, fails, make_vdi, make_vm, template, wait_until
from invariants import check


class Guest:
    """The demo guest: counts its boots on its disk, and ticks on its console."""

    def __init__(self, d, c):
        self.d, self.c = d, c
        self.vm = c.VM.clone(template(c, "Demo guest"), "guest")
        c.VM.provision(self.vm)
        self.log = os.path.join(d.state, "vm", c.VM.get_uuid(self.vm), "console.log")

    def found(self, pattern):
        with open(self.log, "rb") as f:
            return [int(n) for n in re.findall(pattern, f.read(), re.M)]

    def boots(self, n):
        wait_until(lambda: n in self.found(rb"disk vda, boot (\d+)"), f"boot {n}")
        return self

    def ticks(self):
        return self.found(rb"^tick (\d+) [\d.]+\r?$")

    def start(self):
        self.c.VM.start(self.vm, False, False)
        return self

    def reboot(self):
        self.c.VM.hard_reboot(self.vm)
        return self


def disks(d, c):
    g = Guest(d, c)
    g.start().boots(1)
    first = c.VM.snapshot(g.vm, "first")
    assert c.VM.get_power_state(g.vm) == "Running" and c.VM.get_power_state(first) == "Halted"
    g.reboot().boots(2)
    vdi = c.VBD.get_VDI(c.VM.get_VBDs(g.vm)[0])
    assert c.VDI.get_snapshot_of(c.VDI.snapshot(vdi)) == vdi
    second = c.VM.snapshot(g.vm, "second")
    g.reboot().boots(3)
    check(d, c, "snapshots of a running guest")
    c.VM.revert(second)
    assert c.VM.get_power_state(g.vm) == "Halted" and c.VM.get_parent(g.vm) == second
    assert vdi not in c.VDI.get_all(), "the old disk is gone"
    check(d, c, "a revert")
    g.start().boots(3)
    c.VM.revert(first)
    g.start().boots(2)
    check(d, c, "a second revert")
    return g


def memory(d, c, g):
    wait_until(lambda: g.ticks(), "the guest ticks")
    kept = c.VM.checkpoint(g.vm, "kept")
    assert c.VM.get_power_state(g.vm) == "Running" and c.VM.get_power_state(kept) == "Suspended"
    before = max(g.ticks())
    wait_until(lambda: max(g.ticks()) > before + 50, "the guest goes on after a checkpoint")
    seen = g.ticks()
    assert seen == list(range(seen[0], seen[0] + len(seen))), f"ticks are missing: {seen}"
    c.VM.revert(kept)
    assert c.VM.get_power_state(g.vm) == "Suspended"
    check(d, c, "a revert to a checkpoint")
    twin = c.VM.clone(g.vm, "twin")
    assert c.VM.get_power_state(twin) == "Suspended"
    c.VM.resume(g.vm, False, False)
    wait_until(lambda: len(g.ticks()) > 5, "the reverted guest ticks")
    assert g.ticks()[0] <= before + 1, f"it goes on from the checkpoint: {g.ticks()[0]}, {before}"
    c.VM.hard_shutdown(g.vm)
    c.VM.resume(twin, False, False)
    log = os.path.join(d.state, "vm", c.VM.get_uuid(twin), "console.log")
    ticks = lambda: [int(n) for n in re.findall(rb"^tick (\d+) ", open(log, "rb").read(), re.M)]  # noqa: E731
    wait_until(lambda: len(ticks()) > 5, "the twin ticks")
    assert ticks()[0] <= before + 1, f"it goes on from the checkpoint: {ticks()[0]}, {before}"
    c.VM.hard_shutdown(twin)
    c.VM.hard_shutdown(kept)
    assert c.VM.get_power_state(kept) == "Halted" and c.VM.get_suspend_VDI(kept) == "OpaqueRef:NULL"
    check(d, c, "the end of a checkpoint")


def settings(d, c):
    """On the simulator: settings and devices are the snapshot's again; a disk it does not know is let go, not lost."""
    vm = make_vm(c, "vm", disks=2)
    c.VM.set_name_description(vm, "before")
    macs = {c.VIF.get_MAC(v) for v in c.VM.get_VIFs(vm)}
    snapshot = c.VM.snapshot(vm, "snapshot")
    fails("REVERT_ONLY_ALLOWED_ON_SNAPSHOT", c.VM.revert, vm)
    c.VM.set_name_description(vm, "after")
    late = make_vdi(c, "late")
    add_disk(c, vm, late)
    c.VIF.destroy(c.VM.get_VIFs(vm)[0])
    c.VM.start(vm, False, False)
    c.VM.revert(snapshot)
    record = c.VM.get_record(vm)
    assert record["name_description"] == "before" and not record["is_a_template"] and record["name_label"] == "vm"
    assert record["power_state"] == "Halted" and len(record["VBDs"]) == 2
    assert {c.VIF.get_MAC(v) for v in record["VIFs"]} == macs
    assert late in c.VDI.get_all() and c.VDI.get_VBDs(late) == []
    pictures = {c.VDI.get_snapshot_of(c.VBD.get_VDI(b)) for b in c.VM.get_VBDs(snapshot)}
    assert pictures == {c.VBD.get_VDI(b) for b in record["VBDs"]}
    disks = [c.VBD.get_VDI(b) for b in record["VBDs"]]
    c.VM.destroy(vm)
    for disk in disks:
        c.VDI.destroy(disk)
    orphan = c.VM.get_record(snapshot)
    assert orphan["snapshot_of"] == "OpaqueRef:NULL" and orphan["is_a_snapshot"] and orphan["snapshot_info"], orphan
    assert {c.VDI.get_snapshot_of(c.VBD.get_VDI(b)) for b in orphan["VBDs"]} == {"OpaqueRef:NULL"}
    fails("VM_REVERT_FAILED", c.VM.revert, snapshot)
    fails("HANDLE_INVALID", c.VDI.revert, c.VBD.get_VDI(orphan["VBDs"][0]))
    check(d, c, "the end of what snapshots were taken of")


def suspended(d, c):
    """On the simulator: a clone of a suspended VM is suspended, too, and each goes on by itself."""
    vm = make_vm(c, "vm", disks=2)
    c.VM.start(vm, False, False)
    c.VM.suspend(vm)
    disk = c.VBD.get_VDI(c.VM.get_VBDs(vm)[0])
    assert "clone" in c.VDI.get_allowed_operations(disk) and "clone" in c.VM.get_allowed_operations(vm)
    fails("VM_BAD_POWER_STATE", c.VM.copy, vm, "copy", "OpaqueRef:NULL")
    fails("VDI_IN_USE", c.VDI.destroy, disk)
    clone = c.VM.clone(vm, "clone")
    record = c.VM.get_record(clone)
    assert record["power_state"] == "Suspended" and record["suspend_VDI"] != c.VM.get_suspend_VDI(vm)
    assert all(c.VBD.get_currently_attached(b) for b in record["VBDs"]) and len(record["VBDs"]) == 2
    assert [c.VIF.get_MAC(v) for v in record["VIFs"]] == [c.VIF.get_MAC(v) for v in c.VM.get_VIFs(vm)]
    check(d, c, "a clone of a suspended VM")
    c.VM.resume(vm, False, False)
    assert "clone" not in c.VDI.get_allowed_operations(disk)
    c.VM.resume(clone, False, False)
    assert c.VM.get_suspend_VDI(clone) == c.VM.get_suspend_VDI(vm) == "OpaqueRef:NULL"
    check(d, c, "both go on")


def main():
    with Daemon("sim") as d:
        settings(d, d.client())
        print("ok settings", flush=True)
    with Daemon("sim") as d:
        suspended(d, d.client())
        print("ok suspended", flush=True)
    with Daemon("qemu", options=["--demo-guest", demo_guest.folder()]) as d:
        c = d.client()
        g = disks(d, c)
        print("ok disks", flush=True)
        memory(d, c, g)
        print("ok memory", flush=True)


if __name__ == "__main__":
    main()
