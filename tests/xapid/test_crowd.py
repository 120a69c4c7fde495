"""Bounds of a running daemon: pending tasks, registrations, and clients that wait for events."""

import json
import os
import resource
import selectors
import socket

from daemon import fails, run, same

WAITING_LIMIT = 3000


def raise_descriptors():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


class Waiters:
    """Calls on sockets of their own, all under way at the same time."""

    def __init__(self, d):
        self.path, self.sockets = os.path.join(d.dir, "xapi.sock"), []

    def ask(self, n, method, *params):
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        request = b"POST /jsonrpc HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body) + body
        for _ in range(n):
            s = socket.socket(socket.AF_UNIX)
            s.connect(self.path)  # waits for room in the queue; with a time limit it would not
            s.settimeout(120)
            s.sendall(request)
            self.sockets.append(s)

    def answers(self, n):
        """What the first n sockets that are answered hear; they are closed."""
        heard = []
        with selectors.DefaultSelector() as selector:
            for s in self.sockets:
                selector.register(s, selectors.EVENT_READ)
            while len(heard) < n:
                ready = selector.select(120)
                assert ready, f"{len(heard)} of {n} were answered"
                for key, _ in ready[:n - len(heard)]:
                    selector.unregister(key.fileobj)
                    self.sockets.remove(key.fileobj)
                    heard.append(read_reply(key.fileobj))
        return heard

    def close(self):
        for s in self.sockets:
            s.close()
        self.sockets = []


def read_reply(s):
    with s, s.makefile("rb") as f:
        head = {}
        f.readline()
        while (line := f.readline().strip()):
            name, value = line.split(b": ", 1)
            head[name] = value
        return json.loads(f.read(int(head[b"content-length"])))


def descriptors(d):
    return len(os.listdir(f"/proc/{d.process.pid}/fd"))


def until_descriptors(c, d, wanted):
    """Wait for the daemon to have seen who came and who left; each question gives it a turn."""
    for _ in range(20000):
        if wanted(descriptors(d)):
            return
        c.call("pool.get_all")
    raise AssertionError(f"there are {descriptors(d)} descriptors")


def pending_tasks_are_bounded_and_can_be_ended(d):
    c = d.login()
    tasks = [c.call("task.create", "t", "") for _ in range(2000)]
    same(fails("TOO_MANY_PENDING_TASKS", c.call, "task.create", "t", ""), [])
    same(fails("TOO_MANY_PENDING_TASKS", c.call, "Async.pool.sync_database"), [])
    same(len(c.call("pool.get_all")), 1)
    for task in tasks:
        c.call("task.set_status", task, "success")
    c.call("task.destroy", c.call("task.create", "t", ""))


def a_registration_cannot_grow_without_bound(d):
    c = d.login()
    c.call("event.register", [f"vm/{n}" for n in range(2000)])
    fails("EVENT_SUBSCRIPTION_PARSE_FAILURE", c.call, "event.register", ["vm/one more"])
    fails("EVENT_SUBSCRIPTION_PARSE_FAILURE", c.call, "event.register", ["x" * 200])
    fails("EVENT_SUBSCRIPTION_PARSE_FAILURE", c.call, "event.from", ["vm"] * 2001, "", 0.0)
    c.call("event.register", ["vm/7"])
    c.call("event.unregister", [f"vm/{n}" for n in range(1999)])
    c.call("event.register", ["pool"])
    (pool,) = c.call("pool.get_all")
    c.call("pool.set_name_label", pool, "bounded")
    same([e["ref"] for e in c.call("event.next")], [pool])
    c.call("event.unregister", ["pool", "vm/1999"])
    fails("SESSION_NOT_REGISTERED", c.call, "event.next")


def beyond_the_limit_waiting_is_refused_at_once(d):
    c, w = d.login(), Waiters(d)
    (pool,) = c.call("pool.get_all")
    token = c.call("event.from", ["pool"], "", 0.0)["token"]
    w.ask(WAITING_LIMIT + 50, "event.from", c.session, ["pool"], token, 600.0)
    refused = w.answers(50)
    same({r["error"]["message"] for r in refused}, {"TOO_MANY_PENDING_TASKS"})
    same(c.call("event.from", ["pool"], "", 0.0)["events"][0]["ref"], pool)
    c.call("pool.set_name_description", pool, "wakes them")
    served = w.answers(WAITING_LIMIT)
    same({(e["ref"], e["snapshot"]["name_description"]) for r in served for e in r["result"]["events"]},
         {(pool, "wakes them")})


def clients_that_have_left_wait_no_longer(d):
    c, w = d.login(), Waiters(d)
    c.call("event.register", ["blob"])
    token = c.call("event.from", ["blob"], "", 0.0)["token"]
    before = descriptors(d)
    w.ask(100, "event.next", c.session)
    w.ask(100, "event.from", c.session, ["blob"], token, 1e9)
    until_descriptors(c, d, lambda n: n >= before + 200)
    w.close()
    until_descriptors(c, d, lambda n: n <= before)


raise_descriptors()
run([pending_tasks_are_bounded_and_can_be_ended, a_registration_cannot_grow_without_bound,
     beyond_the_limit_waiting_is_refused_at_once, clients_that_have_left_wait_no_longer])
