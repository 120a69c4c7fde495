"""Hosts in network namespaces of their own, each with an eth0 and an eth1, on two wires that the test is on too."""

import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "ops"))
from pool import Host  # noqa: E402

WIRES = ("192.168.71", "192.168.72")


def run(*words):
    subprocess.run(words, check=True, capture_output=True)


def enter_namespace():
    """This script again, where nothing else is; exit status 77 where that is not possible."""
    if os.environ.get("XAPID_WIRES"):
        return
    if subprocess.run(["unshare", "-n", "sh", "-c", "ip link add w type bridge && ip link add v0 type veth peer name v1"],
                      capture_output=True).returncode != 0:
        print("skipped: no network namespace can be made")
        sys.exit(77)
    os.environ["XAPID_WIRES"] = "yes"
    os.execvp("unshare", ["unshare", "-n", sys.executable, *sys.argv])


def lay_wires():
    run("ip", "link", "set", "lo", "up")
    for i, wire in enumerate(WIRES):
        run("ip", "link", "add", f"wire{i}", "type", "bridge")
        run("ip", "address", "add", f"{wire}.254/24", "dev", f"wire{i}")
        run("ip", "link", "set", f"wire{i}", "up")


class WiredHost(Host):
    """The n-th host, at .n of both wires; it starts on the first one."""

    def __init__(self, n, options=()):
        self.n = n
        self.on = [f"{wire}.{n}" for wire in WIRES]
        super().__init__(self.on[0], "sim", options)
        self.holder = subprocess.Popen(["unshare", "-n", "sleep", "infinity"])
        self.prefix = ["nsenter", "-t", str(self.holder.pid), "-n"]
        self.lay()

    def lay(self):
        while os.readlink(f"/proc/{self.holder.pid}/ns/net") == os.readlink("/proc/self/ns/net"):
            pass
        self.inside("ip", "link", "set", "lo", "up")
        for i, wire in enumerate(WIRES):
            outer = f"h{self.n}w{i}"
            run("ip", "link", "add", outer, "type", "veth", "peer", "name", f"eth{i}", "netns", str(self.holder.pid))
            run("ip", "link", "set", outer, "master", f"wire{i}", "up")
            self.inside("ip", "address", "add", f"{wire}.{self.n}/24", "dev", f"eth{i}")
            self.inside("ip", "link", "set", f"eth{i}", "up")

    def inside(self, *words):
        run(*self.prefix, *words)

    def inside_text(self, *words):
        return subprocess.run([*self.prefix, *words], check=True, capture_output=True, text=True).stdout

    def pif(self, c, device):
        """The PIF of this host for that device."""
        host = c.host.get_by_uuid(self.uuid)
        return next(ref for ref, p in c.PIF.get_all_records().items() if p["host"] == host and p["device"] == device)

    def __enter__(self):
        super().__enter__()
        c = self.client()
        self.uuid = c.host.get_uuid(self.me(c))
        return self

    def __exit__(self, *problem):
        super().__exit__(*problem)
        self.holder.kill()
        self.holder.wait()
