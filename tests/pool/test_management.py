#!/usr/bin/env python3
"""Hosts that go over to another interface: one alone, a member, the coordinator, all of them, killed on the way."""

import os
import signal
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "ops"))
from daemon import Failure, Lost, make_vm, wait_until  # noqa: E402
from peer import membership  # noqa: E402
from pool import PORT, join, leads  # noqa: E402
from wires import WiredHost, enter_namespace, lay_wires  # noqa: E402


def fails(code, params, call, *args):
    try:
        call(*args)
    except Failure as failure:
        assert failure.code == code and (params is None or failure.params == params), failure
    else:
        raise AssertionError(f"no {code}")


def listens(address):
    try:
        socket.create_connection((address, int(PORT)), timeout=2).close()
        return True
    except OSError:
        return False


def patiently(call):
    """What call answers, once the daemon that is asked does."""
    def attempt():
        try:
            return [call()]
        except (Lost, OSError, Failure):
            return None
    return wait_until(attempt, "an answer")[0]


def managed_by(host, at):
    """Device and address of the host, as `at` knows it."""
    c = at.client()
    me = c.host.get_by_uuid(host.uuid)
    c.host_metrics.get_live(c.host.get_metrics(me))
    pifs = [p for p in c.PIF.get_all_records().values() if p["host"] == me and p["management"]]
    return [(p["device"], p["IP"], c.host.get_address(me)) for p in pifs]


def is_at(host, i, at=None):
    """Is it managed by eth<i>, there alone, and live?"""
    def check():
        try:
            c = (at or host).client()
            live = c.host_metrics.get_live(c.host.get_metrics(c.host.get_by_uuid(host.uuid)))
            return live and managed_by(host, at or host) == [(f"eth{i}", host.on[i], host.on[i])]
        except (Lost, OSError, Failure):
            return False
    wait_until(check, f"{host.n} is managed by eth{i}", 40)
    wait_until(lambda: listens(host.on[i]) and not listens(host.on[1 - i]), f"{host.n} listens at {host.on[i]} only")
    host.address = host.on[i]


def restart(host):
    """With the --address of its first start."""
    host.kill()
    now, host.address = host.address, host.on[0]
    host.start()
    host.address = now


def alone(host):
    c = host.client()
    me = c.host.get_all()[0]
    fails("INTERFACE_HAS_NO_IP", ["eth9"], c.host.local_management_reconfigure, "eth9")
    c.PIF.scan(me)
    assert listens(host.on[0]) and not listens(host.on[1])
    vm = make_vm(c)
    c.VM.start(vm, False, False)
    c.host.management_reconfigure(host.pif(c, "eth1"))
    is_at(host, 1)
    assert host.client().VM.get_power_state(vm) == "Running"
    restart(host)
    is_at(host, 1)
    host.client().VM.hard_shutdown(vm)
    host.client().host.management_reconfigure(host.pif(host.client(), "eth1"))  # it is there already
    one_without_address(host)
    the_interface_loses_its_address(host)
    by_none(host)


def one_without_address(host):
    c = host.client()
    host.inside("ip", "link", "add", "eth7", "type", "bridge")
    pif = c.PIF.introduce(c.host.get_all()[0], "", "eth7", True)
    fails("PIF_HAS_NO_NETWORK_CONFIGURATION", [pif], c.host.management_reconfigure, pif)
    fails("INTERFACE_HAS_NO_IP", ["eth7"], c.host.local_management_reconfigure, "eth7")
    fails("HANDLE_INVALID", None, c.host.management_reconfigure, c.host.get_all()[0])
    is_at(host, 1)


def the_interface_loses_its_address(host):
    """The host is reached at the address that the command line names until it has one again; a choice that nobody
    can read is none."""
    host.inside("ip", "address", "flush", "dev", "eth1")
    restart(host)
    wait_until(lambda: listens(host.on[0]), "it listens where the command line says")
    host.inside("ip", "address", "add", f"{host.on[1]}/24", "dev", "eth1")
    restart(host)
    is_at(host, 1)
    path = os.path.join(host.state, "management")
    with open(path) as f:
        good = f.read()
    for bad in ("interface = eth1\n", "interface = " + "e" * 300 + "\naddress = 192.168.72.1\n",
                "interface = eth1\naddress = nowhere\n", "\0\xff", ""):
        with open(path, "w") as f:
            f.write(bad)
        restart(host)
        wait_until(lambda: listens(host.on[0]), f"it starts in spite of {bad!r}")
    with open(path, "w") as f:
        f.write(good)
    restart(host)
    is_at(host, 1)


def by_none(host):
    c = host.client()
    c.host.management_disable()
    wait_until(lambda: not listens(host.on[0]) and not listens(host.on[1]), "nothing is listened on")
    assert patiently(lambda: managed_by(host, host)) == []
    restart(host)
    assert not listens(host.on[0]) and not listens(host.on[1])
    fails("HOST_HAS_NO_MANAGEMENT_IP", [], host.client().host.get_management_interface, host.client().host.get_all()[0])
    host.client().host.local_management_reconfigure("eth0")
    is_at(host, 0)


def a_member(one, two):
    c = one.client()
    c.PIF.scan(c.host.get_by_uuid(two.uuid))
    fails("SLAVE_REQUIRES_MANAGEMENT_INTERFACE", [], two.client_of_its_own().host.management_disable)
    fails("OPERATION_NOT_ALLOWED", None, c.host.management_disable)
    c.host.management_reconfigure(two.pif(c, "eth1"))
    is_at(two, 1, one)
    restart(two)
    is_at(two, 1, one)
    patiently(lambda: two.client().network.get_all())
    works(one, two)


def works(one, two):
    """Calls at either, and a guest on the member."""
    vm = patiently(lambda: make_vm(two.client(), disks=0, nics=0))
    member = two.client().host.get_by_uuid(two.uuid)
    two.client().VM.start_on(vm, member, False, False)
    assert one.client().VM.get_resident_on(vm) == member
    one.client().VM.hard_shutdown(vm)
    one.client().VM.destroy(vm)


def the_coordinator(one, two):
    c = one.client()
    pid = two.process.pid
    c.host.management_reconfigure(one.pif(c, "eth1"))
    is_at(one, 1, two)
    assert membership(two)["coordinator"] == one.on[1] and leads(one) and two.process.pid == pid
    is_at(two, 1, one)
    works(one, two)
    for h in (two, one):
        restart(h)
    is_at(one, 1, two)
    is_at(two, 1, one)


def all_of_them(one, two):
    c = one.client()
    networks = {c.network.get_name_label(n): n for n in c.network.get_all()}
    lonely = c.network.create({"name_label": "lonely", "name_description": "", "other_config": {}, "MTU": "1500",
                               "tags": []})
    fails("PIF_NOT_PRESENT", None, c.pool.management_reconfigure, lonely)
    is_at(two, 1, one)
    c.pool.management_reconfigure(networks["Pool-wide network associated with eth0"])
    is_at(two, 0, one)
    is_at(one, 0, two)
    works(one, two)
    pif = two.pif(one.client(), "eth1")
    two.kill()
    me = one.client().host.get_by_uuid(two.uuid)
    wait_until(lambda: not one.client().host_metrics.get_live(one.client().host.get_metrics(me)), "it is gone")
    fails("HOST_OFFLINE", [me], one.client().pool.management_reconfigure,
          networks["Pool-wide network associated with eth1"])
    fails("HOST_OFFLINE", [me], one.client().host.management_reconfigure, pif)
    is_at(one, 0)
    two.start()
    is_at(two, 0, one)


def killed_on_the_way(one, two):
    """The choice is written down and no member has been told."""
    to, now = 1, 0
    one.arm("network:1:kill")
    try:
        one.client().host.management_reconfigure(one.pif(one.client(), "eth1"))
    except Lost:
        pass
    one.process.wait()
    assert one.process.returncode == -signal.SIGKILL
    assert membership(two)["coordinator"] == one.on[now]
    one.address = one.on[0]
    one.start()
    is_at(one, to)
    wait_until(lambda: membership(two)["coordinator"] == one.on[to], "the member is told")
    is_at(two, 0, one)
    works(one, two)


def a_member_that_was_away(one, two):
    """It looks for the coordinator where it was."""
    two.kill()
    c = one.client()
    c.host.management_reconfigure(one.pif(c, "eth0"))
    is_at(one, 0)
    two.start(wait=False)
    is_at(two, 0, one)
    assert membership(two)["coordinator"] == one.on[0]


def main():
    enter_namespace()
    lay_wires()
    options = ["--fault-at", "control"]
    with WiredHost(1, options) as one, WiredHost(2) as two:
        alone(one)
        join(two, one)
        a_member(one, two)
        the_coordinator(one, two)
        all_of_them(one, two)
        killed_on_the_way(one, two)
        a_member_that_was_away(one, two)
    print("ok")


if __name__ == "__main__":
    main()
