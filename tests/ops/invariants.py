"""What must hold whatever happened before."""

import json
import os
import subprocess

from daemon import XAPID, wait_until

CLASSES = ("VM", "VBD", "VIF", "VDI", "SR", "host", "pool", "network", "VM_appliance")


def violations(d, c, on_disk):
    """What is wrong at this moment, as a list of texts; on_disk: in the database's file, too."""
    found = []
    rows = {name: c.call(f"{name}.get_all_records") for name in (*CLASSES, "console", "VM_guest_metrics", "PBD")}
    for name in CLASSES:
        found += [f"{name} {ref}: {r['current_operations']}" for ref, r in rows[name].items()
                  if r.get("current_operations")]
    up = {ref for ref, vm in rows["VM"].items() if vm["power_state"] in ("Running", "Paused")}
    suspended = {ref for ref, vm in rows["VM"].items() if vm["power_state"] == "Suspended"}
    found += attachments(d, rows, up, {ref for ref in suspended if not rows["VM"][ref]["is_a_snapshot"]})
    found += images(rows, suspended)
    found += storage(d, rows)
    found += references(rows)
    uuids = {rows["VM"][ref]["uuid"] for ref in up if not rows["VM"][ref]["is_control_domain"]}
    notes = folder(d.state, "agent")
    found += [f"a guest's note without a running VM: {n}" for n in notes if n.split(".")[0] not in uuids]
    if d.hypervisor == "qemu":
        alive = len(d.guest_processes())
        if alive != len(uuids):
            found.append(f"{alive} QEMU processes for {len(uuids)} running VMs")
    return found or (database(d) if on_disk else [])


def database(d):
    r = subprocess.run([XAPID, "--state-dir", d.state, "--check-db"], capture_output=True, text=True)
    return r.stderr.splitlines()


def held(d, vm_uuid):
    """What the agent has noted for a guest: the VBDs and VIFs that it has, and the locations of the disks in them."""
    try:
        with open(os.path.join(d.state, "agent", f"{vm_uuid}.json")) as f:
            devices = json.load(f)["devices"]
    except FileNotFoundError:
        return {}
    assert not any(device.get("changing") for device in devices), devices
    return {device["uuid"]: device.get("location") for device in devices}


def attachments(d, rows, up, suspended):
    notes = {ref: held(d, rows["VM"][ref]["uuid"]) for ref in up}
    for name in ("VBD", "VIF"):
        for ref, r in rows[name].items():
            noted = notes.get(r["VM"], {})
            if r["currently_attached"] != (r["uuid"] in noted or r["VM"] in suspended):
                yield f"{name} {ref}: attached is {r['currently_attached']}"
            location = rows["VDI"][r["VDI"]]["location"] if r.get("VDI") in rows["VDI"] else None
            if name == "VBD" and r["uuid"] in noted and noted[r["uuid"]] != location:
                yield f"VBD {ref}: {location} lies in it, and {noted[r['uuid']]} in the guest's"
    for ref, r in rows["console"].items():
        if r["VM"] not in up:
            yield f"console {ref} of a VM that is not up"
    used = {vm["guest_metrics"] for vm in rows["VM"].values()}
    for ref in rows["VM_guest_metrics"]:
        if ref not in used:
            yield f"VM_guest_metrics {ref} of nobody"


def images(rows, suspended):
    """Each suspended VM has a memory image, no other VM has one, and there is none of nobody."""
    for ref, vm in rows["VM"].items():
        if (vm["suspend_VDI"] in rows["VDI"]) != (ref in suspended):
            yield f"VM {ref} is {vm['power_state']}, its image is {vm['suspend_VDI']}"
    known = {vm["suspend_VDI"] for vm in rows["VM"].values()}
    for ref, vdi in rows["VDI"].items():
        if vdi["type"] == "suspend" and ref not in known:
            yield f"memory image {ref} of nobody"


def storage(d, rows):
    for ref, sr in rows["SR"].items():
        path = os.path.join(d.state, "sr", sr["uuid"])
        if sr["type"] != "file" or not os.path.isdir(path):
            continue
        files = {f for f in os.listdir(path) if not f.endswith(".base.qcow2")}
        disks = {v["location"] for v in rows["VDI"].values() if v["SR"] == ref}
        if files != disks:
            yield f"SR {sr['uuid']}: files without row {files - disks}, rows without file {disks - files}"
    notes = folder(d.state, "making")
    if notes:
        yield f"disks are still noted as in the making: {notes}"


def references(rows):
    for name, field, target in (("VBD", "VM", "VM"), ("VBD", "VDI", "VDI"), ("VIF", "VM", "VM"), ("VDI", "SR", "SR"),
                                ("PBD", "SR", "SR"), ("console", "VM", "VM")):
        for ref, r in rows[name].items():
            if r[field] != "OpaqueRef:NULL" and r[field] not in rows[target]:
                yield f"{name} {ref}: {field} points at nothing"


def folder(*path):
    try:
        return os.listdir(os.path.join(*path))
    except FileNotFoundError:
        return []


def check(d, c, what, on_disk=True):
    """Hold everything to the invariants; what ends by itself (a guest's clean-up) is given the time."""
    last = []

    def fine():
        last[:] = violations(d, c, on_disk)
        return not last

    try:
        wait_until(fine, "the invariants hold", 20)
    except AssertionError:
        raise AssertionError(f"after {what}: {last}") from None
