"""Hosts of a pool and storage that all reach, for tests of guests that move between them."""

import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "ops"))
from daemon import add_disk, make_vdi, make_vm, template, vif  # noqa: E402


MIB = 1 << 20


class Moves:
    """The hosts and their coordinator's client, with storage that all reach."""

    def __init__(self, hosts, folder):
        self.hosts, self.c = hosts, hosts[0].client()
        c = self.c
        self.refs = [h.me(c) for h in hosts]
        self.shared = c.SR.create(self.refs[0], {"location": folder}, 0, "shared", "", "file", "user", True, {})
        for ref in self.refs[1:]:
            pbd = c.PBD.create({"host": ref, "SR": self.shared, "device_config": {"location": folder},
                                "other_config": {}})
            c.PBD.plug(pbd)

    def local_sr(self, i):
        """The writable storage of one host only."""
        records = self.c.SR.get_all_records()
        here = [p["SR"] for p in self.c.PBD.get_all_records().values() if p["host"] == self.refs[i]]
        return next(r for r in here if records[r]["type"] == "file" and not records[r]["shared"])

    def vm(self, name, sr=None):
        vm = make_vm(self.c, name, disks=0, nics=1)
        disk = make_vdi(self.c, f"{name} disk", sr=sr or self.shared)
        add_disk(self.c, vm, disk)
        return vm

    def at(self, vm):
        return self.refs.index(self.c.VM.get_resident_on(vm))

    def disk(self, vm):
        return self.c.VBD.get_VDI(self.c.VM.get_VBDs(vm)[0])

    def check_at(self, vm, i):
        c, record = self.c, self.c.VM.get_record(vm)
        assert record["power_state"] == "Running" and record["current_operations"] == {}, record
        assert record["resident_on"] == self.refs[i] and record["scheduled_to_be_resident_on"].endswith("NULL"), record
        for console in record["consoles"]:
            assert f"//{self.hosts[i].address}/" in c.console.get_location(console) + "/"
        assert [h for h in self.hosts if guests(h, record["uuid"])] == [self.hosts[i]]


def guests(host, uuid):
    """Does the host hold anything for the guest?"""
    return os.path.exists(os.path.join(host.state, "agent", f"{uuid}.json"))


# ---- real ones ----

def demo(c, name, sr):
    vm = c.VM.clone(template(c, "Demo guest"), name)
    c.VM.provision(vm)
    c.VM.set_memory_limits(vm, 128 * MIB, 128 * MIB, 128 * MIB, 128 * MIB)
    for b in c.VM.get_VBDs(vm):
        old = c.VBD.get_VDI(b)
        c.VBD.destroy(b)
        c.VDI.destroy(old)
    c.VIF.create(vif(c, vm, "0"))
    add_disk(c, vm, make_vdi(c, f"{name} disk", sr=sr, size=32 * MIB), device="0")
    return vm


def fill(guest):
    """Checksums of a file in the guest's memory and of its disk, both just written."""
    guest.run("dd if=/dev/urandom of=/ram bs=1M count=8 2>/dev/null; "
              "dd if=/ram of=/dev/vda bs=1M seek=8 2>/dev/null; sync")
    return checksums(guest)


def checksums(guest):
    text = guest.run("md5sum < /ram; echo 3 > /proc/sys/vm/drop_caches; "
                     "dd if=/dev/vda bs=1M skip=8 count=8 2>/dev/null | md5sum")
    sums = re.findall(r"[0-9a-f]{32}", text)
    assert len(sums) == 2 and sums[0] == sums[1], text
    return sums[0]
