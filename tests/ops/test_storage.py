#!/usr/bin/env python3
"""SRs, PBDs and disks: making, finding, copying and losing them."""

import os
import subprocess

from daemon import Daemon, add_disk, default_sr, fails, make_vdi, make_vm, vbd
from invariants import check

GIB = 1 << 30


def folder(d, name):
    path = os.path.join(d.directory, name)
    os.makedirs(path, exist_ok=True)
    return path


def first_start(d, c):
    pool = c.pool.get_all_records().popitem()[1]
    sr = c.SR.get_record(pool["default_SR"])
    assert sr["type"] == "file" and sr["name_label"] == "Local storage" and pool["suspend_image_SR"] != "OpaqueRef:NULL"
    assert int(sr["physical_size"]) > 0
    pbd = c.PBD.get_record(sr["PBDs"][0])
    assert pbd["currently_attached"] and pbd["host"] == c.host.get_all()[0]
    types = {sm["type"]: sm for sm in c.SM.get_all_records().values()}
    assert set(types) == set(c.SR.get_supported_types())
    assert "VDI_CREATE" in types["file"]["features"] and "location" in types["file"]["configuration"]


def life_of_an_sr(d, c):
    host, path = c.host.get_all()[0], folder(d, "another")
    create = ("another", "", "file", "user", False, {})
    fails("SR_UNKNOWN_DRIVER", c.SR.create, host, {}, 0, "x", "", "nonsense", "user", False, {})
    fails("SR_BACKEND_FAILURE_85", c.SR.create, host, {}, 0, *create)
    assert len(c.SR.get_all()) == 2, "a failed SR.create leaves nothing"
    sr = c.SR.create(host, {"location": path}, 0, *create)
    fails("SR_DEVICE_IN_USE", c.SR.create, host, {"location": path}, 0, *create)
    stranger = c.SR.introduce("5d64d3a5-12ad-4c43-b5ac-0c2b7e4e1b3f", "stranger", "", "file", "user", False, {})
    fails("SR_DEVICE_IN_USE", c.PBD.create, {"host": host, "SR": stranger, "device_config": {"location": path}})
    c.SR.forget(stranger)
    vdi = make_vdi(c, "kept", sr=sr)
    assert int(c.SR.get_virtual_allocation(sr)) == 16 << 20
    pbd, = c.SR.get_PBDs(sr)
    assert fails("SR_HAS_PBD", c.SR.destroy, sr) == [sr]
    fails("SR_HAS_PBD", c.SR.forget, sr)
    fails("OPERATION_NOT_ALLOWED", c.PBD.destroy, pbd)
    c.PBD.unplug(pbd)
    c.PBD.unplug(pbd)
    assert fails("SR_HAS_NO_PBDS", make_vdi, c, "x", 1 << 20, sr) == [sr]
    assert "vdi_create" not in c.SR.get_allowed_operations(sr) and c.VDI.get_allowed_operations(vdi) != []
    assert "clone" not in c.VDI.get_allowed_operations(vdi) and "forget" in c.VDI.get_allowed_operations(vdi)
    fails("SR_NOT_EMPTY", c.SR.destroy, sr)
    uuid, vdi_uuid = c.SR.get_uuid(sr), c.VDI.get_uuid(vdi)
    c.SR.forget(sr)
    fails("HANDLE_INVALID", c.SR.get_uuid, sr)
    fails("HANDLE_INVALID", c.VDI.get_uuid, vdi)
    return introduce_again(c, host, path, uuid, vdi_uuid)


def introduce_again(c, host, path, uuid, vdi_uuid):
    sr = c.SR.introduce(uuid, "again", "", "file", "user", False, {})
    fails("SR_UUID_EXISTS", c.SR.introduce, uuid, "again", "", "file", "user", False, {})
    pbd = c.PBD.create({"host": host, "SR": sr, "device_config": {"location": path}})
    assert c.PBD.create({"host": host, "SR": sr, "device_config": {}}) == pbd, "there is one already"
    c.PBD.plug(pbd)
    vdi = c.VDI.get_by_uuid(vdi_uuid)
    assert c.VDI.get_SR(vdi) == sr
    c.VDI.destroy(vdi)
    c.PBD.unplug(pbd)
    c.SR.destroy(sr)
    assert not os.path.exists(path)


def scanning(d, c):
    sr = next(r for r, s in c.SR.get_all_records().items() if s["type"] == "iso")
    path = c.PBD.get_device_config(c.SR.get_PBDs(sr)[0])["location"]
    for name in ("a.iso", "b.iso"):
        with open(os.path.join(path, name), "wb") as f:
            f.truncate(1 << 20)
    c.SR.scan(sr)
    isos = {v["name_label"]: v for v in c.VDI.get_all_records().values() if v["SR"] == sr}
    assert set(isos) == {"a.iso", "b.iso"} and isos["a.iso"]["read_only"]
    a, b = (c.VDI.get_by_uuid(isos[n]["uuid"]) for n in ("a.iso", "b.iso"))
    vm = make_vm(c, "with a CD", disks=0, nics=0)
    cd = c.VBD.create(vbd(vm, a, "3", mode="RO", type="CD"))
    fails("VDI_READONLY", c.VBD.create, vbd(vm, b))
    fails("SR_OPERATION_NOT_SUPPORTED", c.VDI.destroy, a)
    os.unlink(os.path.join(path, "a.iso"))
    c.SR.scan(sr)
    fails("HANDLE_INVALID", c.VDI.get_uuid, a)
    assert c.VBD.get_empty(cd), "the drive of a CD that is gone is empty"
    c.VBD.insert(cd, b)
    c.VM.start(vm, False, False)
    c.VM.hard_shutdown(vm)
    fails("SR_OPERATION_NOT_SUPPORTED", make_vdi, c, "x", 1 << 20, sr)


def disks(d, c):
    vdi = make_vdi(c, "disk", 10 << 20, other_config={"a": "b"})
    clone, snapshot = c.VDI.clone(vdi), c.VDI.snapshot(vdi)
    assert c.VDI.get_name_label(clone) == "disk" and c.VDI.get_other_config(clone) == {"a": "b"}
    assert not c.VDI.get_is_a_snapshot(clone) and c.VDI.get_is_a_snapshot(snapshot)
    assert c.VDI.get_snapshot_of(snapshot) == vdi and c.VDI.get_snapshots(vdi) == [snapshot]
    c.VDI.resize(vdi, 20 << 20)
    assert int(c.VDI.get_virtual_size(vdi)) == 20 << 20 and int(c.VDI.get_virtual_size(clone)) == 10 << 20
    assert fails("VDI_TOO_SMALL", c.VDI.resize, vdi, 1 << 20)[0] == vdi
    copy = c.VDI.copy(vdi, default_sr(c))
    assert int(c.VDI.get_virtual_size(copy)) == 20 << 20
    fails("VDI_TOO_SMALL", c.VDI.copy, vdi, "OpaqueRef:NULL", "OpaqueRef:NULL", clone)
    assert c.VDI.copy(clone, "OpaqueRef:NULL", "OpaqueRef:NULL", copy) == copy
    fails("VDI_IN_USE", c.VDI.copy, copy, "OpaqueRef:NULL", "OpaqueRef:NULL", copy)
    uuid, location = c.VDI.get_uuid(clone), c.VDI.get_location(clone)
    c.VDI.forget(clone)
    fails("HANDLE_INVALID", c.VDI.get_uuid, clone)
    sr = default_sr(c)
    fails("VDI_LOCATION_MISSING", c.VDI.introduce, "", "x", "", sr, "user", False, False, {}, "nowhere.qcow2")
    fails("LOCATION_NOT_UNIQUE", c.VDI.introduce, "", "x", "", sr, "user", False, False, {}, c.VDI.get_location(vdi))
    clone = c.VDI.introduce(uuid, "found", "", sr, "user", False, False, {}, location)
    assert c.VDI.get_uuid(clone) == uuid and int(c.VDI.get_virtual_size(clone)) == 10 << 20
    fails("INVALID_VALUE", make_vdi, c, "x", -1)
    for each in (clone, snapshot, copy, vdi):
        c.VDI.destroy(each)
    check(d, c, "disks")


def qemu_io(d, c, vdi, command):
    path = os.path.join(d.state, "sr", c.SR.get_uuid(c.VDI.get_SR(vdi)), c.VDI.get_location(vdi))
    done = subprocess.run(["qemu-io", "-c", command, path], capture_output=True, text=True, check=True)
    return "error" not in done.stdout + done.stderr and "failed" not in done.stdout + done.stderr


def reverting(d, c):
    """A disk holds again what its snapshots do, in any order, and is the same object all the while."""
    vdi = make_vdi(c, "reverted")
    before = c.VDI.get_record(vdi)
    pictures = []
    for pattern in (1, 2, 3):
        assert qemu_io(d, c, vdi, f"write -P {pattern} 0 1M")
        pictures.append(c.VDI.snapshot(vdi))
    c.VDI.resize(vdi, 64 << 20)
    for which in (1, 0, 2, 2):
        c.VDI.revert(pictures[which])
        assert qemu_io(d, c, vdi, f"read -P {which + 1} 0 1M"), which
        assert c.VDI.get_virtual_size(vdi) == before["virtual_size"]
        assert c.VDI.get_uuid(vdi) == before["uuid"] and set(c.VDI.get_snapshots(vdi)) == set(pictures)
        assert qemu_io(d, c, vdi, "write -P 9 0 1M"), "what is written to it leaves the snapshot alone"
    check(d, c, "reverts of a disk")
    fails("OPERATION_NOT_ALLOWED", c.VDI.revert, vdi)
    vm = make_vm(c, "user", disks=0, nics=0)
    add_disk(c, vm, vdi)
    c.VM.start(vm, False, False)
    assert fails("VDI_IN_USE", c.VDI.revert, pictures[0]) == [vdi, "revert_to"]
    c.VM.hard_shutdown(vm)
    c.VDI.destroy(vdi)
    fails("HANDLE_INVALID", c.VDI.revert, pictures[0])
    assert qemu_io(d, c, pictures[0], "read -P 1 0 1M")
    for p in pictures:
        c.VDI.destroy(p)
    folder = os.path.join(d.state, "sr", c.SR.get_uuid(default_sr(c)))
    assert not [f for f in os.listdir(folder) if f.endswith(".base.qcow2")], "nothing is left of them"


def shared_disk(d, c):
    vdi = make_vdi(c, "shared", sharable=True)
    vms = [make_vm(c, f"sharer {i}", disks=0, nics=0) for i in range(2)]
    for vm in vms:
        add_disk(c, vm, vdi)
        c.VM.start(vm, False, False)
    for vm in vms:
        c.VM.hard_shutdown(vm)
    c.VDI.destroy(vdi)


def copies_of_vms(d, c):
    vm = make_vm(c, "original", disks=2, nics=1)
    cd = c.VBD.create(vbd(vm, "OpaqueRef:NULL", "5", mode="RO", type="CD", empty=True))
    for copy in (c.VM.clone(vm, "clone"), c.VM.copy(vm, "copy", default_sr(c)), c.VM.snapshot(vm, "snapshot")):
        mine = {v["userdevice"]: v for v in c.VBD.get_all_records().values() if v["VM"] == copy}
        theirs = {v["userdevice"]: v for v in c.VBD.get_all_records().values() if v["VM"] == vm}
        assert set(mine) == set(theirs) and not {v["VDI"] for v in mine.values()} & {v["VDI"] for v in theirs.values()} - {
            "OpaqueRef:NULL"}
        a, b = c.VM.get_record(copy), c.VM.get_record(vm)
        assert a["uuid"] != b["uuid"] and a["metrics"] != b["metrics"] and a["platform"] == b["platform"]
        assert a["memory_static_max"] == b["memory_static_max"] and a["power_state"] == "Halted"
    kept = c.VM.snapshot(vm, "partial", [c.VBD.get_VDI(b) for b in c.VM.get_VBDs(vm) if b != cd][:1])
    assert len(c.VM.get_VBDs(kept)) == 2, "one disk was left out"
    check(d, c, "copies")


def main():
    for test in (first_start, life_of_an_sr, scanning, disks, reverting, shared_disk, copies_of_vms):
        with Daemon("sim") as d:
            test(d, d.client())
            print(f"ok {test.__name__}", flush=True)


if __name__ == "__main__":
    main()
