#!/usr/bin/env python3
"""Guests with a dynamic range make room for those that start, resume or arrive, and get it back."""

import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

from daemon import Daemon, Failure, fails, make_vm, wait_until
from invariants import check
from pool import Pool

MIB = 1 << 20
TOTAL = 4096 * MIB  # of a host, an eighth of which is its own


def script(folder, *lines):
    path = os.path.join(folder, "script")
    with open(path, "w") as f:
        f.write("\n".join((f"host memory={TOTAL // MIB}MiB", *lines)) + "\n")
    return ["--sim-script", path]


def vm_of(c, name, least, most):
    """A VM with a dynamic range, in MiB."""
    vm = make_vm(c, name, disks=0, nics=0)
    c.VM.set_memory_limits(vm, 0, most * MIB, least * MIB, most * MIB)
    return vm


def started(c, name, least, most):
    vm = vm_of(c, name, least, most)
    c.VM.start(vm, False, False)
    return vm


def target(c, vm):
    return int(c.VM.get_memory_target(vm)) // MIB


def overhead(c, *vms):
    return sum(int(c.VM.compute_memory_overhead(vm)) for vm in vms)


def free(c, host=None):
    return int(c.host.compute_free_memory(host or c.host.get_all()[0]))


def share(c, vm):
    r = c.VM.get_record(vm)
    least, most, now = (int(r[f"memory_{f}"]) for f in ("dynamic_min", "dynamic_max", "target"))
    return (now - least) / (most - least)


def fits(c, host=None):
    """No more is promised than there is."""
    up = [vm for vm, r in c.VM.get_all_records().items() if not r["is_control_domain"]
          and r["power_state"] in ("Running", "Paused") and host in (None, r["resident_on"])]
    held = sum(max(int(c.VM.get_memory_target(vm)), int(c.VM_metrics.get_memory_actual(c.VM.get_metrics(vm))))
               for vm in up)
    assert held + overhead(c, *up) <= TOTAL * 7 // 8, (held, overhead(c, *up))


def remove(c, *vms):
    for vm in vms:
        if c.VM.get_power_state(vm) != "Halted":
            c.VM.hard_shutdown(vm)
        c.VM.destroy(vm)


def room_and_back(c):
    a = started(c, "a", 512, 3072)
    assert target(c, a) == 3072 and free(c) == TOTAL * 7 // 8 - 512 * MIB - overhead(c, a)
    b = started(c, "b", 1024, 1024)
    assert target(c, b) == 1024 and 2300 < target(c, a) < 2560, target(c, a)
    fits(c)
    c.VM.suspend(b)
    wait_until(lambda: target(c, a) == 3072, "a has its memory back")
    c.VM.resume(b, False, False)
    assert target(c, b) == 1024 and target(c, a) < 2560
    fits(c)
    c.VM.set_memory_dynamic_range(a, 512 * MIB, 1024 * MIB)
    assert target(c, a) == 1024
    c.VM.set_memory_dynamic_range(a, 512 * MIB, 3072 * MIB)
    wait_until(lambda: 2300 < target(c, a) < 2560, "a has all that is left")
    c.VM.hard_shutdown(b)
    wait_until(lambda: target(c, a) == 3072, "a has its memory back")
    remove(c, a, b)


def in_proportion(c):
    a, b = started(c, "a", 512, 2048), started(c, "b", 1024, 2048)
    d = started(c, "d", 256, 1024)
    assert 256 < target(c, d) < 1024, "it begins with what there is"
    shares = [share(c, vm) for vm in (a, b, d)]
    assert max(shares) - min(shares) < 0.01, shares
    fits(c)
    remove(c, b)
    wait_until(lambda: target(c, a) == 2048 and target(c, d) == 1024, "the others have all of theirs")
    remove(c, a, d)


def too_much(c):
    a = started(c, "a", 2048, 3072)
    b = vm_of(c, "b", 1536, 2048)
    needed, available = fails("HOST_NOT_ENOUGH_FREE_MEMORY", c.VM.start, b, False, False)
    assert int(needed) == 1536 * MIB + overhead(c, b) and int(available) == free(c)
    assert target(c, a) == 3072 and target(c, b) == 0
    c.VM.pause(a)
    small = vm_of(c, "small", 512, 512)
    fails("HOST_NOT_ENOUGH_FREE_MEMORY", c.VM.start, small, False, False)  # one that stands still cannot shrink
    c.VM.unpause(a)
    c.VM.start(small, False, False)
    remove(c, a, b, small)


def attempt(d, vm):
    try:
        d.client().VM.start(vm, False, False)
        return True
    except Failure as f:
        assert f.code == "HOST_NOT_ENOUGH_FREE_MEMORY", f
        return False


def at_once(d, c, memory, expected):
    a, vms = started(c, "a", 512, 3072), [vm_of(c, f"at once {i}", memory, memory) for i in range(3)]
    with ThreadPoolExecutor(3) as pool:
        up = sum(pool.map(lambda vm: attempt(d, vm), vms))
    assert up == expected, up
    fits(c)
    remove(c, *vms)
    wait_until(lambda: target(c, a) == 3072, "a has its memory back")
    remove(c, a)


def kills(d, c):
    """Whatever was broken off, the next look puts right."""
    a, b = started(c, "a", 512, 3072), vm_of(c, "b", 1024, 1024)
    c.Async.VM.start(b, False, False)
    wait_until(lambda: target(c, a) < 3072, "a is told to shrink")
    d.kill()
    d.start()
    c = d.client()
    if c.VM.get_power_state(b) == "Halted":
        wait_until(lambda: target(c, a) == 3072, "a has its memory back")
        c.VM.start(b, False, False)
    fits(c)
    check(d, c, "a death while room is made")
    remove(c, a, b)


def one_host(folder):
    with Daemon(options=script(folder, "memory delay=1ms..100ms")) as d:
        c = d.client()
        for test in (room_and_back, in_proportion, too_much):
            test(c)
            print("ok", test.__name__, flush=True)
        at_once(d, c, 1280, 2)
        at_once(d, c, 900, 3)
        print("ok at_once", flush=True)
        kills(d, c)
        print("ok kills", flush=True)


def no_driver(folder):
    """A guest that does not follow is waited for once."""
    with Daemon(options=script(folder, "memory off=always")) as d:
        c = d.client()
        a, b = started(c, "a", 512, 3072), vm_of(c, "b", 1024, 1024)
        needed, available = fails("HOST_NOT_ENOUGH_FREE_MEMORY", c.VM.start, b, False, False)
        assert int(available) == TOTAL * 7 // 8 - 3072 * MIB - overhead(c, a) == free(c), (available, free(c))
        wait_until(lambda: target(c, a) == 3072, "its target is what it has")
        begin = time.monotonic()
        fails("HOST_NOT_ENOUGH_FREE_MEMORY", c.VM.start, b, False, False)
        assert time.monotonic() - begin < 5
        c.VM.set_memory_limits(b, 0, 1024 * MIB, 256 * MIB, 1024 * MIB)
        c.VM.start(b, False, False)
        assert 256 <= target(c, b) < 512, "it begins with what there is"
        check(d, c, "a guest without balloon driver")
    print("ok no_driver", flush=True)


def two_hosts(folder):
    with Pool(2, options=script(folder)) as p:
        c = p[0].client()
        hosts = [h.me(c) for h in p]
        a, b = vm_of(c, "a", 512, 3072), vm_of(c, "b", 1024, 1024)
        c.VM.start_on(a, hosts[1], False, False)
        c.VM.start_on(b, hosts[0], False, False)
        c.VM.pool_migrate(b, hosts[1], {"live": "true"})
        assert c.VM.get_resident_on(b) == hosts[1] and target(c, b) == 1024 and target(c, a) < 2560
        fits(c, hosts[1])
        c.VM.pool_migrate(b, hosts[0], {"live": "true"})
        wait_until(lambda: target(c, a) == 3072, "a has its memory back")
    print("ok two_hosts", flush=True)


def main():
    with tempfile.TemporaryDirectory(prefix="xapid-squeeze-") as folder:
        for name, test in (("one", one_host), ("no", no_driver), ("two", two_hosts)):
            if sys.argv[1:] in ([], [name]):
                test(folder)


if __name__ == "__main__":
    main()
