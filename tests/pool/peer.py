"""Speaking as a host of the pool, by the certificate that its daemon has."""

import json
import os
import queue
import socket
import ssl
import struct
import threading

from pool import PORT


def membership_path(host):
    return os.path.join(host.state, "pool", "membership")


def membership(host):
    """What the host has written down of its place."""
    with open(membership_path(host)) as f:
        return dict(line.strip().split(" = ") for line in f)


def context(host, purpose=ssl.Purpose.SERVER_AUTH):
    folder = os.path.join(host.state, "pool")
    found = ssl.create_default_context(purpose, cafile=os.path.join(folder, "ca-cert.pem"))
    found.check_hostname = False
    found.verify_mode = ssl.CERT_REQUIRED
    found.load_cert_chain(os.path.join(folder, "server-cert.pem"), os.path.join(folder, "server-key.pem"))
    return found


def connect(host, to):
    return context(host).wrap_socket(socket.create_connection((to.address, int(PORT))), server_hostname="peer.xapid")


def head(host, line, more=""):
    """A request's head as its daemon would write it."""
    place = membership(host)
    return (f"{line} HTTP/1.1\r\nhost: x\r\nxapid-pool: {place['pool']}\r\nxapid-term: {place['term']}\r\n{more}\r\n")


def request(host, to, line, body="", more=""):
    """Status and body of the answer."""
    text = head(host, line, f"connection: close\r\ncontent-length: {len(body)}\r\n{more}") + body
    with connect(host, to) as s:
        s.sendall(text.encode())
        answer = b"".join(iter(lambda: s.recv(4096), b"")).decode()
    first, rest = answer.split("\r\n\r\n", 1)
    return int(first.split()[1]), rest


def ask_place(host, to):
    """Where the other stands, in its own words."""
    status, body = request(host, to, "GET /peer/place")
    assert status == 200, (status, body)
    return json.loads(body)


# ---- frames of the long connection (xapid/pool/frame.h) ----

FRAME = struct.Struct("<cQQ")


def frame(kind, generation=0, body=b""):
    return FRAME.pack(kind, len(body), generation) + body


def read_exactly(s, n):
    data = b""
    while len(data) < n:
        more = s.recv(n - len(data))
        if not more:
            raise ConnectionError("the stream has ended")
        data += more
    return data


def read_frame(s):
    kind, length, generation = FRAME.unpack(read_exactly(s, FRAME.size))
    return kind, generation, read_exactly(s, length)


def read_head(s):
    """A request's or an answer's head, byte by byte, for what follows belongs to others."""
    text = b""
    while not text.endswith(b"\r\n\r\n"):
        text += read_exactly(s, 1)
    return text.decode()


def follow(host, coordinator, generation=0, version="0"):
    """The long connection as the member makes it, after its greeting."""
    s = connect(host, coordinator)
    s.sendall(head(host, "CONNECT /peer/feed").encode())
    answer = read_head(s)
    assert " 200 " in answer, answer
    machine = {"hostname": "x", "address": host.address, "version": version, "cpu_mhz": 1, "cpus": 1,
               "memory_total": 1 << 30}
    s.sendall(frame(b"h", 0, json.dumps({"generation": generation, "machine": machine, "guests": []}).encode()))
    return s


class FalseCoordinator:
    """In the place of one that is dead, with its certificate: the test says what comes. next_feed() waits for the
    member's next long connection; calls are answered by answer(body), None: the connection is cut."""

    def __init__(self, host):
        self.host, self.feeds, self.requests, self.answer = host, queue.Queue(), [], None
        self.refusal = ""  # of the next requests between hosts
        self.server = socket.create_server((host.address, int(PORT)))
        self.tls = context(host, ssl.Purpose.CLIENT_AUTH)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                s, _ = self.server.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=[s], daemon=True).start()

    def serve(self, plain):
        try:
            s = self.tls.wrap_socket(plain, server_side=True)
            while self.one(s):
                pass
        except (OSError, ConnectionError):
            plain.close()

    def one(self, s):
        text = read_head(s)
        if self.refusal:
            body = self.refusal + "\n"
            s.sendall(f"HTTP/1.1 403 Forbidden\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode())
            s.close()
            return False
        if text.startswith("CONNECT /peer/feed"):
            s.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            self.feeds.put(s)
            return False
        length = next(int(line.split(":")[1]) for line in text.lower().split("\r\n")
                      if line.startswith("content-length:"))
        self.requests.append(read_exactly(s, length).decode())
        answer = self.answer(self.requests[-1]) if self.answer else None
        if answer is None:
            s.close()
            return False
        s.sendall(f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(answer)}\r\n\r\n{answer}"
                  .encode())
        return True

    def next_feed(self):
        """The connection, and the generation that the member says it has."""
        s = self.feeds.get(timeout=60)
        kind, _, body = read_frame(s)
        assert kind == b"h", kind
        return s, json.loads(body)["generation"]

    def close(self):
        self.server.close()
