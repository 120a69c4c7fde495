"""Two pools, for tests of VMs that go from one to the other."""

import contextlib
import os
import sqlite3
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "ops"))
from daemon import add_disk, make_vdi, make_vm  # noqa: E402
from moves import guests  # noqa: E402


class Pools:
    """Two pools, of one host each unless leads are others, and what is where."""

    def __init__(self, hosts, leads=None):
        self.hosts, self.leads = hosts, leads or hosts
        self.reconnect()

    def reconnect(self):
        self.c = [h.client() for h in self.leads]
        self.me = [h.me(c) for h, c in zip(self.hosts, self.c)]
        self.sr = [next(p["SR"] for p in c.PBD.get_all_records().values()
                        if p["host"] == me and c.SR.get_type(p["SR"]) == "file") for c, me in zip(self.c, self.me)]
        self.network = [c.PIF.get_network(c.host.get_management_interface(me)) for c, me in zip(self.c, self.me)]

    def dest(self, i):
        return self.c[i].host.migrate_receive(self.me[i], self.network[i], {})

    def folder(self, i):
        return next(p["device_config"]["location"] for p in self.c[i].PBD.get_all_records().values()
                    if p["SR"] == self.sr[i])

    def vm(self, i, name, disks=1):
        vm = make_vm(self.c[i], name, disks=0, nics=1)
        for n in range(disks):
            add_disk(self.c[i], vm, make_vdi(self.c[i], f"{name} disk {n}", sr=self.sr[i]))
        return vm

    def disks(self, i, vm):
        return [b["VDI"] for b in (self.c[i].VBD.get_record(b) for b in self.c[i].VM.get_VBDs(vm))
                if b["type"] == "Disk"]

    def maps(self, i, vm):
        """Where all disks and NICs go in the other pool."""
        return ({d: self.sr[1 - i] for d in self.disks(i, vm)},
                {v: self.network[1 - i] for v in self.c[i].VM.get_VIFs(vm)})

    def disk(self, i, vm, name):
        return next(d for d in self.disks(i, vm) if self.c[i].VDI.get_name_label(d) == name)

    def path(self, i, vdi):
        return os.path.join(self.folder(i), self.c[i].VDI.get_location(vdi))

    def send(self, i, vm, **options):
        disks, nics = self.maps(i, vm)
        return self.c[i].VM.migrate_send(vm, self.dest(1 - i), True, disks, nics, options)

    def find(self, i, uuid):
        """The VM in pool i; None."""
        found = [r for r, v in self.c[i].VM.get_all_records().items() if v["uuid"] == uuid]
        return found[0] if found else None

    def images(self, i):
        return sorted(f for f in os.listdir(self.folder(i)) if f.endswith(".qcow2"))

    def check_storage(self, i):
        """Every image has a row, and every row an image."""
        rows = sorted(v["location"] for v in self.c[i].VDI.get_all_records().values() if v["SR"] == self.sr[i])
        assert rows == self.images(i), (rows, self.images(i))

    def check_gone(self, i, uuid):
        assert self.find(i, uuid) is None and not guests(self.hosts[i], uuid)
        self.check_storage(i)


def where(p, uuid, state):
    """In which pools the VM is, settled."""
    found = [i for i in (0, 1) if p.find(i, uuid)]
    if len(found) != 1:
        return []
    record = p.c[found[0]].VM.get_record(p.find(found[0], uuid))
    here = guests(p.hosts[found[0]], uuid) == (state == "Running") and not guests(p.hosts[1 - found[0]], uuid)
    return found if record["power_state"] == state and record["current_operations"] == {} and here else []


def notes(host):
    """What the daemon has written down of crossings that are not over."""
    with contextlib.closing(sqlite3.connect(f"file:{host.state}/xapid.db?mode=ro", uri=True)) as db:
        return [r[0] for r in db.execute("SELECT crossing FROM VM UNION ALL SELECT crossings FROM pool")
                if r[0] not in ("", "{}", None)]


def is_tidy(p):
    try:
        for i in (0, 1):
            p.check_storage(i)
            assert notes(p.leads[i]) == []
        return True
    except AssertionError:
        return False
