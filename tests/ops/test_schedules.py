#!/usr/bin/env python3
"""Snapshot schedules: what they accept, one turn, how many snapshots are kept."""

from daemon import Daemon, fails, make_vm, template
from invariants import check


def record(**more):
    return {"name_label": "nightly", "name_description": "", "enabled": True, "type": "snapshot", "retained_snapshots": 2,
            "frequency": "daily", "schedule": {"hour": "3"}, **more}


def what_is_accepted(c):
    for bad in ({"retained_snapshots": 0}, {"retained_snapshots": 11}, {"schedule": {"hour": "25"}},
                {"schedule": {"second": "0"}}):
        fails("INVALID_VALUE", c.VMSS.create, record(**bad))
    fails("VALUE_NOT_SUPPORTED", c.VMSS.create, record(type="snapshot_with_quiesce"))
    s = c.VMSS.create(record())
    assert c.VMSS.get_schedule(s) == {"hour": "3", "min": "0"}, c.VMSS.get_schedule(s)
    c.VMSS.set_frequency(s, "weekly")
    assert c.VMSS.get_schedule(s) == {"days": "Monday", "hour": "3", "min": "0"}
    c.VMSS.add_to_schedule(s, "days", "Friday,Saturday")
    assert c.VMSS.get_schedule(s)["days"] == "Friday,Saturday"
    fails("INVALID_VALUE", c.VMSS.add_to_schedule, s, "min", "5")
    c.VMSS.remove_from_schedule(s, "hour")
    assert c.VMSS.get_schedule(s)["hour"] == "0"
    c.VMSS.set_schedule(s, {"min": "45"})
    c.VMSS.set_frequency(s, "hourly")
    assert c.VMSS.get_schedule(s) == {"min": "45"}
    fails("INVALID_VALUE", c.VMSS.set_retained_snapshots, s, 99)
    fails("VALUE_NOT_SUPPORTED", c.VMSS.set_type, s, "snapshot_with_quiesce")
    c.VMSS.set_type(s, "checkpoint")
    c.VMSS.set_retained_snapshots(s, 10)
    c.VMSS.destroy(s)
    fails("HANDLE_INVALID", c.VMSS.snapshot_now, s)


def scheduled(c, vm):
    return [s for s in c.VM.get_snapshots(vm) if c.VM.get_is_vmss_snapshot(s)]


def posted(c, s):
    uuid = c.VMSS.get_uuid(s)
    return [m["name"] for m in c.message.get_all_records().values() if m["cls"] == "VMSS" and m["obj_uuid"] == uuid]


def turns(c):
    s, vm, blocked = c.VMSS.create(record()), make_vm(c, "kept", disks=1, nics=1), make_vm(c, "blocked", disks=0, nics=0)
    fails("VM_IS_TEMPLATE", c.VM.set_snapshot_schedule, template(c), s)
    fails("HANDLE_INVALID", c.VM.set_snapshot_schedule, vm, vm)
    c.VM.set_snapshot_schedule(vm, s)
    assert c.VMSS.get_VMs(s) == [vm] and c.VM.get_snapshot_schedule(vm) == s
    fails("VMSS_HAS_VM", c.VMSS.destroy, s)
    by_hand = c.VM.snapshot(vm, "by hand", [])
    disks = len(c.VDI.get_all())
    for n in range(1, 5):
        summary = c.VMSS.snapshot_now(s)
        assert c.VM.get_uuid(vm) in summary, summary
        assert len(scheduled(c, vm)) == min(n, 2), n
    assert by_hand in c.VM.get_snapshots(vm) and not c.VM.get_is_vmss_snapshot(by_hand)
    assert len(c.VDI.get_all()) == disks + 2, "the disks of old snapshots go with them"
    assert str(c.VMSS.get_last_run_time(s)) > "2020"
    assert posted(c, s) == ["VMSS_SNAPSHOT_SUCCEEDED"] * 4, posted(c, s)
    snapshot = scheduled(c, vm)[0]
    assert c.VM.get_name_label(snapshot).startswith("nightly kept 20"), c.VM.get_name_label(snapshot)
    assert c.VM.get_snapshot_schedule(snapshot) == "OpaqueRef:NULL", "a snapshot has no schedule of its own"
    fails("VM_IS_SNAPSHOT", c.VM.set_snapshot_schedule, snapshot, s)

    c.VM.add_to_blocked_operations(blocked, "snapshot", "not this one")
    c.VM.set_snapshot_schedule(blocked, s)
    assert "OPERATION_BLOCKED" in c.VMSS.snapshot_now(s)
    assert sorted(posted(c, s)[4:]) == ["VMSS_SNAPSHOT_FAILED", "VMSS_SNAPSHOT_SUCCEEDED"], posted(c, s)
    for one in (vm, blocked):
        c.VM.set_snapshot_schedule(one, "OpaqueRef:NULL")
    c.VMSS.destroy(s)


def checkpoints(d, c):
    """The memory of a VM that runs is kept, of others there is none; the image goes with its checkpoint."""
    s, vm = c.VMSS.create(record(type="checkpoint", retained_snapshots=1)), make_vm(c, "runs", disks=1, nics=0)
    c.VM.set_snapshot_schedule(vm, s)
    c.VM.start(vm, False, False)
    for _ in range(2):
        c.VMSS.snapshot_now(s)
        (kept,) = scheduled(c, vm)
        assert c.VM.get_power_state(kept) == "Suspended" and c.VM.get_power_state(vm) == "Running"
        assert c.VDI.get_type(c.VM.get_suspend_VDI(kept)) == "suspend"
        check(d, c, "a checkpoint by schedule")
    c.VM.hard_shutdown(vm)
    c.VMSS.snapshot_now(s)
    (kept,) = scheduled(c, vm)
    assert c.VM.get_power_state(kept) == "Halted" and c.VM.get_suspend_VDI(kept) == "OpaqueRef:NULL"
    assert posted(c, s) == ["VMSS_SNAPSHOT_SUCCEEDED"] * 3, posted(c, s)
    check(d, c, "a schedule of checkpoints")


def main():
    with Daemon("sim") as d:
        c = d.client()
        what_is_accepted(c)
        turns(c)
        checkpoints(d, c)


main()
