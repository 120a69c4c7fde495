#!/usr/bin/env python3
"""A real guest on a member: reached through any host, and alive whatever becomes of the daemons."""

import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "ops"))
import demo_guest  # noqa: E402
from daemon import template, wait_until  # noqa: E402
from demo_guest import Console  # noqa: E402
from pool import Pool, is_live  # noqa: E402


def make(c, host):
    """A VM whose disk lies on the host."""
    local = next(p["SR"] for p in c.PBD.get_all_records().values()
                 if p["host"] == host and c.SR.get_type(p["SR"]) == "file")
    vm = c.VM.clone(template(c, "Demo guest"), "pool guest")
    config = c.VM.get_other_config(vm)
    config["disks"] = re.sub(r'sr="[^"]*"', f'sr="{c.SR.get_uuid(local)}"', config["disks"])
    c.VM.set_other_config(vm, config)
    c.VM.provision(vm)
    return vm


def ticks(host, uuid):
    """How much the guest's console log has grown; it grows while the guest runs."""
    return os.path.getsize(os.path.join(host.state, "vm", uuid, "console.log"))


def still_ticks(host, uuid):
    before = ticks(host, uuid)
    wait_until(lambda: ticks(host, uuid) > before, "the guest ticks on")


def through_any_host(hosts, vm):
    """Its console at the coordinator and, passed on, at the member; a file written by one is read by the other."""
    for host, command, wanted in ((hosts[0], "echo from afar > /note", ""),
                                  (hosts[1], "cat /note", "from afar")):
        console = Console(host, host.client(), vm)
        said = console.run(command)
        assert said == wanted, (host.address, said)
        console.close()


def states_are_kept(c, vm):
    """Snapshots of a guest that runs on the member, and of its disk; its memory comes back there."""
    disk = next(c.VBD.get_VDI(b) for b in c.VM.get_VBDs(vm) if c.VBD.get_type(b) == "Disk")
    made = [c.VM.snapshot(vm, "disks"), c.VM.checkpoint(vm, "all of it")]
    assert c.VM.get_power_state(made[1]) == "Suspended"
    c.VDI.destroy(c.VDI.snapshot(disk))
    c.VM.revert(made[1])
    assert c.VM.get_power_state(vm) == "Suspended"
    c.VM.resume(vm, False, False)
    for snapshot in made:
        c.VM.destroy(snapshot)


def daemons_die(hosts, c, vm, uuid):
    """First the member's, then the coordinator's."""
    coordinator, member = hosts
    member.kill()
    still_ticks(member, uuid)
    wait_until(lambda: not is_live(coordinator, member), "the member is missed")
    assert c.VM.get_power_state(vm) == "Running"
    member.start()
    wait_until(lambda: is_live(coordinator, member), "the member is back")
    coordinator.kill()
    still_ticks(member, uuid)
    coordinator.start()
    wait_until(lambda: is_live(coordinator, member), "the member follows again")


def main():
    with Pool(2, "qemu", ["--demo-guest", demo_guest.folder()]) as hosts:
        c = hosts[0].client()
        there = hosts[1].me(c)
        vm = make(c, there)
        uuid = c.VM.get_uuid(vm)
        hosts[1].client().VM.start(vm, False, False)
        assert c.VM.get_resident_on(vm) == there
        through_any_host(hosts, vm)
        states_are_kept(c, vm)
        daemons_die(hosts, c, vm, uuid)
        c = hosts[0].client()
        c.VM.hard_shutdown(vm)
        assert c.VM.get_power_state(vm) == "Halted"
        assert not hosts[1].guest_processes()
        c.VM.destroy(vm)


if __name__ == "__main__":
    main()
