#!/usr/bin/env python3
"""A pool whose hosts do not all run the same version, by real daemons: the coordinator is upgraded first, then its
members; a member, or a host that joins, is never the newer one."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "ops"))
from daemon import BUILD, Failure, Lost, XAPID, fails, make_vm, wait_until  # noqa: E402
from pool import Pool, answers_as_member, is_live, join, leads  # noqa: E402

NEWER = os.path.join(BUILD, "tests", "pool", "xapid_newer")
VERSION = "99.1.0"


def restart(host, program):
    """Its guests run on, or, simulated, are there again."""
    host.stop()
    host.program = program
    host.start(wait=False)


def version(c, host):
    return c.host.get_software_version(host.me(c))["xapi_build"]


def upgrading(host):
    return host.client().pool.get_all_records().popitem()[1]["other_config"].get("rolling_upgrade_in_progress")


def a_newer_host_does_not_join(pool, new):
    c = new.client()
    fails("HOSTS_NOT_HOMOGENEOUS", c.pool.join, pool.address, "root", "secret")
    assert fails("HOST_XAPI_VERSION_HIGHER_THAN_COORDINATOR", c.pool.join_force, pool.address, "root",
                 "secret") == [VERSION]
    assert len(pool.client().host.get_all()) == 2 and len(c.host.get_all()) == 1 and leads(new)


def an_older_host_joins_by_force(hosts, old):
    c = old.client()
    fails("HOSTS_NOT_HOMOGENEOUS", c.pool.join, hosts[0].address, "root", "secret")
    c.pool.join_force(hosts[0].address, "root", "secret")
    wait_until(lambda: is_live(hosts[0], old) and answers_as_member(old, hosts[0]), "the older host is a member")


def a_member_that_is_newer_is_refused(hosts):
    """It says why, reads what it has, and is a member again once its version is."""
    c = hosts[0].client()
    restart(hosts[1], NEWER)
    local = wait_until(lambda: local_client(hosts[1]), "the member listens")
    wait_until(lambda: refused(hosts[1]) == ["HOST_XAPI_VERSION_HIGHER_THAN_COORDINATOR", VERSION], "it says why")
    assert local.host.is_in_emergency_mode()
    assert not is_live(hosts[0], hosts[1]) and upgrading(hosts[0]) is None
    assert "is not taken in: HOST_XAPI_VERSION_HIGHER_THAN_COORDINATOR" in hosts[0].log()
    restart(hosts[1], XAPID)
    wait_until(lambda: is_live(hosts[0], hosts[1]), "the member is back")
    assert version(c, hosts[1]) == version(c, hosts[0])


def local_client(host):
    try:
        return host.client_of_its_own()
    except (Lost, OSError):
        return None


def refused(host):
    try:
        host.client().network.create({"name_label": "in vain", "name_description": "", "other_config": {}, "MTU": "1500",
                                      "tags": []})
    except Failure as f:
        return [f.code, *f.params]
    except (Lost, OSError):
        return None
    raise AssertionError("a member that is refused has written")


def the_coordinator_first(hosts):
    vm = make_vm(hosts[0].client(), "before", disks=0)
    assert upgrading(hosts[0]) is None
    restart(hosts[0], NEWER)
    wait_until(lambda: leads(hosts[0]) and is_live(hosts[0], hosts[1]), "the member follows the newer coordinator")
    for h in hosts:
        c = h.client()
        wait_until(lambda c=c: version(c, hosts[0]) == VERSION, "its version is known")
        wait_until(lambda h=h: upgrading(h) == "true", "the upgrade is shown")
        assert version(c, hosts[1]) != VERSION
    return vm


def a_pool_of_two_versions(hosts, vm):
    """Guests start everywhere and go to what is newer, not back. Who leads stays."""
    c = hosts[1].client()
    new, old = (h.me(c) for h in hosts)
    c.network.set_name_description(c.network.get_all()[0], "written at the older one")
    assert c.network.get_name_description(c.network.get_all()[0]) == "written at the older one"
    c.VM.start_on(vm, old, False, False)
    c.VM.pool_migrate(vm, new, {})
    assert fails("VM_HOST_INCOMPATIBLE_VERSION_MIGRATE", c.VM.pool_migrate, vm, old, {}) == [old, vm]
    c.host.disable(new)
    assert vm in c.host.get_vms_which_prevent_evacuation(new)
    c.host.enable(new)
    c.VM.hard_shutdown(vm)
    fails("NOT_SUPPORTED_DURING_UPGRADE", c.pool.designate_new_master, old)
    fails("NOT_SUPPORTED_DURING_UPGRADE", c.pool.rotate_secret)


def then_its_members(hosts, vm):
    for h in hosts[1:]:
        assert upgrading(hosts[0]) == "true"
        restart(h, NEWER)
        wait_until(lambda h=h: version(hosts[0].client(), h) == VERSION, "the member is upgraded")
    wait_until(lambda: upgrading(hosts[0]) is None, "the upgrade is over")
    c = hosts[0].client()
    old, new = hosts[0].me(c), hosts[1].me(c)
    wait_until(lambda: is_live(hosts[0], hosts[1]), "the member is back")
    c.VM.start_on(vm, old, False, False)
    c.VM.pool_migrate(vm, new, {})
    c.VM.hard_shutdown(vm)
    c.pool.designate_new_master(new)
    wait_until(lambda: leads(hosts[1]), "the member leads")


def a_host_that_leaves_ends_the_upgrade(hosts, old):
    assert upgrading(hosts[0]) == "true"
    c = hosts[0].client()
    c.pool.eject(old.me(c))
    assert upgrading(hosts[0]) is None


def main():
    with Pool(4, joined=False) as hosts:
        pool, later, old = hosts[:2], hosts[2], hosts[3]
        join(pool[1], pool[0])
        restart(later, NEWER)
        wait_until(later.answers, "the newer host serves")
        a_newer_host_does_not_join(pool[0], later)
        a_member_that_is_newer_is_refused(pool)
        vm = the_coordinator_first(pool)
        a_pool_of_two_versions(pool, vm)
        join(later, pool[0])
        then_its_members(pool, vm)
        pool[0], pool[1] = pool[1], pool[0]
        an_older_host_joins_by_force(pool, old)
        a_host_that_leaves_ends_the_upgrade(pool, old)


if __name__ == "__main__":
    main()
