#!/usr/bin/env python3
"""A real guest under QEMU: installed from a template with disk and NIC, started, watched, stopped in every way."""

import os
import re
import signal
import socket
import subprocess
import threading

import demo_guest
from daemon import BUILD, Daemon, default_network, fails, small_folder, template, vif, wait_until
from demo_guest import Console, metrics, wait_for_address
from invariants import check


def install(c, name):
    """As xe vm-install does, with a NIC: the template brings a disk."""
    vm = c.VM.clone(template(c, "Demo guest"), name)
    c.VM.provision(vm)
    c.VIF.create(vif(c, vm, "0", network=default_network(c)))
    disks = [c.VBD.get_record(b) for b in c.VM.get_VBDs(vm)]
    assert len(disks) == 1 and disks[0]["other_config"].get("owner") is not None, disks
    return vm


def names(c, vm):
    uuid = c.VM.get_uuid(vm)
    return [m["name"] for m in c.message.get_all_records().values() if m["obj_uuid"] == uuid]


def is_watched(c, vm):
    """QEMU tells what the guest does with its processors and disks, the kernel what its taps pass on."""
    def now(name):
        value = {s["name_label"]: s["value"] for s in c.VM.get_data_sources(vm)}.get(name)
        return value if isinstance(value, (int, float)) and value == value else None

    wait_until(lambda: now("cpu_usage") and 0 < now("cpu_usage") <= 1, "the use of processors is known")
    assert 0 <= now("cpu0") <= 1 and now("memory") > 0
    if c.VM.get_VBDs(vm):
        assert now("vbd_xvda_read") is not None, c.VM.get_data_sources(vm)
    if os.geteuid() == 0:
        wait_until(lambda: now("vif_0_tx") is not None, "the use of its NIC is known")


PLUGINS = "/etc/xapi.d/plugins"


def put_plugin(console, name, *lines):
    text = "\\n".join(("#!/bin/sh", *lines)) + "\\n"
    console.run(f"mkdir -p {PLUGINS}; printf '{text}' > {PLUGINS}/{name}; chmod 755 {PLUGINS}/{name}")


def xe(d, *words):
    done = subprocess.run([os.path.join(BUILD, "xe", "xe"), "-s", d.socket, *words], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def plugins_run_in_the_guest(d, c, vm, console):
    call = lambda plugin, fn="f", **args: c.VM.call_plugin(vm, plugin, fn, args)
    put_plugin(console, "echo", 'echo "$1 $XAPI_ARG_one"')
    put_plugin(console, "bad", "echo half", "echo why >&2", "exit 4")
    put_plugin(console, "slow", f"until [ -e {PLUGINS}/end ]; do sleep 1; done")
    assert call("echo", "hello", one="a 'b' $c é") == "hello a 'b' $c é\n"
    assert fails("XENAPI_PLUGIN_FAILURE", call, "bad") == ["non-zero exit", "half\n", "why\n"]
    assert fails("XENAPI_MISSING_PLUGIN", call, "none") == ["none"]
    for name in ("", "../echo", ".x", "a b"):
        assert fails("INVALID_VALUE", call, name) == ["plugin", name]
    assert fails("INVALID_VALUE", c.VM.call_plugin, vm, "echo", "f", {"a=b": "c"}) == ["args", "a=b"]
    assert call("guest-agent-operation", "request-update") == ""
    assert fails("XENAPI_PLUGIN_FAILURE", call, "guest-agent-operation", "fly")[1] == "fly"
    code, out, err = xe(d, "vm-call-plugin", f"vm-uuid={c.VM.get_uuid(vm)}", "plugin=echo", "fn=f", "args:one=1")
    assert (code, out, err) == (0, "f 1\n\n", ""), (code, out, err)
    t = c.call("Async.VM.call_plugin", vm, "slow", "f", {})
    wait_until(lambda: "call_plugin" in c.VM.get_current_operations(vm).values(), "it runs")
    c.task.cancel(t)
    wait_until(lambda: c.task.get_status(t) == "cancelled", "it is given up")
    console.run(f"touch {PLUGINS}/end")
    assert call("echo", "after") == "after \n"


def guests_get_the_addresses_of_their_vifs(c, vm, console):
    vif = c.VM.get_VIFs(vm)[0]
    has = lambda address: address in (metrics(c, vm) or {"networks": {}})["networks"].values()
    configure = c.VIF.configure_ipv4
    for bad in ("10.0.0.1", "10.0.0.1/33", "10.0.0/24", "10.0.0.1/", "10.0.0.1/-1", "fd00::1/64", "", "1.2.3.4/24; reboot"):
        assert fails("INVALID_CIDR_ADDRESS_SPECIFIED", configure, vif, "Static", bad, "") == ["address"]
    assert fails("INVALID_IP_ADDRESS_SPECIFIED", configure, vif, "Static", "10.7.7.7/24", "x") == ["gateway"]
    fails("INVALID_CIDR_ADDRESS_SPECIFIED", c.VIF.configure_ipv6, vif, "Static", "10.7.7.7/24", "")
    fails("INVALID_IP_ADDRESS_SPECIFIED", c.VIF.configure_ipv6, vif, "Static", "fd07::7/64", "10.7.7.1")
    assert c.VIF.get_ipv4_configuration_mode(vif) == "None" and c.VIF.get_ipv4_addresses(vif) == []
    configure(vif, "Static", "10.7.7.7/24", "10.7.7.1")
    c.VIF.configure_ipv6(vif, "Static", "fd07::7/64", "")
    record = c.VIF.get_record(vif)
    assert [record[f"ipv4_{f}"] for f in ("configuration_mode", "addresses", "gateway")] == ["Static", ["10.7.7.7/24"], "10.7.7.1"]
    assert [record[f"ipv6_{f}"] for f in ("configuration_mode", "addresses", "gateway")] == ["Static", ["fd07::7/64"], ""]
    wait_until(lambda: has("10.7.7.7") and has("fd07::7"), "the guest has its addresses")
    assert "default via 10.7.7.1" in console.run("ip route")
    c.VM.clean_reboot(vm)
    wait_until(lambda: console.tick() < 100, "the counter begins anew")
    wait_until(lambda: "10.7.7.7/24" in console.run("ip addr"), "a guest that starts gets them, too", 300)
    configure(vif, "None", "", "")
    c.VIF.configure_ipv6(vif, "None", "", "")
    record = c.VIF.get_record(vif)
    assert [record[f"ipv4_{f}"] for f in ("configuration_mode", "addresses", "gateway")] == ["None", [], ""]


def lifecycle(d, c):
    vm = install(c, "guest")
    c.VM.start(vm, False, False)
    record = c.VM.get_record(vm)
    assert record["power_state"] == "Running" and record["resident_on"] == c.host.get_all()[0]
    assert int(record["domid"]) > 0 and record["current_operations"] == {}
    console = Console(d, c, vm)
    first = console.tick()
    assert console.tick() > first, "the guest's console ticks"
    address = wait_for_address(c, vm)
    socket.inet_pton(socket.AF_INET, address)
    is_watched(c, vm)
    m = metrics(c, vm)
    assert m["live"] and m["PV_drivers_detected"] and m["os_version"].get("name"), m

    plugins_run_in_the_guest(d, c, vm, console)
    log = os.path.join(d.state, "vm", record["uuid"], "console.log")
    for press, heard in ((lambda: c.VM.send_sysrq(vm, "s"), b"sysrq: Emergency Sync"),
                         (lambda: c.VM.send_trigger(vm, "nmi"), b"NMI received")):
        press()
        while heard not in read(log):
            console.tick()  # a guest waits for a console that is not read
    fails("OPERATION_NOT_ALLOWED", c.VM.send_trigger, vm, "s3resume")

    c.VM.pause(vm)
    assert c.VM.get_power_state(vm) == "Paused"
    fails("VM_BAD_POWER_STATE", c.VM.clean_shutdown, vm)
    c.VM.unpause(vm)
    assert console.tick() > first and c.VM.get_power_state(vm) == "Running"

    started = c.VM_metrics.get_start_time(c.VM.get_metrics(vm))
    c.VM.clean_reboot(vm)
    assert c.VM.get_power_state(vm) == "Running" and c.VM.get_domid(vm) == record["domid"]
    assert c.VM_metrics.get_start_time(c.VM.get_metrics(vm)) >= started
    wait_until(lambda: console.tick() < 100, "the counter begins anew")
    wait_for_address(c, vm)
    guests_get_the_addresses_of_their_vifs(c, vm, console)
    c.VM.clean_shutdown(vm)
    assert c.VM.get_power_state(vm) == "Halted" and c.VM.get_consoles(vm) == []
    assert names(c, vm) == ["VM_STARTED", "VM_REBOOTED", "VM_REBOOTED", "VM_SHUTDOWN"], names(c, vm)
    console.close()
    check(d, c, "a clean shutdown")
    return vm


def hard(d, c, vm):
    c.VM.start(vm, True, False)
    assert c.VM.get_power_state(vm) == "Paused"
    c.VM.hard_reboot(vm)
    assert c.VM.get_power_state(vm) == "Running"
    c.VM.hard_shutdown(vm)
    assert c.VM.get_power_state(vm) == "Halted" and d.guest_processes() == []
    check(d, c, "a hard shutdown")


def ticks(text):
    return [int(n) for n in re.findall(rb"^tick (\d+) [\d.]+\r?$", text, re.M)]


def suspend(d, c, vm):
    """The guest's counter goes on from where it was, no tick is lost or said twice, the daemon's end in between."""
    c.VM.start(vm, False, False)
    console = Console(d, c, vm)
    console.tick()
    reader = threading.Thread(target=console.read_to_end)
    reader.start()
    c.VM.suspend(vm)
    reader.join()
    record = c.VM.get_record(vm)
    assert record["power_state"] == "Suspended" and int(record["domid"]) == -1 and record["consoles"] == [], record
    assert all(c.VBD.get_currently_attached(b) for b in record["VBDs"]), "its drives are in use"
    assert c.VDI.get_type(record["suspend_VDI"]) == "suspend" and d.guest_processes() == []
    fails("VM_BAD_POWER_STATE", c.VM.start, vm, False, False)
    check(d, c, "a suspend")

    d.stop()
    d.start()
    c = d.client()
    c.VM.resume(vm, False, False)
    assert c.VM.get_power_state(vm) == "Running" and c.VM.get_suspend_VDI(vm) == "OpaqueRef:NULL"
    log = os.path.join(d.state, "vm", record["uuid"], "console.log")
    wait_until(lambda: len(ticks(read(log))) > 10, "the restored guest ticks")
    seen = ticks(console.text + read(log))
    assert seen == list(range(seen[0], seen[0] + len(seen))), f"ticks are missing: {seen}"
    check(d, c, "a resume")

    c.VM.suspend(vm)
    c.VM.resume(vm, True, False)
    assert c.VM.get_power_state(vm) == "Paused"
    c.VM.unpause(vm)
    c.VM.suspend(vm)
    c.VM.hard_shutdown(vm)
    assert c.VM.get_power_state(vm) == "Halted" and c.VM.get_suspend_VDI(vm) == "OpaqueRef:NULL"
    check(d, c, "the end of a suspended VM")


def suspend_without_room(d, c, vm):
    """The guest goes on, and nothing is left where its memory did not fit."""
    if os.geteuid() != 0:
        return
    with small_folder("16m") as folder:
        sr = c.SR.create(c.host.get_all()[0], {"location": folder}, 0, "small", "", "file", "user", False, {})
        c.VM.set_suspend_SR(vm, sr)
        c.VM.start(vm, False, False)
        console = Console(d, c, vm)
        console.tick()
        fails("SR_BACKEND_FAILURE_44", c.VM.suspend, vm)
        assert c.VM.get_power_state(vm) == "Running"
        console.tick()
        console.close()
        assert [n for n in os.listdir(folder) if n.endswith(".qcow2")] == [] and c.SR.get_VDIs(sr) == []
        check(d, c, "a suspend without room")
        c.VM.set_suspend_SR(vm, "OpaqueRef:NULL")
        c.VM.suspend(vm)
        c.VM.hard_shutdown(vm)
        for pbd in c.SR.get_PBDs(sr):
            c.PBD.unplug(pbd)
        c.SR.forget(sr)


def panics(d, c, vm):
    """Its memory is kept as a core file, in which the kernel's version is found; then it stands still for good."""
    c.VM.set_actions_after_crash(vm, "coredump_and_destroy")
    c.VM.start(vm, False, False)
    console = Console(d, c, vm)
    wait_for_address(c, vm)  # by then its drivers are loaded
    console.socket.sendall(b"crash\n")
    wait_until(lambda: c.VM.get_power_state(vm) == "Halted", "the crash is settled")
    console.close()
    dump, = c.VM.get_crash_dumps(vm)
    vdi = c.VDI.get_record(c.crashdump.get_VDI(dump))
    image = os.path.join(d.state, "sr", c.SR.get_uuid(vdi["SR"]), vdi["location"])
    core = os.path.join(d.directory, "core")
    subprocess.run(["qemu-img", "convert", "-O", "raw", image, core], check=True)
    text = read(core)
    assert text[:4] == b"\x7fELF" and len(text) > int(c.VM.get_memory_static_max(vm)), text[:16]
    assert b"Linux version " in text and b"Kernel panic" in text, "it is the memory of a kernel that panicked"
    c.crashdump.destroy(dump)
    check(d, c, "a core dump")

    c.VM.set_actions_after_crash(vm, "preserve")
    c.VM.start(vm, False, False)
    console = Console(d, c, vm)
    wait_for_address(c, vm)  # by then its drivers are loaded
    console.socket.sendall(b"crash\n")
    wait_until(lambda: c.VM.get_power_state(vm) == "Paused", "the guest is kept")
    console.close()
    d.stop()
    d.start()
    c = d.client()
    assert c.VM.get_power_state(vm) == "Paused" and names(c, vm)[-1] == "VM_CRASHED"
    c.VM.hard_reboot(vm)
    console = Console(d, c, vm)
    console.tick()
    console.close()
    c.VM.set_actions_after_crash(vm, "restart")
    c.VM.hard_shutdown(vm)
    check(d, c, "a guest that was kept")


def read(path):
    with open(path, "rb") as f:
        return f.read()


def killed(d, c, vm):
    """QEMU ends: the VM is halted, whatever its restart settings say."""
    c.VM.start(vm, False, False)
    pid, = d.guest_processes()
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: c.VM.get_power_state(vm) == "Halted", "the VM of a killed QEMU is halted")
    assert "VM_CRASHED" in names(c, vm)
    check(d, c, "a killed QEMU")
    fails("DOMAIN_EXISTS", power_state_reset_while_up, c, vm)
    c.VM.hard_shutdown(vm)
    c.VM.power_state_reset(vm)


def power_state_reset_while_up(c, vm):
    c.VM.start(vm, False, False)
    c.VM.power_state_reset(vm)


def clone_and_destroy(d, c, vm):
    copy = c.VM.clone(vm, "copy")
    assert not c.VM.get_is_a_template(copy)
    c.VM.start(copy, False, False)
    c.VM.start(vm, False, False)
    one, two = wait_for_address(c, vm), wait_for_address(c, copy)
    if "user" not in d.options and os.geteuid() == 0:
        print(f"addresses {one} and {two}")
    c.VM.clean_shutdown(copy)
    c.VM.clean_shutdown(vm)
    disks = [c.VBD.get_VDI(b) for b in c.VM.get_VBDs(copy)]
    c.VM.destroy(copy)
    for vdi in disks:
        c.VDI.destroy(vdi)
    check(d, c, "the end of a clone")


def main():
    with Daemon("qemu", options=["--demo-guest", demo_guest.folder()]) as d:
        c = d.client()
        vm = lifecycle(d, c)
        print("ok lifecycle")
        for test in (hard, panics, suspend, suspend_without_room, killed, clone_and_destroy):
            test(d, d.client(), vm)
            print(f"ok {test.__name__}", flush=True)


if __name__ == "__main__":
    main()
