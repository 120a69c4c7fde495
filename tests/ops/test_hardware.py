#!/usr/bin/env python3
"""What a VM's record says of its hardware is what a real guest finds."""

import time

import demo_guest
from daemon import Daemon, fails, template, wait_until
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


def main():
    with Daemon("qemu", options=["--demo-guest", demo_guest.folder()]) as d:
        c = d.client()
        vm = make(c)
        refusals(c, vm)
        console = described(d, c, vm)
        clock(c, vm, console)
        console.close()
        c.VM.hard_shutdown(vm)
        check(d, c, "hardware")


if __name__ == "__main__":
    main()
