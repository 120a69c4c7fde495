"""A thousand clients wait for events over TLS while others write: each hears of everything, once, in order."""

import json
import os
import re
import resource
import selectors
import socket
import ssl
import threading

from daemon import ADDRESS, run, same

CLIENTS, WRITERS, EACH = 1000, 4, 3


def resident(d):
    """KiB."""
    with open(f"/proc/{d.process.pid}/status") as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))


class Watcher:
    """One client on a connection of its own: asks again with each token it gets, and notes what it hears."""

    def __init__(self, d, context, session, token):
        self.session, self.token, self.heard, self.buffer = session, token, [], b""
        self.socket = context.wrap_socket(socket.create_connection((ADDRESS, d.port), 120))

    def ask(self):
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "event.from",
                           "params": [self.session, ["secret"], self.token, 600.0]}).encode()
        self.socket.sendall(b"POST /jsonrpc HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body) + body)

    def read(self):
        """Take what has come; true when that completed an answer."""
        self.buffer += self.socket.recv(65536)
        while self.socket.pending():
            self.buffer += self.socket.recv(65536)
        head, end, body = self.buffer.partition(b"\r\n\r\n")
        if not end or len(body) < int(re.search(rb"content-length: (\d+)", head).group(1)):
            return False
        self.buffer = b""
        result = json.loads(body)["result"]
        assert result["token"] >= self.token, "the token went back"
        self.token = result["token"]
        self.heard += [(e["operation"], e["ref"]) for e in result["events"]]
        return True


def write(d, made):
    c = d.login()
    for n in range(EACH):
        made.append(c.call("secret.create", {"value": str(n)}))


def one_round(d, watchers, selector):
    """Write, and let every watcher listen until it knows everything."""
    made = []
    writers = [threading.Thread(target=write, args=(d, made)) for _ in range(WRITERS)]
    for t in writers:
        t.start()
    missing = len(watchers)
    while missing:
        ready = selector.select(120)
        assert ready, f"{missing} clients hear nothing more"
        for key, _ in ready:
            w = key.data
            if not w.read():
                continue
            missing -= len(w.heard) == WRITERS * EACH
            w.ask()
    for t in writers:
        t.join()
    for w in watchers:
        same(sorted(w.heard), sorted(("add", ref) for ref in made))
        w.heard = []


def a_thousand_hear_of_everything_once(d):
    c = d.login()
    context = ssl._create_unverified_context()
    token = c.call("event.from", ["secret"], "", 0.0)["token"]
    watchers = [Watcher(d, context, c.session, token) for _ in range(CLIENTS)]
    sizes = []
    with selectors.DefaultSelector() as selector:
        for w in watchers:
            selector.register(w.socket, selectors.EVENT_READ, w)
            w.ask()
        for _ in range(3):
            one_round(d, watchers, selector)
            sizes.append(resident(d))
    print("resident KiB after each round:", sizes)
    same(len(c.call("secret.get_all")), 3 * WRITERS * EACH)
    if os.environ.get("XAPID_SANITIZED") == "yes":
        return  # the sanitizers keep what was freed
    assert sizes[-1] - sizes[0] < 8 * 1024, f"memory grows: {sizes}"
    assert sizes[0] < 256 * CLIENTS, f"more than 256 KiB a client: {sizes}"


_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
run([a_thousand_hear_of_everything_once])
