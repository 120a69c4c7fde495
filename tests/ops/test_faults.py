#!/usr/bin/env python3
"""Each operation with its first, second, third … step failing, until none is left to fail: nothing remains of what
failed, and the same call then succeeds. And the same with the daemon dying at each step."""

import os
import signal
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed

import demo_guest
from daemon import (Client, Daemon, Failure, Lost, add_disk, default_sr, make_vdi, make_vm, template, vbd, vif,
                    wait_until)
from invariants import check

SANITIZED = os.environ.get("XAPID_SANITIZED") == "yes"
STEP = 128 << 20  # of memory that comes while a guest runs
DEMO_MEMORY = 256 << 20
KINDS = ("qmp+storage+network+db", "wait", "cancel")


class Faults:
    """Arms the daemon's n-th fault point (xapid/host/faults.h)."""

    def __init__(self, d):
        self.d = d

    def signal(self, text):
        """Arm; whether the one before fired. None: the daemon has died of it."""
        fired = os.path.join(self.d.state, "fault.fired")
        with open(os.path.join(self.d.state, "fault"), "w") as f:
            f.write(text)
        if os.path.exists(fired):
            os.unlink(fired)
        self.d.process.send_signal(signal.SIGUSR1)
        wait_until(lambda: os.path.exists(fired) or self.d.process.poll() is not None, "the fault is armed")
        if not os.path.exists(fired):
            return None
        with open(fired) as f:
            return f.read().strip() == "1"


def count(c, name):
    return len(c.VM.get_by_name_label(name))


def power(c, vm):
    return c.VM.get_power_state(vm)


def running(c, name):
    vm = make_vm(c, name)
    c.VM.start(vm, False, False)
    return vm


def vdi_named(c, name):
    return c.VDI.get_by_name_label(name)[0]


def drive(c, name, full):
    """The CD drive of a guest that is up, and a disk to lay into it."""
    vm, medium = make_vm(c, name), make_vdi(c, f"{name} medium")
    cd = c.VBD.create(vbd(vm, medium if full else "OpaqueRef:NULL", device="3", type="CD", mode="RO", empty=not full))
    c.VM.start(vm, False, False)
    return cd


def disk(c, name, plugged):
    """A disk for a guest that is up, or of one."""
    vm = running(c, name)
    b = add_disk(c, vm, make_vdi(c, f"{name} disk"))
    if plugged:
        c.VM.hard_shutdown(vm)
        c.VM.start(vm, False, False)
    return b


def nic(c, name, plugged):
    vm = running(c, name)
    v = c.VIF.create(vif(c, vm, "1"))
    if plugged:
        c.VM.hard_shutdown(vm)
        c.VM.start(vm, False, False)
    return v


def picture(c, name):
    """A snapshot of a disk that has grown since."""
    vdi = make_vdi(c, name)
    snapshot = c.VDI.snapshot(vdi)
    c.VDI.resize(vdi, 32 << 20)
    return snapshot


def other_network(c):
    found = c.network.get_by_name_label("other")
    return found[0] if found else c.network.create({"name_label": "other", "name_description": "", "other_config": {}})


def running_small(c, name):
    """Of two processors it has one, of 64 MiB it has 48."""
    vm = make_vm(c, name, memory=64 << 20)
    c.VM.set_memory_dynamic_range(vm, 32 << 20, 48 << 20)
    c.VM.set_VCPUs_max(vm, 2)
    c.VM.set_VCPUs_at_startup(vm, 1)
    c.VM.start(vm, False, False)
    return vm


def start_demo(c, vm):
    c.VM.set_memory(vm, DEMO_MEMORY)
    c.VM.start(vm, False, False)
    wait_until(lambda: demo_guest.metrics(c, vm), "its agent answers", 300)


def grows(c, name):
    """A VM whose guest is to be given more, and what it has then. A real guest has to boot before it takes any, so the
    tries share one while it has slots."""
    if not c.VM.get_by_name_label("Demo guest"):
        vm = running(c, name)
    elif found := c.VM.get_by_name_label("grows"):
        vm, = found
        if int(c.VM.get_memory_static_max(vm)) > DEMO_MEMORY + 24 * STEP:
            c.VM.hard_shutdown(vm)
            start_demo(c, vm)
    else:
        vm = c.VM.clone(template(c, "Demo guest"), "grows")
        c.VM.provision(vm)
        c.VM.add_to_platform(vm, "memory-hotplug", "true")
        start_demo(c, vm)
    return vm, int(c.VM.get_memory_static_max(vm)) + STEP


def squeezed(c, name):
    """A VM that only has room when a guest that holds most of the host gives memory back."""
    other, most = make_vm(c, f"{name} s"), 1 << 40
    c.VM.set_memory_limits(other, 0, most, 64 << 20, most)
    c.VM.start(other, False, False)
    return make_vm(c, name)


def vcpus(c, vm):
    return int(c.VM_metrics.get_VCPUs_number(c.VM.get_metrics(vm)))


def suspended(c, name):
    vm = running(c, name)
    c.VM.suspend(vm)
    return vm


def operations(c, number):
    """Name: (prepare, run, is it done?). Names of objects carry the number, so that each try is told apart."""
    n = f"try {number}"
    return {
        "VM.start": (lambda: make_vm(c, n), lambda vm: c.VM.start(vm, False, False),
                     lambda vm: power(c, vm) == "Running"),
        "VM.start squeezing": (lambda: squeezed(c, n), lambda vm: c.VM.start(vm, False, False),
                               lambda vm: power(c, vm) == "Running"),
        "VM.start paused": (lambda: make_vm(c, n), lambda vm: c.VM.start(vm, True, False),
                            lambda vm: power(c, vm) == "Paused"),
        "VM.hard_shutdown": (lambda: running(c, n), c.VM.hard_shutdown, lambda vm: power(c, vm) == "Halted"),
        "VM.clean_shutdown": (lambda: running(c, n), c.VM.clean_shutdown, lambda vm: power(c, vm) == "Halted"),
        "VM.pause": (lambda: running(c, n), c.VM.pause, lambda vm: power(c, vm) == "Paused"),
        "VBD.insert": (lambda: drive(c, n, False), lambda b: c.VBD.insert(b, vdi_named(c, f"{n} medium")),
                       lambda b: not c.VBD.get_empty(b)),
        "VBD.eject": (lambda: drive(c, n, True), c.VBD.eject, c.VBD.get_empty),
        "VBD.plug": (lambda: disk(c, n, False), c.VBD.plug, c.VBD.get_currently_attached),
        "VBD.unplug": (lambda: disk(c, n, True), c.VBD.unplug, lambda b: not c.VBD.get_currently_attached(b)),
        "VIF.plug": (lambda: nic(c, n, False), c.VIF.plug, c.VIF.get_currently_attached),
        "VIF.unplug": (lambda: nic(c, n, True), c.VIF.unplug, lambda v: not c.VIF.get_currently_attached(v)),
        "VIF.move": (lambda: nic(c, n, True), lambda v: c.VIF.move(v, other_network(c)),
                     lambda v: c.VIF.get_network(v) == other_network(c)),
        "VM.set_VCPUs_number_live": (lambda: running_small(c, n), lambda vm: c.VM.set_VCPUs_number_live(vm, 2),
                                     lambda vm: vcpus(c, vm) == 2),
        "VM.add_to_VCPUs_params_live": (lambda: running_small(c, n),
                                        lambda vm: c.VM.add_to_VCPUs_params_live(vm, "weight", "9"),
                                        lambda vm: c.VM.get_VCPUs_params(vm) == {"weight": "9"}),
        "VM.set_memory_dynamic_range": (lambda: running_small(c, n),
                                        lambda vm: c.VM.set_memory_dynamic_range(vm, 16 << 20, 32 << 20),
                                        lambda vm: int(c.VM.get_memory_target(vm)) == 32 << 20),
        "VM.set_memory_static_max": (lambda: grows(c, n), lambda g: c.VM.set_memory_static_max(*g),
                                     lambda g: int(c.VM.get_memory_static_max(g[0])) == g[1]),
        "VM.suspend": (lambda: running(c, n), c.VM.suspend, lambda vm: power(c, vm) == "Suspended"),
        "VM.resume": (lambda: suspended(c, n), lambda vm: c.VM.resume(vm, False, False),
                      lambda vm: power(c, vm) == "Running"),
        "VM.hard_shutdown suspended": (lambda: suspended(c, n), c.VM.hard_shutdown,
                                       lambda vm: power(c, vm) == "Halted"),
        "VDI.resize_online": (lambda: c.VBD.get_VDI(disk(c, n, True)), lambda v: c.VDI.resize_online(v, 32 << 20),
                              lambda v: int(c.VDI.get_virtual_size(v)) == 32 << 20),
        "VM.clone": (lambda: make_vm(c, n, disks=2), lambda vm: c.VM.clone(vm, f"{n} c"),
                     lambda vm: count(c, f"{n} c") == 1),
        "VM.clone suspended": (lambda: suspended(c, n), lambda vm: c.VM.clone(vm, f"{n} c"),
                               lambda vm: count(c, f"{n} c") == 1),
        "VM.snapshot": (lambda: make_vm(c, n, disks=2), lambda vm: c.VM.snapshot(vm, f"{n} s"),
                        lambda vm: count(c, f"{n} s") == 1),
        "VM.snapshot running": (lambda: running(c, n), lambda vm: c.VM.snapshot(vm, f"{n} s"),
                                lambda vm: count(c, f"{n} s") == 1 and power(c, vm) == "Running"),
        "VM.checkpoint": (lambda: running(c, n), lambda vm: c.VM.checkpoint(vm, f"{n} s"),
                          lambda vm: count(c, f"{n} s") == 1 and power(c, vm) == "Running"),
        "VM.revert": (lambda: c.VM.checkpoint(running(c, n), f"{n} s"), c.VM.revert,
                      lambda s: power(c, c.VM.get_snapshot_of(s)) == "Suspended"),
        "VM.copy": (lambda: make_vm(c, n), lambda vm: c.VM.copy(vm, f"{n} c", "OpaqueRef:NULL"),
                    lambda vm: count(c, f"{n} c") == 1),
        "VM.destroy": (lambda: make_vm(c, n), c.VM.destroy, lambda vm: count(c, n) == 0),
        "VM.provision": (lambda: c.VM.clone(template(c, "Debian Bookworm 12"), n), c.VM.provision,
                         lambda vm: not c.VM.get_is_a_template(vm)),
        "VDI.create": (lambda: None, lambda _: make_vdi(c, n), lambda _: len(c.VDI.get_by_name_label(n)) == 1),
        "VDI.destroy": (lambda: make_vdi(c, n), c.VDI.destroy, lambda _: c.VDI.get_by_name_label(n) == []),
        "VDI.clone": (lambda: make_vdi(c, n), c.VDI.clone, lambda _: len(c.VDI.get_by_name_label(n)) == 2),
        "VDI.copy": (lambda: make_vdi(c, n), lambda v: c.VDI.copy(v, default_sr(c)),
                     lambda _: len(c.VDI.get_by_name_label(n)) == 2),
        "VDI.revert": (lambda: picture(c, n), c.VDI.revert,
                       lambda s: int(c.VDI.get_virtual_size(c.VDI.get_snapshot_of(s))) == 16 << 20),
        "VDI.resize": (lambda: make_vdi(c, n), lambda v: c.VDI.resize(v, 32 << 20),
                       lambda v: int(c.VDI.get_virtual_size(v)) == 32 << 20),
    }


# What these do cannot be taken back: when only the record of it fails, the record follows.
FINAL = ("VM.revert", "VM.hard_shutdown", "VM.hard_shutdown suspended", "VM.clean_shutdown", "VM.pause", "VDI.destroy")


def attempt(run, context):
    """"done", "failed", or "unknown" when the answer was lost."""
    try:
        run(context)
        return "done"
    except Failure:
        return "failed"
    except Lost:
        return "unknown"


def tidy(c, number):
    """Remove what a try made, so that the host does not fill up."""
    for name in (f"try {number}", f"try {number} c", f"try {number} s"):
        for vm in c.VM.get_by_name_label(name):
            if power(c, vm) != "Halted":
                c.VM.hard_shutdown(vm)
            c.VM.destroy(vm)
    for vdi, r in c.VDI.get_all_records().items():
        if r["name_label"].startswith(f"try {number}"):
            c.VDI.destroy(vdi)


def sweep(d, name, kinds, numbers):
    faults, c, fired, point = Faults(d), d.client(), True, 0
    while fired:
        point, number = point + 1, next(numbers)
        prepare, run, is_done = operations(c, number)[name]
        context = prepare()
        faults.signal(f"{kinds}:{point}")
        result = attempt(run, context)
        fired = faults.signal("")
        what = f"{name} with {kinds} fault {point} ({result})"
        check(d, c, what, on_disk=False)
        done = is_done(context)
        certain = result == "done" or (result == "failed" and name not in FINAL)
        assert not certain or done == (result == "done"), f"{what}: its effect is there: {done}"
        assert fired or result == "done", f"{what}: failed without a fault"
        if not done:
            assert attempt(run, context) == "done", f"{what}: trying again fails"
            assert is_done(context), what
        check(d, c, f"{what}, tried again", on_disk=not fired)
        tidy(c, number)
    return point - 1


def sweep_deaths(d, name, numbers):
    """The daemon dies at each point instead; the next one mends what it left."""
    point, died = 0, True
    while died:
        point, number = point + 1, next(numbers)
        c = d.client()
        prepare, run, is_done = operations(c, number)[name]
        context = prepare()
        Faults(d).signal(f"qmp+storage+network+db:{point}:kill")
        result = attempt(run, context)
        died = result == "unknown" or Faults(d).signal("") is None  # what goes on behind an answer has points, too
        if died:
            d.process.wait()
            d.start()
        c = d.client()
        prepare, run, is_done = operations(c, number)[name]
        what = f"{name} with a death at point {point} ({result})"
        check(d, c, what)
        assert (died and result != "done") or is_done(context), what
        if not is_done(context):
            assert attempt(run, context) == "done", f"{what}: trying again fails"
        check(d, c, f"{what}, tried again", on_disk=False)
        tidy(c, number)
    return point - 1


def numbers_from(n):
    while True:
        yield n
        n += 1


def sweep_operation(hypervisor, name):
    """On a daemon of its own. What was swept, as lines."""
    numbers, swept = numbers_from(1), []
    demo = ["--demo-guest", demo_guest.folder()] if (hypervisor, name) == ("qemu", "VM.set_memory_static_max") else []
    with Daemon(hypervisor, options=["--fault-at", "control", *demo]) as d:
        for kinds in KINDS:
            swept.append(f"ok {name} on {hypervisor}: {sweep(d, name, kinds, numbers)} points of {kinds}")
        if not SANITIZED:  # what dies frees nothing, and what mends is swept by the ordinary build
            swept.append(f"ok {name} on {hypervisor}: {sweep_deaths(d, name, numbers)} deaths")
    return swept


WITH_QEMU = ("VM.start", "VM.start paused", "VM.hard_shutdown", "VM.pause", "VBD.insert", "VBD.eject", "VBD.plug",
             "VIF.plug", "VM.set_memory_static_max", "VM.suspend", "VM.resume", "VM.snapshot running")


def main():
    wanted = sys.argv[1:]
    sweeps = [("sim", name) for name in wanted or operations(Client("no daemon"), 0)]
    if not SANITIZED:  # the ways are the same; the ordinary build sweeps real guests
        sweeps += [("qemu", name) for name in wanted or WITH_QEMU]
    # A sweep waits for disks and for daemons that come up; several at once are done in the time of the longest.
    with ProcessPoolExecutor(max_workers=4) as pool:
        for swept in as_completed([pool.submit(sweep_operation, *s) for s in sweeps]):
            print(*swept.result(), sep="\n", flush=True)


if __name__ == "__main__":
    main()
