#!/usr/bin/env python3
"""A real guest that writes its disk and its memory goes to another pool, and in the middle of it a daemon is killed, a
QEMU is killed, the network is cut, the destination's disk is full or the task is cancelled. Afterwards one guest runs, in
one of the two pools, with every write it has made, and nothing is left of the attempt in either.

    test_crossing_faults.py [--all] [NAME...]    all faults at several moments; or those whose name has NAME in it
"""

import contextlib
import os
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "ops"))
import demo_guest  # noqa: E402
from crossings import Pools, is_tidy, notes, where  # noqa: E402
from daemon import Failure, Lost, small_folder, wait_until  # noqa: E402
from moves import guests  # noqa: E402
from pool import Pool, join  # noqa: E402
from test_move_faults import (FAULTS, SLOWLY, STALL_S, Fault, destination_qemu, ended, full_disk, network,  # noqa: E402
                              source_daemon, source_qemu, wait_for)
from working_guest import Guest  # noqa: E402


class Sides:
    """The two pools as a guest sees them that is in one of them."""

    def __init__(self, hosts):
        self.hosts, self.p, self.i = hosts, Pools(hosts), 0

    @property
    def c(self):
        return self.p.c[self.i]

    @property
    def refs(self):
        return self.p.me

    @property
    def shared(self):
        return self.p.sr[self.i]

    def at(self, vm):
        return self.i


def is_in(m, uuid, i, state):
    """In pool i, in this state, at rest; and nothing of it in the other one."""
    try:
        vm = m.p.find(i, uuid)
        record = m.p.c[i].VM.get_record(vm) if vm else None
        up = [1 if state == "Running" and n == i else 0 for n in (0, 1)]
        return record is not None and m.p.find(1 - i, uuid) is None and record["power_state"] == state and \
            not record["current_operations"] and [len(h.guest_processes()) for h in m.hosts] == up and \
            [int(guests(h, uuid)) for h in m.hosts] == up
    except (Lost, Failure):
        return False


def settle(m, guest):
    """The daemons are back and agree: the pool that the VM is in, and its state."""
    for h in m.hosts:
        if h.process.poll() is not None:
            h.start()
    m.p.reconnect()
    places = [(i, s) for i in (0, 1) for s in ("Running", "Halted")]
    m.i, state = wait_until(lambda: [p for p in places if is_in(m, guest.uuid, *p)], "one guest, in one of the pools")[0]
    guest.vm = m.p.find(m.i, guest.uuid)
    return state


def left_over(m, state, folders):
    found = []
    for i, h in enumerate(m.hosts):
        wanted = 1 if state == "Running" and m.i == i else 0
        for folder, n in (("net/taps", wanted), ("making", 0), ("vm", wanted)):
            path = os.path.join(h.state, folder)
            names = os.listdir(path) if os.path.isdir(path) else []
            if len(names) != n:
                found.append(f"host {i}, {folder}: {names}")
        found += [f"host {i}: {n}" for n in notes(h)]
        rows = sorted(v["location"] for v in m.p.c[i].VDI.get_all_records().values() if v["SR"] == m.p.sr[i])
        if rows != m.p.images(i) or len(rows) != (m.i == i):
            found.append(f"host {i}: {rows}, {m.p.images(i)}")
        found += [t for t in m.p.c[i].task.get_all_records().values() if t["status"] == "pending"]
    return found + [f for folder in folders for f in os.listdir(folder) if f.endswith(".qcow2")]


def nothing_is_left(m, state, folders):
    try:
        wait_until(lambda: not left_over(m, state, folders), "nothing is left", 90)
    except AssertionError:
        raise AssertionError(f"left: {left_over(m, state, folders)}") from None


def attempt(m, guest, fault, progress, small):
    began, source = time.monotonic(), m.i
    disks, nics = m.p.maps(source, guest.vm)
    if fault is full_disk:
        disks = {d: small[1 - source] for d in disks}
    task = m.c.call("Async.VM.migrate_send", guest.vm, m.p.dest(1 - source), True, disks, nics, SLOWLY)
    if fault is not full_disk:
        wait_for(m, task, progress)
    with fault(Fault(m, guest, source, task)):
        wait_until(lambda: ended(m, task), "the attempt has ended")
        gave_up = time.monotonic() - began
    state = settle(m, guest)
    if fault is source_qemu:
        assert state == "Halted" and m.i == source, (state, m.i)
    else:
        assert state == "Running" and (fault is not full_disk or m.i == source), (state, m.i)
    nothing_is_left(m, state, small.folders)
    if state == "Halted":
        guest.start(m.i)
    else:
        guest.check()
        assert guest.waited <= STALL_S + 4, guest.waited
    print(f"{fault.__name__} at {progress}, from {source}: now {m.i}, a write took {guest.waited} s, "
          f"ended after {gave_up:.1f} s, {time.monotonic() - began:.1f} s in all", flush=True)


class Small(list):
    """An SR of each pool that is soon full."""

    def __init__(self, m, folders):
        super().__init__(c.SR.create(me, {"location": f}, 0, "small", "", "file", "user", False, {})
                         for c, me, f in zip(m.p.c, m.p.me, folders))
        self.folders = folders


def cross(m, guest, **options):
    guest.vm = m.p.send(m.i, guest.vm, **options)
    m.i = 1 - m.i
    guest.check()
    nothing_is_left(m, "Running", [])


def plan(everything):
    if os.environ.get("XAPID_SANITIZED") == "yes":  # the other build tries the rest
        return [(source_daemon, 0.3)]
    if everything:
        return [(f, p) for p in (0.02, 0.3, 0.85) for f in FAULTS] + [(full_disk, 0)]
    return [(f, 0.3) for f in (source_daemon, destination_qemu, network, source_qemu)] + [(full_disk, 0)]


# ---- cut off at a step ----

def states(host, uuid):
    """What the simulator has written down of the guest, oldest first."""
    with open(os.path.join(host.state, "sim")) as f:
        return [w[2] for w in (line.split() for line in f) if w[:2] == ["=", uuid]]


@contextlib.contextmanager
def under_way(step, hosts=2):
    """Two pools between which a simulated guest moves that takes its time at a step, and the task."""
    with tempfile.NamedTemporaryFile("w", prefix="xapid-script-") as script:
        script.write(f"{step} delay=5s\n")  # however slow this machine is
        script.flush()
        with Pool(hosts, joined=False, options=["--sim-script", script.name]) as (one, two, *more):
            for h in more:
                join(h, two)
            m = Sides([one, two])
            vm = m.p.vm(0, "cut off")
            m.uuid = m.c.VM.get_uuid(vm)
            m.c.VM.start(vm, False, False)
            disks, nics = m.p.maps(0, vm)
            yield m, m.c.call("Async.VM.migrate_send", vm, m.p.dest(1), True, disks, nics, {})


def settled(m):
    """Which pool has the guest in the end, once nothing is left over."""
    i = wait_until(lambda: where(m.p, m.uuid, "Running"), "one guest, in one of the pools")[0]
    wait_until(lambda: is_tidy(m.p), "nothing is left")
    return i


def cut_off(step, reached):
    """The network is cut once a step is reached, and comes back when the source has given up: how long that took, and
    which pool has the guest."""
    with under_way(step) as (m, task):
        wait_until(lambda: reached(m, m.uuid), f"{step} is under way")
        began = time.monotonic()
        with network(Fault(m, None, 0, task)):
            wait_until(lambda: ended(m, task), "the attempt has ended")
            took = time.monotonic() - began
        i = settled(m)
        print(f"cut off at {step}: ended after {took:.1f} s, now {i}", flush=True)
        return took, i


def has_stopped(m, uuid):
    """The guest at the source, for the switch."""
    return states(m.hosts[0], uuid).count("L") == 2


def is_decided(m, uuid):
    vm = m.p.find(1, uuid)
    return vm and m.p.c[1].VM.get_power_state(vm) == "Running"


def cuts(everything):
    took, now = cut_off("switch", has_stopped)
    assert now == 0 and took < 20, (took, now)
    if everything:  # it asks for a minute
        took, now = cut_off("accept", is_decided)
        assert now == 1, (took, now)


def untold():
    """The source cannot say that it has done away with its guest, and dies then: the daemon after it says so, though the
    other pool was to get a new authority meanwhile, since a host has left it."""
    with under_way("stop", hosts=3) as (m, task):
        wait_until(lambda: states(m.hosts[1], m.uuid)[-1:] == ["R"], "the guest has gone over")
        with network(Fault(m, None, 0, task)):
            wait_until(lambda: ended(m, task), "the VM has gone over")
            assert m.c.task.get_status(task) == "success", m.c.task.get_record(task)
            m.hosts[0].kill()
        assert notes(m.hosts[1])
        there = m.p.c[1]
        there.pool.eject(next(r for r in there.host.get_all_records() if r != m.p.me[1]))
        m.hosts[0].start()
        m.p.reconnect()
        assert settled(m) == 1
        wait_until(lambda: "authority of certificates is a new one" in m.hosts[1].log(), "the renewal, which waited")


def may_post_copy(m):
    """The kernel lets only some users fetch memory that is not there yet."""
    pid, = m.hosts[m.i].guest_processes()
    with open("/proc/sys/vm/unprivileged_userfaultfd") as f:
        return f.read().strip() == "1" or os.stat(f"/proc/{pid}").st_uid == 0


def main():
    names = [a for a in sys.argv[1:] if not a.startswith("--")]
    if os.geteuid() != 0:
        print("skipped: only root cuts networks and mounts file systems")
        sys.exit(demo_guest.SKIP)
    if not names:
        cuts("--all" in sys.argv)
        untold()
    path = demo_guest.folder()
    with small_folder() as one, small_folder() as two, \
            Pool(2, "qemu", ["--demo-guest", path], joined=False) as hosts:
        m = Sides(hosts)
        small = Small(m, [one, two])
        guest = Guest(m, "guest")
        for fault, progress in plan("--all" in sys.argv):
            if not names or any(n in fault.__name__ for n in names):
                attempt(m, guest, fault, progress, small)
        for options in [{"post_copy": "true"}] * may_post_copy(m) + [{"compress": "true", "channels": "2"}]:
            cross(m, guest, **options)
        m.c.VM.hard_shutdown(guest.vm)
        nothing_is_left(m, "Halted", small.folders)


if __name__ == "__main__":
    main()
