#!/usr/bin/env python3
"""A coordinator that says what none should: its member drops it, asks again, and takes nothing that is not whole. And one
that dies in the middle of a call."""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "ops"))
from daemon import Failure, Lost, wait_until  # noqa: E402
from peer import FRAME, FalseCoordinator, follow, frame, membership, read_frame  # noqa: E402
from pool import Pool, is_live  # noqa: E402


def copy_of(member, coordinator):
    """The model, and all rows with their generation, as the coordinator sends them."""
    with follow(member, coordinator) as s:
        model = read_frame(s)
        assert model[0] == b"m", model
        rows = read_frame(s)
        assert rows[0] == b"s"
    return frame(b"m", 0, model[2]), rows[1], rows[2]


class Story:
    def __init__(self, coordinator, member, copy, client):
        self.false, self.member, self.client = FalseCoordinator(coordinator), member, client
        self.model, self.generation, self.rows = copy

    def feed(self, wanted=None):
        s, generation = self.false.next_feed()
        assert wanted is None or generation == wanted, (generation, wanted)
        return s

    def fill(self, s, generation):
        """Send everything; the member says that it is on its disk."""
        s.sendall(self.model + frame(b"s", generation, self.rows))
        wait_until(lambda: read_frame(s)[:2] == (b"d", generation), "the copy is on the member's disk")
        self.generation = generation

    def is_filled(self, generation):
        """Unless the member's daemon ends meanwhile."""
        try:
            self.fill(self.feed(0), generation)
            return True
        except ConnectionError:
            return False

    def serves(self):
        """It reads its copy out."""
        assert self.member.process.poll() is None, self.member.log()[-3000:]
        try:
            return len(self.client.host.get_all()) == 2
        except Lost:
            return False


def versions(member, coordinator):
    """Upgraded is the coordinator first: what is newer is told so, what is older is taken."""
    with follow(member, coordinator, version="99.0") as s:
        kind, _, body = read_frame(s)
        assert kind == b"x" and json.loads(body) == ["HOST_XAPI_VERSION_HIGHER_THAN_COORDINATOR", "99.0"], body
    with follow(member, coordinator, version="0.0.1") as s:
        assert read_frame(s)[0] == b"m"


def a_newer_coordinator(t):
    """Its model has what this one has not: that is left out, the rest is there."""
    model = json.loads(t.model[FRAME.size:])
    network = next(fields for name, fields in model if name == "network")
    next(f for f in network if f[0] == "MTU")[0] = "MTU_of_later_days"
    model.append(["class_of_later_days", [["uuid", "string", network[0][2]]]])
    before = t.client.network.get_all_records()
    s = t.feed()
    s.sendall(frame(b"m", 0, json.dumps(model).encode()) + frame(b"s", t.generation + 1, t.rows))
    t.generation += 1
    wait_until(lambda: read_frame(s)[:2] == (b"d", t.generation), "the copy is on the member's disk")
    after = t.client.network.get_all_records()
    assert {r: n["name_label"] for r, n in after.items()} == {r: n["name_label"] for r, n in before.items()}
    s.close()


def what_makes_no_sense(t):
    """Each ends the connection; a copy that is whole stays, one that may not be is fetched again."""
    harmless = [frame(b"x", 0, json.dumps(["HOST_IS_SLAVE"]).encode()),
                frame(b"x", 0, json.dumps(["HOST_IS_SLAVE", "nobody"]).encode()),
                frame(b"x", 0, json.dumps(["HOST_IS_SLAVE", t.member.address]).encode()),
                frame(b"x", 0, b"[]"), frame(b"x", 0, b"\xff"), frame(b"?"),
                frame(b"m", 0, b"{}"), b"b" + b"\xff" * 16]
    for said in harmless:
        t.feed(t.generation).sendall(said)
    damaged = [lambda g: frame(b"b", g + 1, b"\x01\xff\xff\xff\xff"), lambda g: frame(b"b", g + 7)]
    for said in damaged:
        s = t.feed()
        t.fill(s, t.generation + 1)
        s.sendall(said(t.generation))
        t.feed(0).close()
    assert t.serves()


def another_term(t):
    """What one coordinator committed another need not have, whatever the numbers say."""
    s = t.feed()
    t.fill(s, t.generation + 1)
    s.close()
    t.feed(t.generation).close()
    now = int(membership(t.member)["term"])
    t.false.refusal = f"old-term {now + 1}"
    wait_until(lambda: int(membership(t.member)["term"]) == now + 1, "the member knows of the later term")
    t.false.refusal = ""
    wait_until(lambda: t.false.next_feed()[1] == 0, "it asks for everything")
    earlier = t.generation - 100
    t.feed(0).sendall(t.model + frame(b"s", earlier, t.rows))
    wait_until(lambda: t.is_filled(earlier), "the daemon starts anew and takes what is earlier")
    t.feed(t.generation).close()
    wait_until(t.serves, "the member reads its copy out")


def a_call_that_is_cut(t):
    """It is sent once: it may have been carried out. The caller hears that."""
    s = t.feed()
    t.fill(s, t.generation + 1)
    t.false.answer = lambda body: json.dumps({"jsonrpc": "2.0", "id": 1, "result": "done"})
    assert t.client.VM.start("", False, False) == "done"
    t.false.answer = None
    t.false.requests.clear()
    try:
        t.client.VM.clean_shutdown("")
        raise AssertionError("a call without an answer succeeds")
    except Failure as e:
        assert e.code == "INTERNAL_ERROR" and "may have been carried out" in e.params[0], e
    assert len(t.false.requests) == 1, t.false.requests


def main():
    with Pool(2) as (coordinator, member):
        versions(member, coordinator)
        wait_until(lambda: is_live(coordinator, member), "the member follows")
        client = member.client()
        copy = copy_of(member, coordinator)
        coordinator.kill()
        t = Story(coordinator, member, copy, client)
        t.fill(t.feed(), t.generation + 1000)
        a_newer_coordinator(t)
        what_makes_no_sense(t)
        another_term(t)
        a_call_that_is_cut(t)
        t.false.close()
        assert t.serves()


if __name__ == "__main__":
    main()
