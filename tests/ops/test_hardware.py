#!/usr/bin/env python3
"""What a VM's record says of its hardware is what a real guest finds."""

import glob
import os
import time

import demo_guest
from daemon import Daemon, Failure, add_disk, fails, make_vdi, make_vm, template, wait_until
from demo_guest import Console
from invariants import check

BIOS = {"bios-vendor": "Acme BIOS", "bios-version": "1, beta", "system-manufacturer": "Acme, Inc.",
        "system-product-name": "Rocket", "baseboard-manufacturer": "Boards",
        "enclosure-asset-tag": "asset 7"}
DMI = {"bios_vendor": "bios-vendor", "bios_version": "bios-version", "sys_vendor": "system-manufacturer",
       "product_name": "system-product-name", "board_vendor": "baseboard-manufacturer",
       "chassis_asset_tag": "enclosure-asset-tag"}


def make(c):
    vm = c.VM.clone(template(c, "Demo guest"), "hardware")
    c.VM.provision(vm)
    c.VM.set_VCPUs_max(vm, "4")
    c.VM.set_VCPUs_at_startup(vm, "2")
    return vm


def refusals(c, vm):
    """Each of these would make QEMU exit, or mean nothing."""
    for key, value in (("nic_type", "ne2000"), ("videoram", "lots"), ("cores-per-socket", "3"), ("timeoffset", "x")):
        c.VM.add_to_platform(vm, key, value)
        params = fails("INVALID_VALUE", c.VM.start, vm, False, False)
        assert params == [f"platform:{key}", value], params
        c.VM.remove_from_platform(vm, key)
    fails("INVALID_VALUE", c.VM.set_bios_strings, vm, {"bios-vendor": "two\nlines"})
    fails("INVALID_VALUE", c.VM.set_bios_strings, vm, {"no-such-key": "x"})
    assert c.VM.get_power_state(vm) == "Halted"


def described(d, c, vm):
    c.VM.set_bios_strings(vm, BIOS)
    c.VM.set_xenstore_data(vm, {"vm-data/role": "web,db", "other": "hidden"})
    c.VM.add_to_platform(vm, "cores-per-socket", "1")
    c.VM.add_to_platform(vm, "timeoffset", "-7200")
    c.VM.add_to_platform(vm, "hpet", "false")
    c.VM.start(vm, False, False)
    console = Console(d, c, vm)
    for name, key in DMI.items():
        seen = console.run(f"cat /sys/class/dmi/id/{name}")
        assert seen == BIOS[key], (name, seen)
    oem = console.run("strings /sys/firmware/dmi/entries/11-*/raw")
    assert "vm-data/role=web,db" in oem and "hidden" not in oem, oem
    assert console.run("cat /sys/devices/system/cpu/online") == "0-1"
    packages = console.run("cat /sys/devices/system/cpu/cpu*/topology/physical_package_id").split()
    assert packages == ["0", "1"], packages
    assert "hpet" not in console.run("cat /sys/devices/system/clocksource/clocksource0/available_clocksource")
    return console


def clock(c, vm, console):
    """The guest's clock stands where the record says, and where the guest puts it the record follows."""
    ahead = int(console.run("cat /sys/class/rtc/rtc0/since_epoch")) - time.time()
    assert abs(ahead + 7200) < 60, ahead
    console.run(f"date -s @{int(time.time()) + 3600} && hwclock -w -u")
    wait_until(lambda: abs(int(c.VM.get_platform(vm)["timeoffset"]) - 3600) < 60,
               "the record follows the guest's clock")


def online(console):
    return console.run("cat /sys/devices/system/cpu/online")


def gives_up_processors(c, vm, number):
    """False when the guest, slow on a busy machine, did not do so in the daemon's time."""
    try:
        c.VM.set_VCPUs_number_live(vm, number)
    except Failure as e:
        if e.code != "OPERATION_NOT_ALLOWED":
            raise
        return False
    return True


def last_words(d, c, vm):
    """The end of what the guest's kernel said on its console, without the demo guest's ticks."""
    with open(os.path.join(d.state, "vm", c.VM.get_uuid(vm), "console.log"), errors="replace") as f:
        return "".join(line for line in f if not line.startswith("tick "))[-4000:]


def processors(d, c, vm, console):
    """More and fewer while it runs; a guest switches new ones on itself, as its distribution has it."""
    fails("INVALID_VALUE", c.VM.set_VCPUs_number_live, vm, "5")
    fails("INVALID_VALUE", c.VM.set_VCPUs_number_live, vm, "0")
    c.VM.set_VCPUs_number_live(vm, "4")
    console.run("cd /sys/devices/system/cpu; "
                "for c in 2 3; do until echo 1 > cpu$c/online; do sleep 0.1; done; done 2> /dev/null")
    wait_until(lambda: online(console) == "0-3", "the guest has four processors")
    metrics = c.VM_metrics.get_record(c.VM.get_metrics(vm))
    assert int(metrics["VCPUs_number"]) == int(c.VM.get_VCPUs_at_startup(vm)) == 4, metrics
    try:
        wait_until(lambda: gives_up_processors(c, vm, "1"), "the guest gives its processors up", 300)
    except AssertionError:
        print(last_words(d, c, vm))
        raise
    wait_until(lambda: online(console) == "0", "the guest has one processor")
    assert int(c.VM_metrics.get_VCPUs_number(c.VM.get_metrics(vm))) == 1
    disk = add_disk(c, vm, make_vdi(c))  # QEMU must be the same machine still
    c.VBD.plug(disk)
    c.VBD.unplug(disk)
    wait_until(lambda: gives_up_processors(c, vm, "2"), "the guest takes a processor back", 300)
    wait_until(lambda: online(console) == "0-1", "the guest has two processors")


def suspended(d, c, vm, console):
    """The guest's QEMU has more processors than at its start, and perhaps more than its record says."""
    console.close()
    c.VM.suspend(vm)
    c.VM.set_platform(vm, {**c.VM.get_platform(vm), "hpet": "true", "videoram": "64"})
    c.VM.resume(vm, False, False)
    console = Console(d, c, vm)
    assert online(console) == "0-1"
    return console


def shares(d, c, vm):
    """Weight, cap and mask reach the kernel, and bad ones do not."""
    c.VM.add_to_VCPUs_params_live(vm, "weight", "512")
    c.VM.add_to_VCPUs_params_live(vm, "cap", "250")
    c.VM.add_to_VCPUs_params_live(vm, "mask", "0")
    for key, value in (("weight", "0"), ("cap", "-1"), ("mask", "1-"), ("mask", "1023")):
        fails("INVALID_VALUE", c.VM.add_to_VCPUs_params_live, vm, key, value)
    wanted = {"weight": "512", "cap": "250", "mask": "0"}
    assert c.VM.get_VCPUs_params(vm) == wanted
    assert c.VM_metrics.get_VCPUs_params(c.VM.get_metrics(vm)) == wanted
    pid, = d.guest_processes()
    affinities = [os.sched_getaffinity(int(t)) for t in os.listdir(f"/proc/{pid}/task")]
    assert {0} in affinities, affinities
    group = cgroup(c.VM.get_uuid(vm))
    if group is None:
        print("no cgroup with the cpu controller: weight and cap are not looked at")
        return None
    files = {f: open(os.path.join(group, f)).read().split() for f in os.listdir(group) if f in
             ("cgroup.procs", "cpu.shares", "cpu.weight", "cpu.cfs_quota_us", "cpu.max")}
    assert files["cgroup.procs"] == [str(pid)], files
    assert files.get("cpu.shares", ["2048"]) == ["2048"] and files.get("cpu.weight", ["200"]) == ["200"], files
    assert files.get("cpu.cfs_quota_us", ["250000"]) == ["250000"], files
    assert files.get("cpu.max", ["250000", "100000"]) == ["250000", "100000"], files
    return group


def cgroup(uuid):
    """The guest's folder in the hierarchy that has the cpu controller, or None."""
    for place in ("/sys/fs/cgroup", "/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct"):
        for procs in glob.glob(os.path.join(place, "xapid", f"{uuid}@*", "cgroup.procs")):
            return os.path.dirname(procs)
    return None


def memory(c, vm, console):
    """The guest gives memory back and gets it again, and the host counts on it."""
    mib = 1 << 20
    metrics = c.VM.get_metrics(vm)

    def total():
        return int(console.run("cat /proc/meminfo").split("MemTotal:")[1].split()[0]) << 10

    def free():
        return int(c.host.compute_free_memory(c.host.get_all()[0]))

    most, before = total(), free()
    c.VM.set_memory_dynamic_range(vm, str(128 * mib), str(160 * mib))
    c.VM.wait_memory_target_live(vm)
    assert int(c.VM.get_memory_target(vm)) == 160 * mib
    assert abs(int(c.VM_metrics.get_memory_actual(metrics)) - 160 * mib) < mib
    assert abs(most - total() - 96 * mib) < 2 * mib, (most, total())
    assert free() - before == 128 * mib, (free(), before)
    fails("MEMORY_CONSTRAINT_VIOLATION", c.VM.set_memory_dynamic_range, vm, str(128 * mib), str(512 * mib))
    c.VM.set_memory_target_live(vm, str(200 * mib))
    c.VM.wait_memory_target_live(vm)
    assert abs(most - total() - 56 * mib) < 2 * mib, (most, total())
    assert int(c.VM.get_memory_dynamic_min(vm)) == int(c.VM.get_memory_dynamic_max(vm)) == 200 * mib
    c.VM.set_memory_dynamic_range(vm, str(128 * mib), str(200 * mib))
    room(c, vm, most - 56 * mib, total, free)


def standing(c, name, memory):
    """A guest that does not run, so that it takes nothing of the memory that the host gives it."""
    vm = make_vm(c, name, disks=0, nics=0, memory=memory)
    c.VM.start(vm, True, False)
    return vm


def room(c, vm, most, total, free):
    """The guest shrinks for another one that starts, and has its memory back when that ends."""
    mib = 1 << 20
    any_vm = make_vm(c, "measure", disks=0, nics=0, memory=64 * mib)
    filler = standing(c, "filler", int(c.VM.maximise_memory(any_vm, str(free() - 130 * mib), True)))
    left = free()
    other = standing(c, "other", 64 * mib)
    assert left - free() == 64 * mib + int(c.VM.compute_memory_overhead(other))
    assert 128 * mib <= int(c.VM.get_memory_target(vm)) < 180 * mib, c.VM.get_memory_target(vm)
    assert most - total() > 20 * mib, (most, total())
    c.VM.hard_shutdown(other)
    wait_until(lambda: int(c.VM.get_memory_target(vm)) == 200 * mib, "the guest may have its memory back")
    wait_until(lambda: abs(most - total()) < 2 * mib, "it has it")
    c.VM.hard_shutdown(filler)


def main():
    with Daemon("qemu", options=["--demo-guest", demo_guest.folder()]) as d:
        c = d.client()
        vm = make(c)
        refusals(c, vm)
        console = described(d, c, vm)
        clock(c, vm, console)
        processors(d, c, vm, console)
        console = suspended(d, c, vm, console)
        group = shares(d, c, vm)
        memory(c, vm, console)
        console.close()
        c.VM.hard_shutdown(vm)
        assert group is None or not os.path.exists(group), group
        check(d, c, "hardware")


if __name__ == "__main__":
    main()
