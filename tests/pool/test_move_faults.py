#!/usr/bin/env python3
"""A real guest that writes its disk and its memory moves, and in the middle of it a daemon is killed, a QEMU is killed,
the network is cut, the destination's disk is full or the task is cancelled. Afterwards one guest runs, with every write
it has made, and nothing is left of the attempt.

    test_move_faults.py [--all] [NAME...]    all faults at all moments, to and fro; or those whose name has NAME in it
"""

import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "ops"))
import demo_guest  # noqa: E402
from daemon import Failure, Lost, small_folder, wait_until  # noqa: E402
from moves import Moves, guests  # noqa: E402
from pool import Pool, is_live  # noqa: E402
from working_guest import Guest  # noqa: E402

MIB = 1 << 20
STALL_S = 8  # after which the source gives up; its guest waits so long at most for its disk
SLOWLY = {"bandwidth": str(16 * MIB)}  # so that there is a middle

# ---- faults ----

class Fault:
    """Something that happens in the middle of a move, and how it is mended. source and destination are numbers."""

    def __init__(self, m, guest, source, task):
        self.m, self.guest, self.source, self.destination, self.task = m, guest, source, 1 - source, task

    def qemu(self, i):
        for pid in self.m.hosts[i].guest_processes():
            os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def source_daemon(f):
    f.m.hosts[f.source].kill()
    yield


@contextlib.contextmanager
def destination_daemon(f):
    f.m.hosts[f.destination].kill()
    yield


@contextlib.contextmanager
def source_qemu(f):
    f.qemu(f.source)
    yield


@contextlib.contextmanager
def destination_qemu(f):
    f.qemu(f.destination)
    yield


@contextlib.contextmanager
def network(f):
    """Nothing passes between the hosts any more, until the pool has given the move up."""
    table = f"xapid_test_{os.getpid()}_{random.randint(0, 1 << 30)}"
    addresses = ", ".join(h.address for h in f.m.hosts)
    rules = f"""table ip {table} {{ chain c {{ type filter hook input priority 0;
                ip daddr {{ {addresses} }} drop; ip saddr {{ {addresses} }} drop; }}; }}\n"""
    subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True)
    try:
        yield
    finally:
        subprocess.run(["nft", "delete", "table", "ip", table], check=True)


@contextlib.contextmanager
def cancel(f):
    f.m.c.task.cancel(f.task)
    yield


@contextlib.contextmanager
def full_disk(f):
    yield  # it was from the beginning


FAULTS = (source_daemon, destination_daemon, destination_qemu, network, cancel, source_qemu)


# ---- one attempt ----

def settle(m, guest):
    """The daemons are back and agree; where the guest runs, None when it has gone with its QEMU."""
    for h in m.hosts:
        if h.process.poll() is not None:
            h.start()
    m.c = m.hosts[0].client()
    wait_until(lambda: is_live(*m.hosts), "the member is there")
    wait_until(lambda: all(p["currently_attached"] for p in m.c.PBD.get_all_records().values()), "so is its storage")
    return wait_until(lambda: [i for i in (0, 1, None) if is_at(m, guest, i)], "one guest, where the pool says")[0]


def is_at(m, guest, i):
    """On host i, or nowhere, and the other hosts have nothing of it."""
    try:
        record = m.c.VM.get_record(guest.vm)
        counts = [len(h.guest_processes()) for h in m.hosts]
        if i is None:
            return record["power_state"] == "Halted" and counts == [0, 0] and not record["current_operations"] and \
                not [h for h in m.hosts if guests(h, guest.uuid)]
        m.check_at(guest.vm, i)
        return counts[i] == 1 and counts[1 - i] == 0
    except (AssertionError, Lost, Failure):
        return False


def left_over(m, guest):
    """What is there that nothing stands for."""
    disks = [v for v in m.c.VDI.get_all_records().values() if v["name_label"] == "guest disk"]
    files = [f for d in m.folders for f in os.listdir(d) if f.endswith(".qcow2")]
    found = [] if len(disks) == 1 and files == [disks[0]["location"]] else [f"disks: {disks}, files: {files}"]
    running = m.c.VM.get_power_state(guest.vm) == "Running"
    for i, h in enumerate(m.hosts):
        wanted = 1 if running and m.at(guest.vm) == i else 0
        for what in ("taps", "making"):
            folder = os.path.join(h.state, "net" if what == "taps" else "", what)
            names = os.listdir(folder) if os.path.isdir(folder) else []
            if len(names) != (wanted if what == "taps" else 0):
                found.append(f"host {i}, {what}: {names}")
        folder = os.path.join(h.state, "vm")
        if len(os.listdir(folder) if os.path.isdir(folder) else []) != wanted:
            found.append(f"host {i}: {os.listdir(folder)}")
    found += [t for t in m.c.task.get_all_records().values() if t["status"] == "pending"]
    return found


def nothing_is_left(m, guest):
    try:
        wait_until(lambda: not left_over(m, guest), "nothing is left", 30)
    except AssertionError:
        raise AssertionError(f"left: {left_over(m, guest)}") from None


def begin(m, guest, to, sr):
    """The task of a move, with its disk when it is to go to an SR."""
    if sr:
        return m.c.call("Async.VM.migrate_send", guest.vm, {"host": m.refs[to]}, True, {m.disk(guest.vm): sr}, {}, SLOWLY)
    return m.c.call("Async.VM.pool_migrate", guest.vm, m.refs[to], SLOWLY)


def wait_for(m, task, progress):
    def there():
        record = m.c.task.get_record(task)
        return record["status"] != "pending" or record["progress"] >= progress

    wait_until(there, f"the move is at {progress}")
    assert m.c.task.get_status(task) == "pending", m.c.task.get_record(task)


def ended(m, task):
    """Has the task, as far as anybody knows it still?"""
    try:
        return m.c.task.get_status(task) != "pending"
    except (Failure, Lost):
        return True


def attempt(m, guest, fault, sr=None, progress=0.3):
    began = time.monotonic()
    source = m.at(guest.vm)
    task = begin(m, guest, 1 - source, sr)
    if fault is not full_disk:
        wait_for(m, task, progress)
    with fault(Fault(m, guest, source, task)):
        wait_until(lambda: ended(m, task), "the attempt has ended")
        gave_up = time.monotonic() - began
    now = settle(m, guest)
    if fault is source_qemu:
        assert now is None, now
        guest.start()
    else:
        assert now is not None and (now == source or fault is not full_disk), now
        guest.check()
        assert guest.waited <= STALL_S + 4, guest.waited
    nothing_is_left(m, guest)
    print(f"{fault.__name__}{' with its disk' if sr else ''} at {progress}, from {source}: now {now}, "
          f"a write took {guest.waited} s, ended after {gave_up:.1f} s, "
          f"{time.monotonic() - began:.1f} s in all", flush=True)


# ---- all of them ----

def small_sr(m, folder, i):
    """An SR of one host that is soon full."""
    c = m.c
    sr = c.SR.create(m.refs[i], {"location": folder}, 0, f"small {i}", "", "file", "user", False, {})
    m.folders.append(folder)
    return sr


def plan(m, small):
    """(fault, SR or None, progress) of the suite."""
    local = m.local_sr(1)
    if os.environ.get("XAPID_SANITIZED") == "yes":  # the other build tries the rest
        return [(source_daemon, None, 0.3), (destination_daemon, local, 0.3)]
    return [(cancel, None, 0.3), (destination_qemu, None, 0.3), (network, None, 0.3), (network, local, 0.3),
            (source_daemon, None, 0.3), (full_disk, small[1], 0), (destination_daemon, local, 0.3), (source_qemu, local, 0.3)]


def plan_all(m, small):
    for progress in (0.06, 0.3, 0.8):
        for fault in FAULTS:
            for disks in (False, True):
                yield fault, "local" if disks else None, progress
    for _ in range(2):
        yield full_disk, "small", 0


def sweep(m, guest, small, everything, names):
    for fault, sr, progress in (plan_all if everything else plan)(m, small):
        if names and not any(n in fault.__name__ for n in names):
            continue
        for _ in range(2 if everything else 1):
            to = 1 - m.at(guest.vm)
            if everything and sr:
                sr_there = small[to] if sr == "small" else m.local_sr(to)
                if m.c.VDI.get_SR(m.disk(guest.vm)) != m.shared:
                    back(m, guest)
            else:
                sr_there = sr
            if everything or to == 1:
                attempt(m, guest, fault, sr_there, progress)
            if not everything:
                back(m, guest)
            else:
                turn(m, guest)


def back(m, guest):
    """Onto the first host and the storage that both have."""
    c = m.c
    if c.VDI.get_SR(m.disk(guest.vm)) != m.shared:
        there = 1 - m.at(guest.vm)
        c.VM.migrate_send(guest.vm, {"host": m.refs[there]}, True, {m.disk(guest.vm): m.shared}, {}, {})
    if m.at(guest.vm) != 0:
        c.VM.pool_migrate(guest.vm, m.refs[0], {})


def turn(m, guest):
    """Onto the other host and the storage that both have."""
    there = 1 - m.at(guest.vm)
    if m.c.VDI.get_SR(m.disk(guest.vm)) != m.shared:
        m.c.VM.migrate_send(guest.vm, {"host": m.refs[there]}, True, {m.disk(guest.vm): m.shared}, {}, {})
    else:
        m.c.VM.pool_migrate(guest.vm, m.refs[there], {})


def folder_of(m, i):
    pbds = m.c.PBD.get_all_records().values()
    return next(p["device_config"]["location"] for p in pbds
                if p["host"] == m.refs[i] and p["SR"] == m.local_sr(i))


def main():
    names = [a for a in sys.argv[1:] if not a.startswith("--")]
    if os.geteuid() != 0:
        print("skipped: only root cuts networks and mounts file systems")
        sys.exit(demo_guest.SKIP)
    path = demo_guest.folder()
    with tempfile.TemporaryDirectory(prefix="xapid-move-") as folder, small_folder() as one, small_folder() as two, \
            Pool(2, "qemu", ["--demo-guest", path]) as hosts:
        m = Moves(hosts, folder)
        m.folders = [folder, folder_of(m, 0), folder_of(m, 1)]
        small = [small_sr(m, f, i) for i, f in enumerate((one, two))]
        guest = Guest(m, "guest")
        sweep(m, guest, small, "--all" in sys.argv, names)
        m.c.VM.hard_shutdown(guest.vm)
        nothing_is_left(m, guest)


if __name__ == "__main__":
    main()
