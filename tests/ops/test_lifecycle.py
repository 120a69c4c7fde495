#!/usr/bin/env python3
"""Guests that end, reboot or crash of their own accord, and daemons that come back to guests they did not expect."""

import os
import sqlite3

from daemon import Daemon, default_sr, fails, make_vm, wait_until
from invariants import check


def scripted(script):
    d = Daemon("sim")
    path = os.path.join(d.directory, "script")
    with open(path, "w") as f:
        f.write(script)
    d.options = ["--sim-script", path]
    return d


def names(c, vm):
    uuid = c.VM.get_uuid(vm)
    return [m["name"] for m in c.message.get_all_records().values() if m["obj_uuid"] == uuid]


def started(c, name, **settings):
    vm = make_vm(c, name)
    for key, value in settings.items():
        c.call(f"VM.set_{key}", vm, value)
    c.VM.start(vm, False, False)
    return vm


def halts(end, message, **settings):
    with scripted(f"life delay=100ms when=1 end={end}\n") as d:
        c = d.client()
        vm = started(c, end, **settings)
        wait_until(lambda: c.VM.get_power_state(vm) == "Halted", f"{end} halts the VM")
        assert names(c, vm) == ["VM_STARTED", message], names(c, vm)
        check(d, c, end)


def starts_again(end, message, **settings):
    with scripted(f"life delay=100ms when=1 end={end}\n") as d:
        c = d.client()
        vm = started(c, end, **settings)
        wait_until(lambda: names(c, vm).count("VM_STARTED") == 2, f"{end} starts the VM again")
        assert c.VM.get_power_state(vm) == "Running" and message in names(c, vm), names(c, vm)
        check(d, c, end)


def ends_of_their_own():
    halts("shutdown", "VM_SHUTDOWN", actions_after_shutdown="destroy")
    starts_again("shutdown", "VM_SHUTDOWN", actions_after_shutdown="restart")
    halts("crash", "VM_CRASHED", actions_after_crash="destroy")
    halts("killed", "VM_CRASHED", actions_after_crash="restart")
    halts("reboot", "VM_SHUTDOWN", actions_after_reboot="destroy")


def dumps(c, vm):
    return [c.crashdump.get_record(r) for r in c.VM.get_crash_dumps(vm)]


def crashes():
    """What becomes of a guest that panics: as actions_after_crash says, and its memory kept if that says so."""
    halts("crash", "VM_CRASHED", actions_after_crash="coredump_and_destroy")
    with scripted("life delay=50ms when=always end=crash\n") as d:
        c = d.client()
        vm = make_vm(c, "crashes")
        c.VM.set_actions_after_crash(vm, "coredump_and_destroy")
        seen = []
        for i in range(5):
            c.VM.start(vm, False, False)
            wait_until(lambda: c.VM.get_power_state(vm) == "Halted", "the crash is settled")
            seen += [r["uuid"] for r in dumps(c, vm) if r["uuid"] not in seen]
        assert len(seen) == 5, "each crash leaves a dump"
        assert len(dumps(c, vm)) == 3, f"the last three are kept: {dumps(c, vm)}"
        dump = next(r for r in dumps(c, vm) if r["uuid"] == seen[4])
        vdi = c.VDI.get_record(dump["VDI"])
        assert vdi["type"] == "crashdump" and len(vdi["crash_dumps"]) == 1 and dump["VM"] == vm, vdi
        c.crashdump.destroy(vdi["crash_dumps"][0])
        fails("HANDLE_INVALID", c.VDI.get_uuid, dump["VDI"])
        fails("HANDLE_INVALID", c.crashdump.destroy, vdi["crash_dumps"][0])
        c.VDI.destroy(dumps(c, vm)[0]["VDI"])
        assert len(dumps(c, vm)) == 1, "a dump goes with its disk"
        c.pool.set_crash_dump_SR(c.pool.get_all()[0], "OpaqueRef:NULL")
        c.host.set_crash_dump_sr(c.host.get_all()[0], "OpaqueRef:NULL")
        c.VM.start(vm, False, False)
        wait_until(lambda: c.VM.get_power_state(vm) == "Halted", "a crash without an SR for dumps is settled")
        assert len(dumps(c, vm)) == 1 and "VM_NO_CRASHDUMP_SR" in d.log()
        c.VM.destroy(vm)
        assert c.crashdump.get_all() == [] and default_sr(c)
        check(d, c, "crashes")


def preserved():
    """A guest that is kept stands still, over restarts too, until somebody ends or resets it."""
    with scripted("life delay=100ms when=1,2 end=crash\n") as d:
        c = d.client()
        vm = started(c, "kept", actions_after_crash="preserve")
        wait_until(lambda: c.VM.get_power_state(vm) == "Paused", "the guest is kept")
        assert names(c, vm) == ["VM_STARTED", "VM_CRASHED"], names(c, vm)
        d.kill()
        with open(os.path.join(d.directory, "script"), "w"):
            pass  # from here on it does not crash
        d.start()
        c = d.client()
        assert c.VM.get_power_state(vm) == "Paused" and names(c, vm) == ["VM_STARTED", "VM_CRASHED"]
        c.VM.hard_reboot(vm)
        assert c.VM.get_power_state(vm) == "Running"
        check(d, c, "a guest that was kept")


def crashed_while_nobody_looked():
    """The daemon dies over the dump of a guest; the next one finds the guest and does it all. A guest that crashed
    right after its start waits ten seconds for the next one."""
    with scripted("life delay=100ms when=1 end=crash\ndump hang=1\n") as d:
        c = d.client()
        vm = started(c, "crashed", actions_after_crash="coredump_and_restart")
        wait_until(lambda: "hard_shutdown" in c.VM.get_current_operations(vm).values(), "the dump is under way")
        assert c.VM.get_power_state(vm) == "Running"
        d.kill()
        with open(d.options[1], "w") as f:
            f.write("life delay=100ms when=2 end=crash\n")
        d.start()
        c = d.client()
        other = started(c, "renamed", actions_after_crash="rename_restart")
        wait_until(lambda: names(c, other).count("VM_STARTED") == 2, "the other one is, too")
        wait_until(lambda: names(c, vm).count("VM_STARTED") == 2, "the guest is started again")
        assert len(dumps(c, vm)) == 1 and "VM_CRASHED" in names(c, other)
        check(d, c, "a crash that a later daemon settled")


def a_dump_that_fails():
    """The guest ends all the same, and nothing of the dump stays; so it does when somebody else ends it."""
    with scripted("life delay=100ms when=1,2 end=crash\ndump fail=1 delay=100ms\n") as d:
        c = d.client()
        vm = started(c, "no dump", actions_after_crash="coredump_and_destroy")
        wait_until(lambda: c.VM.get_power_state(vm) == "Halted", "the crash is settled")
        assert dumps(c, vm) == []
        c.VM.start(vm, False, False)
        wait_until(lambda: "hard_shutdown" in c.VM.get_current_operations(vm).values(), "the dump is under way")
        c.VM.hard_shutdown(vm)
        assert c.VM.get_power_state(vm) == "Halted"


def reboot_of_its_own():
    with scripted("life delay=100ms when=1 end=reboot\n") as d:
        c = d.client()
        vm = started(c, "reboots", actions_after_reboot="restart")
        domid = c.VM.get_domid(vm)
        wait_until(lambda: "VM_REBOOTED" in names(c, vm), "the reboot is told")
        assert c.VM.get_power_state(vm) == "Running" and c.VM.get_domid(vm) == domid
        check(d, c, "reboot")


def a_guest_that_does_not_obey():
    """A shutdown that hangs ends when it is cancelled, or by a hard shutdown, which waits for nobody."""
    with scripted("shutdown hang=always\n") as d:
        c = d.client()
        vm = started(c, "stubborn")
        task = c.call("Async.VM.clean_shutdown", vm)
        wait_until(lambda: c.VM.get_current_operations(vm) == {task: "clean_shutdown"}, "the shutdown is under way")
        c.task.cancel(task)
        wait_until(lambda: c.task.get_status(task) == "cancelled", "it is cancelled")
        assert c.VM.get_current_operations(vm) == {} and c.VM.get_power_state(vm) == "Running"
        task = c.call("Async.VM.clean_shutdown", vm)
        wait_until(lambda: c.VM.get_current_operations(vm), "the shutdown is under way")
        assert "hard_shutdown" in c.VM.get_allowed_operations(vm)
        assert "pause" not in c.VM.get_allowed_operations(vm)
        c.VM.hard_shutdown(vm)
        assert c.VM.get_power_state(vm) == "Halted"
        wait_until(lambda: c.task.get_status(task) != "pending", "the clean one has ended")
        assert c.VM.get_current_operations(vm) == {}
        check(d, c, "a stubborn guest")


def taken_over():
    """After a restart: guests go on, VMs without a guest halt, guests without a VM end."""
    with Daemon("sim") as d:
        c = d.client()
        vms = {name: started(c, name) for name in ("goes on", "is gone", "is up", "is unknown")}
        paused = make_vm(c, "is paused")
        c.VM.start(paused, True, False)
        record = c.VM.get_record(vms["goes on"])
        orphan = c.VM.snapshot(vms["goes on"], "snapshot")
        uuids = {name: c.VM.get_uuid(vm) for name, vm in vms.items()}
        d.kill()
        end_simulated_guest(d, uuids["is gone"])
        with sqlite3.connect(os.path.join(d.state, "xapid.db")) as db:
            db.execute("UPDATE VM SET power_state = 'Halted', domid = -1, resident_on = 'OpaqueRef:NULL' "
                       "WHERE uuid = ?", (uuids["is up"],))
            db.execute("DELETE FROM VM WHERE uuid = ?", (uuids["is unknown"],))
            db.execute("UPDATE VM SET snapshot_of = 'OpaqueRef:00000000-0000-4000-8000-00000000dead' WHERE snapshot_of != 'OpaqueRef:NULL'")
        d.start()
        c = d.client()
        assert c.VM.get_power_state(vms["goes on"]) == "Running"
        assert c.VM.get_domid(vms["goes on"]) == record["domid"]
        assert c.VM.get_consoles(vms["goes on"]) == record["consoles"], "consoles stay the same objects"
        assert c.VM.get_power_state(vms["is gone"]) == "Halted"
        assert c.VM.get_power_state(vms["is up"]) == "Running"
        assert c.VM.get_power_state(paused) == "Paused"
        assert "pause" in c.VM.get_allowed_operations(vms["goes on"])
        assert "start" in c.VM.get_allowed_operations(vms["is gone"])
        assert uuids["is unknown"] not in simulated_guests(d)
        assert c.VM.get_snapshot_of(orphan) == "OpaqueRef:NULL"
        check(d, c, "a restart")  # the drives and NICs of the unknown VM are gone with it
        for name in ("goes on", "is up"):
            c.VM.hard_shutdown(vms[name])
        fails("HANDLE_INVALID", c.VM.get_uuid, vms["is unknown"])


def simulated_guests(d):
    """Uuids of the guests in the simulator's file: lines of "+ uuid …" when one begins, "- uuid" when it ends."""
    guests = set()
    with open(os.path.join(d.state, "sim")) as f:
        for line in f:
            kind, uuid = line.split()[:2]
            guests = guests | {uuid} if kind == "+" else guests - {uuid} if kind == "-" else guests
    return guests


def end_simulated_guest(d, uuid):
    assert uuid in simulated_guests(d)
    with open(os.path.join(d.state, "sim"), "a") as f:
        f.write(f"- {uuid}\n")


def main():
    for test in (ends_of_their_own, crashes, preserved, crashed_while_nobody_looked, a_dump_that_fails,
                 reboot_of_its_own, a_guest_that_does_not_obey, taken_over):
        test()
        print(f"ok {test.__name__}", flush=True)


if __name__ == "__main__":
    main()
