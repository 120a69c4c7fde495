#!/usr/bin/env python3
"""Who leads: two hosts that take the lead apart, one that cannot write down that it leads no more, and one that has
forgotten its term."""

import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "ops"))
from daemon import Failure, Lost, wait_until  # noqa: E402
from peer import ask_place, membership, membership_path  # noqa: E402
from pool import Pool, is_live, leads  # noqa: E402


def network(c, name):
    return c.network.create({"name_label": name, "name_description": "", "other_config": {}, "MTU": "1500", "tags": []})


def names(host):
    try:
        return {n["name_label"] for n in host.client().network.get_all_records().values()}
    except (Lost, Failure, OSError):
        return set()


def term(host):
    return int(membership(host)["term"])


def in_emergency(host):
    local = host.client_of_its_own()
    wait_until(local.host.is_in_emergency_mode, f"{host.address} notices")
    return local


def take_the_lead(host):
    in_emergency(host).pool.emergency_transition_to_master()


def a_role_that_cannot_be_written_is_not_taken(hosts):
    """The old coordinator hears of a new one, on a disk that takes nothing."""
    old, new = hosts[0], hosts[1]
    old.process.send_signal(signal.SIGSTOP)
    take_the_lead(new)
    path = membership_path(old)
    os.rename(path, path + ".kept")
    os.mkdir(path)
    old.process.send_signal(signal.SIGCONT)
    wait_until(lambda: leads(new), "another host leads")
    wait_until(lambda: f"writing {path}" in old.log(), "the old coordinator cannot write that down")
    place = ask_place(new, old)
    assert not place["member"] and place["coordinator"] == old.address, place
    os.rmdir(path)
    os.rename(path + ".kept", path)
    wait_until(lambda: is_live(new, old), "once it can, it follows")


def two_lead_apart(hosts, ahead):
    """Both see their coordinator gone and neither sees the other. One of the rest follows the one that will give way,
    and must forget what it heard there, whichever of the two has written more."""
    gone, one, two, rest = hosts
    gone.kill()
    for h in (one, two):
        take_the_lead(h)
    wait_until(lambda: term(one) != term(gone) and term(two) != term(gone), "both lead")
    winner, loser = (one, two) if term(one) > term(two) else (two, one)
    assert term(loser) > term(rest)
    wait_until(lambda: loser.process.poll() is None and leads(winner), "the daemon has started anew")
    winner.kill()
    loser.kill()
    loser.start()
    c = loser.client()
    assert leads(loser)
    c.pool.recover_slaves()
    wait_until(lambda: is_live(loser, rest), "the rest follows")
    c = loser.client()
    lost = f"written in vain {ahead}"
    for _ in range(60 if ahead == "loser" else 1):
        c.network.destroy(network(c, lost))
    network(c, lost)
    wait_until(lambda: lost in names(rest), "the rest has it")
    loser.kill()

    winner.start()
    assert leads(winner)
    gone.start()
    wait_until(lambda: is_live(winner, gone), "the old coordinator follows the later term")
    c = winner.client()
    kept = f"kept {ahead}"
    for _ in range(60 if ahead == "winner" else 1):
        c.network.destroy(network(c, kept))
    network(c, kept)
    loser.start()
    for h in (loser, rest):
        wait_until(lambda h=h: is_live(winner, h), f"{h.address} follows")
        wait_until(lambda h=h: kept in names(h), "it has what counts")
        assert lost not in names(h), names(h)
    assert {term(h) for h in hosts} == {term(winner)}
    return [winner, *[h for h in hosts if h is not winner]]


def a_term_that_was_forgotten(hosts):
    """The coordinator's STATE/pool is of an earlier day; its members still name it, in the term that it had."""
    leader = hosts[0]
    leader.kill()
    path, now = membership_path(leader), term(leader)
    with open(path) as f:
        text = f.read()
    with open(path, "w") as f:
        f.write(text.replace(f"term = {now}\n", "term = 1\n"))
    leader.start()
    for h in hosts[1:]:
        wait_until(lambda h=h: is_live(leader, h), f"{h.address} follows again")
    assert {term(h) for h in hosts} == {term(leader)} and term(leader) > now


def main():
    with Pool(4) as hosts:
        a_role_that_cannot_be_written_is_not_taken(hosts)
        hosts = [hosts[1], hosts[0], *hosts[2:]]
        for h in hosts[1:]:
            wait_until(lambda h=h: is_live(hosts[0], h), "all follow")
        for ahead in ("loser", "winner"):
            hosts = two_lead_apart(hosts, ahead)
        a_term_that_was_forgotten(hosts)


if __name__ == "__main__":
    main()
