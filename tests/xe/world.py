"""What the script tests of xe share: a fake pool with a few objects of known names, and xe run against it."""

import os
import subprocess
import unittest
from pathlib import Path

from fake_server import NONE, FakeServer, Model

SOURCE = Path(os.environ.get("srcdir", Path(__file__).resolve().parents[2]))
MODEL = Model(SOURCE / "model" / "classes")
XE = os.path.abspath(os.environ.get("XE", "xe/xe"))


def uuid(kind, n=1):
    """A uuid that says what it is of: kind is four hexadecimal digits."""
    return f"0000{kind}-0000-4000-8000-{n:012d}"


WEB, DB, TEMPLATE, SNAPSHOT, DOM0 = (uuid("00a1", n) for n in range(1, 6))
HOST, POOL, SR, ISO, DISK, CD, NETWORK = (uuid(f"00b{n}") for n in range(1, 8))
ROOT_VBD, CD_VBD, VIF = uuid("00c1", 1), uuid("00c1", 2), uuid("00c2")
PROVISION = '<provision><disk device="0" size="8589934592" sr="" bootable="true" type="system"/></provision>'


def ref(of):
    return "OpaqueRef:" + of


def fill(server):
    """One host with two SRs, a network, a running VM with a disk, a CD drive and a NIC, a halted VM, a template, a
    snapshot and the control domain."""
    add = server.add
    add("pool", uuid=POOL, master=ref(HOST), default_SR=ref(SR))
    add("host", uuid=HOST, name_label="alpha", hostname="alpha.lab", enabled=True)
    add("SR", uuid=SR, name_label="Local", type="file", content_type="user", PBDs=[ref(uuid("00d1"))])
    add("SR", uuid=ISO, name_label="Images", type="iso", content_type="iso")
    add("PBD", uuid=uuid("00d1"), host=ref(HOST), SR=ref(SR), currently_attached=True)
    add("network", uuid=NETWORK, name_label="lan", bridge="xenbr0", MTU="1500")
    add("VDI", uuid=DISK, name_label="root", SR=ref(SR), virtual_size="8589934592", type="system", VBDs=[ref(ROOT_VBD)])
    add("VDI", uuid=CD, name_label="debian.iso", SR=ref(ISO), virtual_size="4096", type="user", read_only=True)
    add("VM", uuid=WEB, name_label="web1", power_state="Running", tags=["a", "b"], VBDs=[ref(ROOT_VBD), ref(CD_VBD)],
        VIFs=[ref(VIF)], other_config={"mac_seed": "x", "folder": "/prod"}, snapshots=[ref(SNAPSHOT)],
        resident_on=ref(HOST), metrics=ref(uuid("00e1")), memory_static_max="268435456", VCPUs_max="2")
    add("VM_metrics", uuid=uuid("00e1"), memory_actual="268435456", VCPUs_number="2")
    add("VM", uuid=DB, name_label="db", power_state="Halted")
    add("VM", uuid=TEMPLATE, name_label="Demo", power_state="Halted", is_a_template=True,
        other_config={"disks": PROVISION})
    add("VM", uuid=SNAPSHOT, name_label="before", power_state="Halted", is_a_template=True, is_a_snapshot=True,
        snapshot_of=ref(WEB))
    add("VM", uuid=DOM0, name_label="Control domain", power_state="Running", is_control_domain=True)
    add("VBD", uuid=ROOT_VBD, VM=ref(WEB), VDI=ref(DISK), userdevice="0", device="vda", mode="RW", type="Disk",
        other_config={"owner": ""}, currently_attached=True)
    add("VBD", uuid=CD_VBD, VM=ref(WEB), VDI="OpaqueRef:NULL", userdevice="3", mode="RO", type="CD", empty=True)
    add("VIF", uuid=VIF, VM=ref(WEB), network=ref(NETWORK), device="0", MAC="02:00:00:00:00:AB", MTU="1500")


class Case(unittest.TestCase):
    """A test with a fake pool of its own."""

    maxDiff = None

    def setUp(self):
        self.server = FakeServer(MODEL)
        self.addCleanup(self.server.close)
        fill(self.server)

    def xe(self, *args, stdin="", env=None, code=0):
        """Run xe as root on the fake server; returns (stdout, stderr) after checking the exit code."""
        command = [XE, "-s", self.server.address, "-p", str(self.server.port), "--nossl", "-u", "root", "-pw", "secret"]
        return self.raw(*command, *args, stdin=stdin, env=env, code=code)

    def raw(self, *command, stdin="", env=None, code=0):
        environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"):
            if name in os.environ:
                environment[name] = os.environ[name]
        environment.update(env or {})
        done = subprocess.run(command, input=stdin.encode(), capture_output=True, env=environment, timeout=300)
        out, err = done.stdout.decode(), done.stderr.decode()
        self.assertEqual(done.returncode, code, f"{command}\nstdout: {out}\nstderr: {err}")
        return out, err

    def prints(self, expected, *args, **more):
        self.assertEqual(self.xe(*args, **more)[0], expected)

    def fails(self, expected, *args, **more):
        """Nothing on stdout, this on stderr, exit code 1."""
        out, err = self.xe(*args, code=1, **more)
        self.assertEqual((out, err), ("", expected))

    def work_calls(self):
        """The calls made, without login, logout and the clock."""
        usual = ("session.", "host.get_servertime", "message.get")
        return [c for c in self.server.calls if not c.startswith(usual)]


class Seen(Case):
    """A case that notes what is asked of the server."""

    def setUp(self):
        super().setUp()
        self.seen = []

    def answer(self, method, result=""):
        self.server.answers[method] = lambda *params: self.seen.append((method, *params)) or result
