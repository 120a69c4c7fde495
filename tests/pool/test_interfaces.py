#!/usr/bin/env python3
"""A host's own interfaces become PIFs: those of a host alone and of a member, looked for and introduced by name."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "ops"))
from daemon import Failure, wait_until  # noqa: E402
from pool import is_live, join  # noqa: E402
from wires import WiredHost, enter_namespace, lay_wires  # noqa: E402


def fails(code, params, call, *args):
    try:
        call(*args)
    except Failure as failure:
        assert failure.code == code and (params is None or failure.params == params), failure
    else:
        raise AssertionError(f"no {code}")


def pifs(host, c):
    me = c.host.get_by_uuid(host.uuid)
    return {p["device"]: p for p in c.PIF.get_all_records().values() if p["host"] == me}


def a_scan_finds_them(host, c):
    before = pifs(host, c)
    assert list(before) == ["eth0"], before
    me = c.host.get_by_uuid(host.uuid)
    c.PIF.scan(me)
    c.PIF.scan(me)
    found = pifs(host, c)
    assert sorted(found) == ["eth0", "eth1"], found
    for i, device in enumerate(("eth0", "eth1")):
        p = found[device]
        assert (p["IP"], p["netmask"]) == (host.on[i], "255.255.255.0"), p
        assert p["ip_configuration_mode"] == "Static" and p["management"] == (i == 0) and p["VLAN"] == -1, p
        assert p["MAC"] in host.inside_text("ip", "link", "show", device), p
        assert c.network.get_name_label(p["network"]) == f"Pool-wide network associated with {device}"
    assert found["eth0"]["uuid"] == before["eth0"]["uuid"], "the PIF of the first start stands for eth0"


def one_is_introduced(host, c):
    """An interface without an address, which a scan passes over."""
    me = c.host.get_by_uuid(host.uuid)
    host.inside("ip", "link", "add", "eth7", "address", "02:00:00:00:00:07", "type", "bridge")
    c.PIF.scan(me)
    assert "eth7" not in pifs(host, c)
    fails("MAC_INVALID", ["nonsense"], c.PIF.introduce, me, "nonsense", "eth7", True)
    fails("MAC_DOES_NOT_EXIST", ["02:00:00:00:00:08"], c.PIF.introduce, me, "02:00:00:00:00:08", "eth7", True)
    fails("PIF_DEVICE_NOT_FOUND", [], c.PIF.introduce, me, "", "eth8", True)
    ref = c.PIF.introduce(me, "02:00:00:00:00:07", "eth7", True)
    p = c.PIF.get_record(ref)
    assert p["device"] == "eth7" and p["ip_configuration_mode"] == "None" and p["managed"], p
    fails("DEVICE_ALREADY_EXISTS", ["eth7"], c.PIF.introduce, me, "", "eth7", True)


def addresses_follow_the_interface(host, c):
    """At the next start."""
    host.inside("ip", "address", "add", "192.168.79.1/25", "dev", "eth7")
    host.kill()
    host.start()
    p = pifs(host, host.client())["eth7"]
    assert (p["IP"], p["netmask"], p["ip_configuration_mode"]) == ("192.168.79.1", "255.255.255.128", "Static"), p


def main():
    enter_namespace()
    lay_wires()
    with WiredHost(1) as one, WiredHost(2) as two:
        c = one.client()
        a_scan_finds_them(one, c)
        one_is_introduced(one, c)
        addresses_follow_the_interface(one, c)
        join(two, one)
        c = one.client()
        a_scan_finds_them(two, c)
        networks = {d: p["network"] for d, p in pifs(two, c).items()}
        assert networks == {d: p["network"] for d, p in pifs(one, c).items() if d in networks}, "one wire, one network"
        two.kill()
        wait_until(lambda: not is_live(one, two), "the member is gone")
        member = c.host.get_by_uuid(two.uuid)
        fails("HOST_OFFLINE", [member], c.PIF.scan, member)
    print("ok")


if __name__ == "__main__":
    main()
