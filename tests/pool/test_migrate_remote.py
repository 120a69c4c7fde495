#!/usr/bin/env python3
"""VMs go from one pool to another: simulated ones for what the two pools do about it, also when one of them is killed at
any step; then a real guest whose memory and disk are as they were."""

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "ops"))
import demo_guest  # noqa: E402
from daemon import BUILD, Failure, Lost, fails, wait_until  # noqa: E402
from crossings import Pools, is_tidy, notes, where  # noqa: E402
from moves import checksums, demo, fill, guests  # noqa: E402
from pool import PORT, Pool  # noqa: E402

MIB = 1 << 20
NULL = "OpaqueRef:NULL"
POINTS = "qmp+storage+db"


def tool(*words):
    subprocess.run(words, check=True, timeout=60, stdout=subprocess.DEVNULL)


# ---- what is refused ----

def refusals(p):
    c, there = p.c[0], p.c[1]
    vm = p.vm(0, "refused")
    disks, nics = p.maps(0, vm)
    dest = p.dest(1)
    assert sorted(dest) == ["SM", "host", "master", "session_id", "xenops"], dest

    def check(code, dest=dest, disks=disks, nics=nics, options=None):
        params = fails(code, c.VM.assert_can_migrate, vm, dest, True, disks, nics, options or {})
        assert fails(code, c.VM.migrate_send, vm, dest, True, disks, nics, options or {}) is not None
        return params

    assert check("VDI_NOT_IN_MAP", disks={}) == list(disks)
    assert check("VIF_NOT_IN_MAP", nics={}) == list(nics)
    check("HANDLE_INVALID", disks={NULL[:-4] + "11111111-2222-3333-4444-555555555555": p.sr[1], **disks})
    assert check("HANDLE_INVALID", disks={d: p.sr[0] for d in disks})[0] == "SR"
    assert check("HANDLE_INVALID", nics={n: p.network[0] for n in nics})[0] == "network"
    assert check("INVALID_VALUE", dest={k: v for k, v in dest.items() if k != "session_id"}) == ["dest", "session_id"]
    check("SESSION_INVALID", dest={**dest, "session_id": "OpaqueRef:11111111-2222-3333-4444-555555555555"})
    check("INVALID_VALUE", options={"bandwidth": "much"})
    iso = next(r for r, s in there.SR.get_all_records().items() if s["type"] == "iso")
    assert check("SR_DOES_NOT_SUPPORT_MIGRATION", disks={d: iso for d in disks})[0] == iso
    wrong = dest["xenops"][:-2] + ("00" if dest["xenops"][-2:] != "00" else "11")
    check("VM_MIGRATE_FAILED", dest={**dest, "xenops": wrong})  # who answers there is not who was meant
    c.VM.start(vm, False, False)
    fails("VM_BAD_POWER_STATE", c.VM.migrate_send, vm, dest, True, disks, nics, {"copy": "true"})
    there.host.disable(p.me[1])
    fails("HOST_DISABLED", there.host.migrate_receive, p.me[1], p.network[1], {})
    check("HOST_DISABLED")
    there.host.enable(p.me[1])
    c.VM.assert_can_migrate(vm, dest, True, disks, nics, {})
    assert not [v for v in there.VM.get_all_records().values() if v["name_label"] == "refused"]
    c.VM.hard_shutdown(vm)
    assert c.VM.get_current_operations(vm) == {} and p.disks(0, vm) == list(disks)
    for d in disks:
        c.VDI.destroy(d)
    c.VM.destroy(vm)
    p.check_storage(0)
    p.check_storage(1)


# ---- what goes ----

def running(p):
    """With a disk that no drive has attached, and a snapshot."""
    c, there = p.c[0], p.c[1]
    vm = p.vm(0, "runs", disks=2)
    record = c.VM.get_record(vm)
    macs = [c.VIF.get_MAC(v) for v in record["VIFs"]]
    c.VM.start(vm, False, False)
    loose = p.disk(0, vm, "runs disk 1")
    c.VBD.unplug(c.VDI.get_VBDs(loose)[0])
    tool("qemu-io", "-c", "write -P 3 1M 1M", p.path(0, loose))
    tool("cp", p.path(0, loose), os.path.join(p.folder(1), "..", "kept"))
    snapshot = c.VM.snapshot(vm, "before")
    new = p.send(0, vm)
    p.check_gone(0, record["uuid"])
    assert new == p.find(1, record["uuid"])
    now = there.VM.get_record(new)
    assert now["power_state"] == "Running" and now["resident_on"] == p.me[1] and now["current_operations"] == {}, now
    assert guests(p.hosts[1], record["uuid"])
    assert [there.VIF.get_MAC(v) for v in now["VIFs"]] == macs
    assert [there.VIF.get_network(v) for v in now["VIFs"]] == [p.network[1]]
    attached = sorted((b["userdevice"], b["currently_attached"])
                      for b in (there.VBD.get_record(b) for b in now["VBDs"]))
    assert attached == [("0", True), ("1", False)], attached
    tool("qemu-img", "compare", p.path(1, p.disk(1, new, "runs disk 1")), os.path.join(p.folder(1), "..", "kept"))
    assert [there.VM.get_name_label(s) for s in now["snapshots"]] == ["before"] and snapshot
    frozen = p.disks(1, now["snapshots"][0])
    assert all(there.VDI.get_is_a_snapshot(d) and there.VDI.get_snapshot_of(d) in p.disks(1, new) for d in frozen)
    assert [m for m in there.message.get_all_records().values() if m["name"] == "VM_MIGRATED"]
    return new


def asynchronously(p, vm):
    """Back, as Xen Orchestra does it: by a task whose result is the VM, and whose progress is shown."""
    c, there = p.c[1], p.c[0]
    uuid = c.VM.get_uuid(vm)
    disks, nics = p.maps(1, vm)
    task = c.raw("Async.VM.migrate_send", [c.session, vm, p.dest(0), True, disks, nics, {}])
    wait_until(lambda: c.task.get_status(task) != "pending", "the task ends")
    assert c.task.get_status(task) == "success", c.task.get_error_info(task)
    new = p.find(0, uuid)
    assert c.task.get_result(task) == f"<value>{new}</value>", c.task.get_result(task)
    p.check_gone(1, uuid)
    there.VM.hard_shutdown(new)
    return new


def halted(p, vm):
    uuid, disk = p.c[0].VM.get_uuid(vm), p.disk(0, vm, "runs disk 0")
    tool("qemu-io", "-c", "write -P 5 3M 5000k", p.path(0, disk))
    tool("qemu-img", "convert", "-O", "qcow2", p.path(0, disk), os.path.join(p.folder(1), "..", "kept"))
    copy = p.c[0].VM.copy(vm, "stays", NULL)
    new = p.send(0, vm)
    assert p.find(0, uuid) is None and p.c[1].VM.get_power_state(new) == "Halted"
    tool("qemu-img", "compare", p.path(1, p.disk(1, new, "runs disk 0")), os.path.join(p.folder(1), "..", "kept"))
    return copy, new


def copied(p, vm):
    uuid, name = p.c[0].VM.get_uuid(vm), p.c[0].VM.get_name_label(vm)
    new = p.send(0, vm, copy="true")
    assert p.find(0, uuid) == vm and p.find(1, uuid) is None
    there = p.c[1].VM.get_record(new)
    assert there["name_label"] == name and there["uuid"] != uuid and len(p.disks(1, new)) == len(p.disks(0, vm))
    assert p.c[1].VIF.get_MAC(there["VIFs"][0]) != p.c[0].VIF.get_MAC(p.c[0].VM.get_VIFs(vm)[0])


def suspended(p):
    vm = p.vm(0, "sleeps")
    uuid = p.c[0].VM.get_uuid(vm)
    p.c[0].VM.start(vm, False, False)
    p.c[0].VM.suspend(vm)
    new = p.send(0, vm)
    p.check_gone(0, uuid)
    assert p.c[1].VM.get_power_state(new) == "Suspended" and p.c[1].VM.get_suspend_VDI(new) != NULL
    p.c[1].VM.resume(new, False, False)
    assert p.c[1].VM.get_power_state(new) == "Running"
    p.c[1].VM.hard_shutdown(new)


def xe(host, *words):
    """What xe prints when asked at a host, and how it ends."""
    done = subprocess.run([os.path.join(BUILD, "xe", "xe"), "-s", host.address, "-p", PORT, "-u", "root", "-pw", "secret",
                           *words], capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout, done.stderr


def at_the_shell(p):
    """Disks go where there is room unless told otherwise; NICs have to be told."""
    vm = p.vm(0, "typed", disks=2)
    c, there = p.c
    uuid, nic = c.VM.get_uuid(vm), c.VIF.get_uuid(c.VM.get_VIFs(vm)[0])
    disks = [c.VDI.get_uuid(d) for d in p.disks(0, vm)]
    sr, network = there.SR.get_uuid(p.sr[1]), there.network.get_uuid(p.network[1])
    remote = [f"remote-master={p.hosts[1].address}:{PORT}", "remote-username=root", "remote-password=secret"]
    host = there.host.get_name_label(p.me[1])
    plan = [f"To host {host}, by way of network {there.network.get_name_label(p.network[1])}",
            *sorted(f"VDI {d} -> SR {sr}" for d in disks)]

    def run(*words):
        status, out, err = xe(p.hosts[0], "vm-migrate", "vm=typed", *words)
        lines = out.splitlines()
        return status, lines[:1] + sorted(lines[1:3]) + lines[3:], err

    status, _, err = run(*remote)
    assert status == 1 and nic in err, err
    status, _, err = run(*remote[:2], "remote-password=wrong")
    assert status == 1 and "typed" in [v["name_label"] for v in c.VM.get_all_records().values()], err
    status, lines, err = run(*remote, f"vif:{nic}={network}", "copy=true")
    assert status == 0 and lines[:3] == plan and there.VM.get_by_uuid(lines[3]), (lines, err)
    status, lines, err = run(*remote, f"host={host}", f"remote-network={network}", f"vif:{nic}={network}",
                             f"vdi:{disks[0]}={sr}", "live=true")
    assert (status, lines, err) == (0, plan, ""), (status, lines, err)
    p.check_gone(0, uuid)
    assert there.VM.get_power_state(p.find(1, uuid)) == "Halted"


# ---- killed ----

def settle(p, uuid, state):
    for host in p.hosts:
        if host.process.poll() is not None:
            host.start()
    p.reconnect()
    return wait_until(lambda: where(p, uuid, state), "one VM, in one of the two pools", 30)[0]


def try_send(p, i, uuid, victim):
    """Was the victim killed by it? Whoever waits for it is not kept waiting."""
    def send():
        try:
            p.send(i, p.find(i, uuid))
        except (Failure, Lost):
            pass

    attempt = threading.Thread(target=send)
    attempt.start()
    wait_until(lambda: not attempt.is_alive() or victim.process.poll() is not None, "it is done, or the victim dead", 60)
    if victim.process.poll() is None:
        victim.arm("")
    killed = victim.process.poll() is not None
    if killed:
        victim.start()
    attempt.join()
    return killed


def sweep(p, uuid, victim, state):
    """Kill one of the two daemons at its first step, its second ... until none is left."""
    n, killed = 0, True
    while killed:
        n += 1
        assert n < 150
        here = settle(p, uuid, state)
        p.hosts[victim].arm(f"{POINTS}:{n}:kill")
        killed = try_send(p, here, uuid, p.hosts[victim])
        now = settle(p, uuid, state)
        wait_until(lambda: is_tidy(p), "nothing is left over")
        if now == here:
            p.send(here, p.find(here, uuid))
        if now == here or not killed:
            assert where(p, uuid, state) == [1 - here]
        if settle(p, uuid, state) != 0:
            p.send(1, p.find(1, uuid))
    print(f"killed {n - 1} times: pool {victim}, {state}")
    assert n > 3


def kills(p):
    """Of those that run, and of those that do not."""
    vm = p.vm(0, "hunted")
    uuid = p.c[0].VM.get_uuid(vm)
    for victim in (0, 1) if os.environ.get("XAPID_SANITIZED") != "yes" else ():  # the other build has shown it
        sweep(p, uuid, victim, "Halted")
    p.c[0].VM.start(p.find(0, uuid), False, False)
    for victim in (0, 1):
        sweep(p, uuid, victim, "Running")


# ---- a real guest ----

def real():
    path = demo_guest.folder()
    with Pool(2, "qemu", ["--demo-guest", path], joined=False) as hosts:
        p = Pools(hosts)
        vm = demo(p.c[0], "real", p.sr[0])
        uuid = p.c[0].VM.get_uuid(vm)
        p.c[0].VM.start(vm, False, False)
        demo_guest.wait_for_address(p.c[0], vm)
        guest = demo_guest.Console(hosts[0], p.c[0], vm)
        wrote, before = fill(guest), guest.tick()
        guest.close()
        began = time.monotonic()
        new = p.send(0, vm)
        print(f"moved in {time.monotonic() - began:.2f} s")
        p.check_gone(0, uuid)
        guest = demo_guest.Console(hosts[1], p.c[1], new)
        assert guest.tick() > before, "it was not started anew"
        assert checksums(guest) == wrote
        guest.close()
        assert [len(h.guest_processes()) for h in hosts] == [0, 1]
        p.c[1].VM.clean_shutdown(new)


def cancelled():
    """While the guest is under way: it stays, and goes another time."""
    with tempfile.NamedTemporaryFile("w", prefix="xapid-script-") as script:
        script.write("move delay=1500ms\n")
        script.flush()
        with Pool(2, joined=False, options=["--sim-script", script.name]) as hosts:
            p = Pools(hosts)
            vm = p.vm(0, "wavers")
            uuid = p.c[0].VM.get_uuid(vm)
            p.c[0].VM.start(vm, False, False)
            disks, nics = p.maps(0, vm)
            task = p.c[0].raw("Async.VM.migrate_send", [p.c[0].session, vm, p.dest(1), True, disks, nics, {}])
            wait_until(lambda: guests(hosts[1], uuid), "the guest is awaited")
            assert "migrate_send" in p.c[1].VM.get_current_operations(p.find(1, uuid)).values()
            p.c[0].task.cancel(task)
            wait_until(lambda: p.c[0].task.get_status(task) != "pending", "it is cancelled")
            assert p.c[0].task.get_status(task) == "cancelled", p.c[0].task.get_record(task)
            wait_until(lambda: where(p, uuid, "Running") == [0] and is_tidy(p), "the guest stays")
            assert p.disks(0, vm) == list(disks)
            p.send(0, vm)
            p.check_gone(0, uuid)


def lost():
    """Its guest comes to nothing in the other pool when that has decided already, but has not let it run: it stays, with
    its disk, and goes another time. Then so late that it may have run there: it is the other pool's, and halted."""
    with tempfile.NamedTemporaryFile("w", prefix="xapid-script-") as script:
        script.write("accept fail=1 error=VM_BAD_POWER_STATE\n")
        script.flush()
        with Pool(2, joined=False, options=["--sim-script", script.name]) as hosts:
            p = Pools(hosts)
            vm = p.vm(0, "lost")
            uuid, disks = p.c[0].VM.get_uuid(vm), p.disks(0, vm)
            p.c[0].VM.start(vm, False, False)
            assert "lost" in fails("VM_MIGRATE_FAILED", p.send, 0, vm)[3]
            wait_until(lambda: where(p, uuid, "Running") == [0] and is_tidy(p), "the guest stays")
            assert p.disks(0, vm) == disks
            p.send(0, vm)
            p.check_gone(0, uuid)
            assert where(p, uuid, "Running") == [1]


def forgotten():
    """Of moves that nobody can ask about any more, or be told of, nothing is kept; what an older daemon kept gets an end."""
    vm, now = "OpaqueRef:11111111-2222-3333-4444-555555555555", int(time.time())
    with Pool(1) as (host,):
        host.stop()
        with contextlib.closing(sqlite3.connect(f"{host.state}/xapid.db")) as db, db:
            db.execute("UPDATE pool SET crossings = ?", (json.dumps({
                "over": f"{vm} {now - 1}", "open": f"{vm} {now + 3600}", "older": vm, "untold": '{"id": "untold"}'}),))
        host.start()
        kept = wait_until(lambda: [k for k in map(json.loads, notes(host)) if sorted(k) == ["older", "open"]], "two are kept")[0]
        assert kept["open"] == f"{vm} {now + 3600}"
        assert kept["older"].split()[0] == vm and int(kept["older"].split()[1]) > now + 29 * 86400, kept


def killed():
    with Pool(2, joined=False, options=["--fault-at", "control"]) as hosts:
        kills(Pools(hosts))


def simulated():
    with Pool(2, joined=False) as hosts:
        p = Pools(hosts)
        refusals(p)
        vm = asynchronously(p, running(p))
        copy, _ = halted(p, vm)
        copied(p, copy)
        suspended(p)
        at_the_shell(p)
        for i in (0, 1):
            p.check_storage(i)


def main():
    parts = {"simulated": simulated, "cancelled": cancelled, "lost": lost, "forgotten": forgotten, "killed": killed, "real": real}
    for part in [parts[name] for name in sys.argv[1:]] or parts.values():
        part()


if __name__ == "__main__":
    try:
        main()
    except Lost as lost:
        sys.exit(f"a daemon was lost: {lost}")
