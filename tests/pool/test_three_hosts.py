#!/usr/bin/env python3
"""Three hosts with guests that write all the time, from the join to the coordinator's death and what comes after."""

import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "ops"))
import demo_guest  # noqa: E402
from daemon import Failure, Lost, wait_until  # noqa: E402
from moves import Moves  # noqa: E402
from pool import Pool, answers_as_member, is_live, leads  # noqa: E402
from working_guest import Guest  # noqa: E402


def to_and_fro(m, guest):
    for host in (1, 0):
        m.c.VM.pool_migrate(guest.vm, m.refs[host], {})
        m.check_at(guest.vm, host)
        guest.check()


def evacuation(m, guest):
    """Of the host that has it; then it is put where the coordinator is not."""
    m.c.host.disable(m.refs[1])
    m.c.host.evacuate(m.refs[1])
    assert m.at(guest.vm) != 1
    guest.check()
    m.c.host.enable(m.refs[1])
    if m.at(guest.vm) != 2:
        m.c.VM.pool_migrate(guest.vm, m.refs[2], {})
    m.check_at(guest.vm, 2)


def coordinator_dies_with_its_guest(m, lost, other):
    """What the others have goes on; what was there starts elsewhere, once somebody says that the host is dead, with all
    that it had written."""
    old, new = m.hosts[0], m.hosts[1]
    lost.check()
    written = lost.count
    old.kill()
    old.end_guests()
    local = new.client_of_its_own()
    wait_until(local.host.is_in_emergency_mode, "a member notices")
    local.pool.emergency_transition_to_master()
    wait_until(lambda: leads(new), "the member leads")
    m.c = new.client()
    assert m.c.pool.recover_slaves() == [m.refs[2]]
    wait_until(lambda: is_live(new, m.hosts[2]), "the other member follows")
    m.check_at(other.vm, 2)
    other.check()
    assert m.c.VM.get_power_state(lost.vm) == "Running" and m.at(lost.vm) == 0
    m.c.host.declare_dead(m.refs[0])
    assert m.c.VM.get_power_state(lost.vm) == "Halted"
    lost.restart(1, written)


def has_storage(m, i):
    return all(p["currently_attached"] for p in m.c.PBD.get_all_records().values() if p["host"] == m.refs[i])


def the_old_one_is_back_and_leaves(m, guests):
    """As a member, without a word of the guest that was its own."""
    old, new = m.hosts[0], m.hosts[1]
    old.start()
    wait_until(lambda: is_live(new, old), "the old coordinator follows")
    wait_until(lambda: answers_as_member(old, new), "and answers")
    assert not old.guest_processes()
    wait_until(lambda: has_storage(m, 0), "its storage is attached")
    m.c.VM.pool_migrate(guests[0].vm, m.refs[0], {})
    guests[0].check()
    m.c.VM.pool_migrate(guests[0].vm, m.refs[1], {})
    m.c.pool.eject(m.refs[0])
    wait_until(lambda: is_alone(old), "it is a pool of its own")
    assert len(m.c.host.get_all()) == 2
    m.hosts, m.refs = m.hosts[1:], m.refs[1:]
    for i, g in enumerate(guests):
        m.check_at(g.vm, i)
        g.check()


def is_alone(host):
    try:
        return len(host.client().host.get_all()) == 1
    except (Lost, Failure, OSError):
        return False


def main():
    path = demo_guest.folder()
    with tempfile.TemporaryDirectory(prefix="xapid-three-") as folder, \
            Pool(3, "qemu", ["--demo-guest", path]) as hosts:
        m = Moves(hosts, folder)
        first, second = Guest(m, "first"), Guest(m, "second", 1)
        to_and_fro(m, first)
        evacuation(m, second)
        coordinator_dies_with_its_guest(m, first, second)
        the_old_one_is_back_and_leaves(m, [first, second])
        for g in (first, second):
            m.c.VM.hard_shutdown(g.vm)
        assert [len(h.guest_processes()) for h in hosts] == [0, 0, 0]


if __name__ == "__main__":
    main()
