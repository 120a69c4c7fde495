#!/usr/bin/env python3
"""A VM that runs is given more memory than it began with: memory_static_max goes up, and the guest has it."""

import os
import tempfile
from concurrent.futures import ThreadPoolExecutor

import demo_guest
from daemon import Daemon, Failure, fails, make_vm, template, wait_until
from demo_guest import Console
from invariants import check
from pool import Pool

MIB = 1 << 20
TOTAL = 4096 * MIB  # of a simulated host, an eighth of which is its own


def script(folder, *lines):
    path = os.path.join(folder, "script")
    with open(path, "w") as f:
        f.write("\n".join((f"host memory={TOTAL // MIB}MiB", *lines)) + "\n")
    return ["--sim-script", path]


def limits(c, vm):
    """MiB: static_max, dynamic_max, target, actual."""
    r = c.VM.get_record(vm)
    actual = c.VM_metrics.get_memory_actual(c.VM.get_metrics(vm))
    return [int(r[f"memory_{f}"]) // MIB for f in ("static_max", "dynamic_max", "target")] + [int(actual) // MIB]


def grow(c, vm, least, most):
    c.VM.set_memory_limits(vm, 0, most * MIB, least * MIB, most * MIB)


def started(c, name, memory):
    vm = make_vm(c, name, disks=0, nics=0, memory=memory * MIB)
    c.VM.start(vm, False, False)
    return vm


def remove(c, *vms):
    for vm in vms:
        if c.VM.get_power_state(vm) != "Halted":
            c.VM.hard_shutdown(vm)
        c.VM.destroy(vm)


# ---- simulated ----

def free(c):
    return int(c.host.compute_free_memory(c.host.get_all()[0]))


def taken(c, vm):
    return int(c.VM.get_memory_target(vm)) + int(c.VM.compute_memory_overhead(vm))


def upwards(c):
    a = started(c, "a", 512)
    left = free(c)
    c.VM.set_memory_static_max(a, 1024 * MIB)
    assert limits(c, a) == [1024, 512, 512, 512], limits(c, a)
    assert left - free(c) == 4 * MIB, "page tables of what it may have are counted"
    c.VM.set_memory_dynamic_range(a, 512 * MIB, 1024 * MIB)
    assert limits(c, a) == [1024, 1024, 1024, 1024], limits(c, a)
    c.VM.set_memory_static_range(a, 0, 1152 * MIB)
    grow(c, a, 2048, 2048)
    assert limits(c, a) == [2048, 2048, 2048, 2048], limits(c, a)
    assert free(c) == TOTAL * 7 // 8 - taken(c, a)
    c.VM.set_memory(a, 2176 * MIB)
    assert limits(c, a) == [2176, 2176, 2176, 2176], limits(c, a)
    c.VM.hard_shutdown(a)
    c.VM.start(a, False, False)
    assert limits(c, a) == [2176, 2176, 2176, 2176], limits(c, a)
    remove(c, a)


def refusals(c):
    a = started(c, "a", 512)
    before = limits(c, a)
    wanted, now = fails("VM_BAD_POWER_STATE", c.VM.set_memory_static_max, a, 256 * MIB)[1:]
    assert (wanted, now) == ("halted", "running")
    name, text = fails("INVALID_VALUE", c.VM.set_memory_static_max, a, 513 * MIB)
    assert name == "memory_static_max" and str(128 * MIB) in text, text
    needed, available = fails("HOST_NOT_ENOUGH_FREE_MEMORY", grow, c, a, 8192, 8192)
    assert int(needed) == (7680 + 60) * MIB and int(available) == free(c), (needed, available)
    c.VM.pause(a)
    fails("VM_BAD_POWER_STATE", c.VM.set_memory_static_max, a, 1024 * MIB)
    c.VM.unpause(a)
    assert limits(c, a) == before
    remove(c, a)


def squeezed(c):
    """What was added is shared like the rest."""
    a = started(c, "a", 512)
    grow(c, a, 512, 3072)
    assert limits(c, a)[:3] == [3072, 3072, 3072]
    b = started(c, "b", 1024)
    assert 2048 < limits(c, a)[2] < 2560 and limits(c, b)[3] == 1024
    remove(c, b)
    wait_until(lambda: limits(c, a)[2:] == [3072, 3072], "it has its memory back")
    remove(c, a)


def attempt(d, vm, memory):
    try:
        grow(d.client(), vm, memory, memory)
        return True
    except Failure as f:
        assert f.code == "HOST_NOT_ENOUGH_FREE_MEMORY", f
        return False


def at_once(d, c):
    """What one is being given is not promised to another."""
    vms = [started(c, f"at once {i}", 512) for i in range(3)]
    with ThreadPoolExecutor(3) as pool:
        assert sum(pool.map(lambda vm: attempt(d, vm, 1920), vms)) == 1
    remove(c, *vms)


def simulated():
    with tempfile.TemporaryDirectory() as folder, \
            Daemon(options=script(folder, "grow delay=100ms fail=1")) as d:
        c = d.client()
        a = started(c, "a", 512)
        fails("INTERNAL_ERROR", grow, c, a, 1024, 1024)
        assert limits(c, a) == [512, 512, 512, 512] and free(c) == TOTAL * 7 // 8 - taken(c, a)
        grow(c, a, 1024, 1024)
        remove(c, a)
        upwards(c)
        refusals(c)
        squeezed(c)
        at_once(d, c)
        check(d, c, "memory was added")


def has_grown(d, c, vm, memory):
    with open(os.path.join(d.state, "sim")) as f:
        return f"m {c.VM.get_uuid(vm)} {memory * MIB}\n" in f.read()


def killed():
    """A daemon that dies before the guest has more leaves it so; one that dies before it is recorded, likewise."""
    for slow, grown in (("grow delay=60s", False), ("memory delay=60s", True)):
        with tempfile.TemporaryDirectory() as folder, Daemon(options=script(folder, slow)) as d:
            c = d.client()
            vm = started(c, "vm", 512)
            task = c.Async.VM.set_memory_limits(vm, 0, 1024 * MIB, 512 * MIB, 512 * MIB)
            wait_until(lambda: c.VM.get_current_operations(vm) and (not grown or has_grown(d, c, vm, 1024)),
                       "it is given")
            assert c.task.get_status(task) == "pending" and limits(c, vm)[0] == 512
            d.kill()
            os.remove(os.path.join(folder, "script"))
            script(folder)
            d.start()
            c = d.client()
            assert limits(c, vm) == [1024 if grown else 512, 512, 512, 512], limits(c, vm)
            assert c.VM.get_power_state(vm) == "Running"
            grow(c, vm, 1152, 1152)
            assert limits(c, vm) == [1152, 1152, 1152, 1152], limits(c, vm)
            c.VM.suspend(vm)
            c.VM.resume(vm, False, False)
            check(d, c, "a death while memory was added")
            remove(c, vm)


def elsewhere():
    """On a host that is not the coordinator, and on its way to another."""
    with tempfile.TemporaryDirectory() as folder, Pool(2, "sim", script(folder)) as hosts:
        c = hosts[0].client()
        here, there = (host.me(c) for host in hosts)
        vm = make_vm(c, "vm", disks=0, nics=0, memory=512 * MIB)
        c.VM.start_on(vm, there, False, False)
        grow(c, vm, 512, 1024)
        assert limits(c, vm)[:3] == [1024, 1024, 1024], limits(c, vm)
        c.VM.wait_memory_target_live(vm)  # the other host tells in its own time
        assert limits(c, vm)[3] == 1024, limits(c, vm)
        c.VM.pool_migrate(vm, here, {"live": "true"})
        grow(c, vm, 512, 1280)
        assert limits(c, vm)[0] == 1280 and c.VM.get_resident_on(vm) == here
        remove(c, vm)


# ---- real ----

def total(console):
    return int(console.run("cat /proc/meminfo").split("MemTotal:")[1].split()[0]) // 1024


def make(c):
    vm = c.VM.clone(template(c, "Demo guest"), "grows")
    c.VM.provision(vm)
    c.VM.set_memory(vm, 256 * MIB)
    return vm


def without_room(c, vm):
    """A small guest has none by itself, and is told so."""
    c.VM.start(vm, False, False)
    text, = fails("OPERATION_NOT_ALLOWED", c.VM.set_memory_static_max, vm, 512 * MIB)
    assert "memory-hotplug" in text, text
    assert limits(c, vm)[:3] == [256, 256, 256]
    c.VM.hard_shutdown(vm)


def real():
    """Suspended, found again by the next daemon, rebooted and started anew: it has what it was given."""
    with Daemon("qemu", options=["--demo-guest", demo_guest.folder()]) as d:
        c = d.client()
        vm = make(c)
        without_room(c, vm)
        c.VM.add_to_platform(vm, "memory-hotplug", "true")
        c.VM.start(vm, False, False)
        wait_until(lambda: demo_guest.metrics(c, vm), "its agent answers", 300)
        console = Console(d, c, vm)
        begun = total(console)
        c.VM.set_memory_static_max(vm, 384 * MIB)  # a block that its balloon takes again
        c.VM.wait_memory_target_live(vm)
        assert limits(c, vm) == [384, 256, 256, 256] and abs(total(console) - begun) < 8, total(console)
        grow(c, vm, 256, 640)
        c.VM.wait_memory_target_live(vm)
        wait_until(lambda: abs(total(console) - begun - 384) < 16, "it has all of it")
        assert limits(c, vm) == [640, 640, 640, 640], limits(c, vm)
        console.close()
        back_to_a_checkpoint(d, c, vm, begun)
        c.VM.suspend(vm)
        c.VM.resume(vm, False, False)
        console = Console(d, c, vm)
        assert abs(total(console) - begun - 384) < 16, total(console)
        d.kill()
        console.close()
        d.start()
        c = d.client()
        assert limits(c, vm)[:3] == [640, 640, 640], limits(c, vm)
        grow(c, vm, 256, 768)
        console = Console(d, c, vm)
        wait_until(lambda: abs(total(console) - begun - 512) < 20, "it has a third block")
        c.VM.clean_reboot(vm)
        wait_until(lambda: demo_guest.metrics(c, vm), "the agent of the rebooted guest answers", 300)
        wait_until(lambda: abs(total(console) - begun - 512) < 20, "the rebooted guest has what it had", 120)
        console.close()
        c.VM.hard_shutdown(vm)
        c.VM.start(vm, False, False)
        console = Console(d, c, vm)
        assert total(console) > begun + 512 - 32 and limits(c, vm)[0] == 768
        console.close()
        remove(c, vm)
        check(d, c, "memory was added")


def back_to_a_checkpoint(d, c, vm, begun):
    """Of a machine that had grown: it goes on with what it had then, however much it had been given since."""
    console = Console(d, c, vm)
    console.run("echo kept > /kept")
    checkpoint = c.VM.checkpoint(vm, "has grown")
    had = limits(c, vm)[0]
    grow(c, vm, 256, had + 128)
    wait_until(lambda: abs(total(console) - begun - had - 128 + 256) < 24, "it has another block")
    console.run("echo lost > /kept")
    console.close()
    c.VM.revert(checkpoint)
    assert c.VM.get_power_state(vm) == "Suspended" and limits(c, vm)[:2] == [had] * 2, limits(c, vm)
    c.VM.resume(vm, False, False)
    console = Console(d, c, vm)
    said = console.run("cat /kept")
    assert said == "kept", said
    assert abs(total(console) - begun - had + 256) < 24 and limits(c, vm)[:3] == [had] * 3, limits(c, vm)
    console.close()
    remove(c, checkpoint)


def moved():
    """A guest that has grown goes to another host, and grows on."""
    with Pool(2, "qemu", ["--demo-guest", demo_guest.folder()]) as hosts:
        c = hosts[0].client()
        vm = make(c)
        for ref in c.VM.get_VBDs(vm):
            c.VDI.destroy(c.VBD.get_VDI(ref))
        c.VM.add_to_platform(vm, "memory-hotplug", "true")
        c.VM.start_on(vm, hosts[0].me(c), False, False)
        wait_until(lambda: demo_guest.metrics(c, vm), "its agent answers", 300)
        grow(c, vm, 256, 512)
        console = Console(hosts[0], c, vm)
        begun = total(console)
        console.close()
        c.VM.pool_migrate(vm, hosts[1].me(c), {"live": "true"})
        assert c.VM.get_resident_on(vm) == hosts[1].me(c)
        grow(c, vm, 256, 640)
        console = Console(hosts[1], c, vm)
        wait_until(lambda: abs(total(console) - begun - 128) < 16, "it has more at the other host")
        console.close()
        c.VM.hard_shutdown(vm)


def main():
    simulated()
    killed()
    elsewhere()
    real()
    moved()


main()
