#!/usr/bin/env python3
"""A guest moves while the daemon of one host or the other is killed, at its first step, its second, its third … until
none is left: once the daemon is back there is one guest, where the pool says, and the same move then succeeds."""

import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "ops"))
from daemon import Failure, Lost, wait_until  # noqa: E402
from moves import Moves, guests  # noqa: E402
from pool import Pool, is_live  # noqa: E402

POINTS = "qmp+storage+db"
WITH_DISKS = os.environ.get("XAPID_SANITIZED") != "yes"  # whose build would take minutes for what the other has shown


def is_settled(m, vm, i):
    """Is the guest on host i, and only there?"""
    try:
        m.check_at(vm, i)
        return True
    except (AssertionError, Lost, Failure):
        return False


def settle(m, vm):
    """All daemons are there and agree about the guest; where it is."""
    for host in m.hosts:
        if host.process.poll() is not None:
            host.start()
    m.c = m.hosts[0].client()
    wait_until(lambda: is_live(*m.hosts), "the member is there")
    wait_until(lambda: all(p["currently_attached"] for p in m.c.PBD.get_all_records().values()), "so is its storage")
    return wait_until(lambda: [i for i in (0, 1) if is_settled(m, vm, i)], "one guest, where the pool says", 30)[0]


def storage(m, vm):
    """Nothing is left of disks that went, or did not."""
    disks = [v for v in m.c.VDI.get_all_records().values() if v["name_label"] == "vm disk"]
    assert len(disks) == 1, disks
    files = [f for d in m.folders for f in os.listdir(d) if f.endswith(".qcow2")]
    assert files == [disks[0]["location"]], (files, disks)


def move(m, vm, to, disks):
    c = m.c
    if disks:
        c.VM.migrate_send(vm, {"host": m.refs[to]}, True, {m.disk(vm): m.local_sr(to)}, {}, {})
    else:
        c.VM.pool_migrate(vm, m.refs[to], {})


def try_move(m, vm, to, disks):
    try:
        move(m, vm, to, disks)
    except (Failure, Lost):
        pass


def sweep(m, vm, victim, disks):
    n, killed = 0, True
    while killed:
        n += 1
        assert n < 100
        here = settle(m, vm)
        m.hosts[victim].arm(f"{POINTS}:{n}:kill")
        try_move(m, vm, 1 - here, disks)
        if m.hosts[victim].process.poll() is None:
            m.hosts[victim].arm("")
        killed = m.hosts[victim].process.poll() is not None
        now = settle(m, vm)
        if disks:
            wait_until(lambda: not differs(m, vm), "no disk is left")
        if now == here:
            move(m, vm, 1 - here, disks)
            m.check_at(vm, 1 - here)
    print(f"killed {n - 1} times: host {victim}{' with disks' if disks else ''}")
    assert n > 3


def relocate(m, vm):
    disk = m.disk(vm)
    m.c.VDI.pool_migrate(disk, m.local_sr(1) if m.c.VDI.get_SR(disk) == m.shared else m.shared, {})


def sweep_relocation(m, vm, victim):
    """The guest is the member's; a disk of it goes to other storage there."""
    n, killed = 0, True
    while killed:
        n += 1
        assert n < 100
        assert settle(m, vm) == 1
        m.hosts[victim].arm(f"{POINTS}:{n}:kill")
        try:
            relocate(m, vm)
        except (Failure, Lost):
            pass
        if m.hosts[victim].process.poll() is None:
            m.hosts[victim].arm("")
        killed = m.hosts[victim].process.poll() is not None
        assert settle(m, vm) == 1
        wait_until(lambda: not differs(m, vm), "no disk is left")
    print(f"killed {n - 1} times: host {victim}, a disk to other storage")
    assert n > 3
    relocate(m, vm)
    assert settle(m, vm) == 1


def differs(m, vm):
    try:
        storage(m, vm)
        return False
    except AssertionError:
        return True


def folder_of(m, i):
    pbds = m.c.PBD.get_all_records().values()
    return next(p["device_config"]["location"] for p in pbds
                if p["host"] == m.refs[i] and p["SR"] == m.local_sr(i))


def main():
    with tempfile.TemporaryDirectory(prefix="xapid-move-") as folder, \
            Pool(2, options=["--fault-at", "control"]) as hosts:
        m = Moves(hosts, folder)
        m.folders = [folder, folder_of(m, 0), folder_of(m, 1)]
        vm = m.vm("vm")
        m.c.VM.start_on(vm, m.refs[0], False, False)
        for victim in (1, 0):
            sweep(m, vm, victim, False)
        for victim in (1, 0) if WITH_DISKS else ():
            sweep(m, vm, victim, True)
        if settle(m, vm) == 0:
            move(m, vm, 1, m.c.VDI.get_SR(m.disk(vm)) != m.shared)
        for victim in (1, 0) if WITH_DISKS else ():
            sweep_relocation(m, vm, victim)
        uuid = m.c.VM.get_uuid(vm)
        m.c.VM.hard_shutdown(vm)
        assert not [h for h in hosts if guests(h, uuid)]


if __name__ == "__main__":
    main()
