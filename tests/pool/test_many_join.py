#!/usr/bin/env python3
"""Many hosts that start together and join together, each asked once, and all fetch a copy anew when the coordinator has
been killed: `test_many_join.py 16` takes sixteen."""

import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "ops"))
from daemon import wait_until  # noqa: E402
from pool import Host, addresses, answers_as_member, is_live  # noqa: E402


def together(work, hosts):
    """Each in a thread of its own; the first failure is the caller's."""
    failures = []

    def one(host):
        try:
            work(host)
        except BaseException as e:
            failures.append(e)

    threads = [threading.Thread(target=one, args=[h]) for h in hosts]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if failures:
        raise failures[0]


def they_join(hosts):
    first, others = hosts[0], hosts[1:]
    together(lambda h: h.client().pool.join(first.address, "root", "secret"), others)
    for h in others:
        wait_until(lambda h=h: is_live(first, h), f"{h.address} is a live member")
        wait_until(lambda h=h: answers_as_member(h, first), f"{h.address} answers")


def all_are_alike(hosts):
    wanted = sorted(h.address for h in hosts)
    for h in hosts:
        c = h.client()
        wait_until(lambda c=c: sorted(r["address"] for r in c.host.get_all_records().values()) == wanted,
                   "all know of all")
    c = hosts[0].client()
    names = [n["name_label"] for n in c.network.get_all_records().values()]
    assert len(names) == len(set(names)), names
    for ref in c.host.get_all():
        pbds = [p for p in c.PBD.get_all_records().values() if p["host"] == ref]
        wait_until(lambda p=pbds: all(c.PBD.get_currently_attached(c.PBD.get_by_uuid(b["uuid"])) for b in p),
                   "its storage is attached")


def they_come_back(hosts):
    """To a coordinator that has nothing kept for them."""
    hosts[0].kill()
    hosts[0].start()
    c = hosts[0].client()
    made = c.network.create({"name_label": "made since", "name_description": "", "other_config": {}})
    for h in hosts[1:]:
        wait_until(lambda h=h: is_live(hosts[0], h), f"{h.address} is live again")
    c.pool.sync_database()
    for h in hosts[1:]:
        assert h.client().network.get_name_label(made) == "made since"


def main(n):
    hosts = [Host(a) for a in addresses(n)]
    try:
        together(lambda h: h.start(), hosts)
        they_join(hosts)
        all_are_alike(hosts)
        they_come_back(hosts)
    finally:
        problem = sys.exc_info()
        together(lambda h: h.__exit__(*problem), hosts)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 8)
