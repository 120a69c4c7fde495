#!/usr/bin/env python3
"""Transfers with their first, second, third … step failing or cancelled there: nothing remains of what failed, and once no
step is left to fail the transfer succeeds."""

import http.client
import os

from bulk import MIB, default_sr, disk_bytes, get, image, put, servers, task
from daemon import Daemon, Failure, Lost, add_disk, make_vdi, make_vm, wait_until
from invariants import check
from test_faults import KINDS, Faults

SIZE = MIB + 4096


def done(c, t):
    """Wait for the task's end; whether it succeeded."""
    wait_until(lambda: c.task.get_status(t) != "pending" or c.task.get_error_info(t), "the task ends")
    return c.task.get_status(t) == "success"


def moved(c, t, move, **query):
    """Did it go well, by what the task says (or the reply, when the request did not get as far as its task)?"""
    try:
        reply, body = move(task_id=t, **query)
        if reply.status != 200 and c.task.get_status(t) == "pending":
            return False, b""
    except (OSError, http.client.HTTPException):
        wait_until(lambda: not busy(c), "the transfer has unwound")
        return c.task.get_status(t) == "success", b""
    return done(c, t), body


def busy(c):
    return any(r["current_operations"] for cls in ("VM", "VDI", "SR") for r in c.call(f"{cls}.get_all_records").values())


def transfers(d, c, data):
    """Name: (run, what undoes its effect)."""
    vm = make_vm(c, "kept", disks=0, nics=1)
    disk, target = make_vdi(c, "disk", SIZE), make_vdi(c, "target", SIZE)
    put(d, "/import_raw_vdi", data, vdi=disk)
    add_disk(c, vm, disk)
    _, vhd = get(d, "/export_raw_vdi", vdi=disk, format="vhd")
    _, xva = get(d, "/export", ref=vm, use_compression="gzip")

    def export(path, **query):
        def run(t):
            good, body = moved(c, t, lambda **q: get(d, path, **q), **query)
            assert not good or len(body) > 900_000, "a task that succeeded gave everything"
            return good
        return run

    def disk_in(t):
        good, _ = moved(c, t, lambda **q: put(d, "/import_raw_vdi", vhd, **q), vdi=target, format="vhd")
        assert not good or disk_bytes(c, target, d.directory) == data
        return good

    def vm_in(t):
        before = len(c.VM.get_all()), len(c.VDI.get_all())
        good, _ = moved(c, t, lambda **q: put(d, "/import", xva, **q), sr_id=default_sr(c))
        Faults(d).signal("")
        after = len(c.VM.get_all()), len(c.VDI.get_all())
        assert (after[0] - before[0], after[1] - before[1]) == ((1, 1) if good else (0, 0)), (good, before, after)
        for other in c.VM.get_by_name_label("kept"):
            if good and other != vm:
                vdis = [c.VBD.get_VDI(v) for v in c.VM.get_VBDs(other)]
                c.VM.destroy(other)
                c.VDI.destroy(next(v for v in vdis if v != "OpaqueRef:NULL"))
        return good

    return {"export_raw_vdi": export("/export_raw_vdi", vdi=disk, format="vhd"), "import_raw_vdi": disk_in,
            "export": export("/export", ref=vm, use_compression="zstd"), "import": vm_in}


def points():
    """Each of the first steps, then every few."""
    n, step = 1, 1
    while True:
        yield n
        n, step = n + step, step + 2 * (n > 7)


def sweep(d, c, name, run, kinds):
    for point in points():
        t = task(c)
        Faults(d).signal(f"{kinds}:{point}")
        good = run(t)
        fired = Faults(d).signal("")
        what = f"{name} with {kinds} fault {point} ({good})"
        wait_until(lambda: not servers(d), f"no program is left after {what}")
        check(d, c, what)
        assert good or fired, f"{what}: failed without a fault"
        if not fired:
            return point


with Daemon(address="127.0.27.14", options=["--fault-at", "control"]) as daemon:
    client = daemon.client()
    content = image(1, SIZE, [(8192, 65536)])
    for which, action in transfers(daemon, client, content).items():
        for kind in KINDS:
            print(f"ok {which}: up to point {sweep(daemon, client, which, action, kind)} of {kind}", flush=True)
