#!/usr/bin/env python3
"""Consoles of real guests as browsers reach them: WebSocket to the serial console and to VNC, and a picture of the screen."""

import base64
import http.client
import os
import re
import socket
import ssl
import struct

import demo_guest
from daemon import Daemon, make_vm, template, wait_until

MASK = b"\x0a\x0b\x0c\x0d"
KEY = base64.b64encode(bytes(16)).decode()
BINARY, CLOSE, PING, PONG = 2, 8, 9, 10


def connect(d):
    with open(os.path.join(d.state, "port")) as f:
        port = int(f.read())
    s = ssl._create_unverified_context().wrap_socket(socket.create_connection((d.address, port), 120))
    return s


class WebSocket:
    """A browser's side of GET /console."""

    def __init__(self, d, path):
        self.socket, self.bytes, self.text = connect(d), b"", b""
        self.socket.sendall((f"GET {path} HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
                             f"sec-websocket-key: {KEY}\r\nsec-websocket-version: 13\r\n"
                             "sec-websocket-protocol: binary\r\n\r\n").encode())
        while b"\r\n\r\n" not in self.bytes:
            self.receive()
        self.head, self.bytes = self.bytes.split(b"\r\n\r\n", 1)

    def receive(self):
        data = self.socket.recv(65536)
        assert data, "the console ended"
        self.bytes += data

    def take(self, n):
        while len(self.bytes) < n:
            self.receive()
        part, self.bytes = self.bytes[:n], self.bytes[n:]
        return part

    def frame(self):
        """The kind and the data of the next frame."""
        first, n = self.take(2)
        assert first & 0xf0 == 0x80 and n < 128, "whole, without extensions, not masked"
        if n == 126:
            (n,) = struct.unpack(">H", self.take(2))
        elif n == 127:
            (n,) = struct.unpack(">Q", self.take(8))
        return first & 0x0f, self.take(n)

    def send(self, kind, data):
        assert len(data) < 126
        masked = bytes(b ^ MASK[i % 4] for i, b in enumerate(data))
        self.socket.sendall(bytes([0x80 | kind, 0x80 | len(data)]) + MASK + masked)

    def read_until(self, pattern):
        """Data frames until their bytes have what is looked for; other frames are kept aside."""
        others = []
        while not (found := re.search(pattern, self.text)):
            kind, data = self.frame()
            if kind == BINARY:
                self.text += data
            else:
                others.append((kind, data))
        self.text = self.text[found.end():]
        return found, others

    def other_frame(self):
        """The next frame that is not data."""
        while True:
            kind, data = self.frame()
            if kind != BINARY:
                return kind, data
            self.text += data


def path_of(c, vm, protocol):
    (location,) = [r["location"] for r in c.console.get_all_records().values()
                   if r["VM"] == vm and r["protocol"] == protocol]
    return re.sub(r"^https://[^/]*", "", location)


def serial(d, c):
    vm = c.VM.clone(template(c, "Demo guest"), "serial")
    c.VM.provision(vm)
    c.VM.start(vm, False, False)
    path = path_of(c, vm, "vt100")
    refused = WebSocket(d, path)
    assert refused.head.startswith(b"HTTP/1.1 401 "), refused.head
    w = WebSocket(d, f"{path}&session_id={c.session}")
    assert w.head.startswith(b"HTTP/1.1 101 ") and b"Sec-WebSocket-Protocol: binary" in w.head, w.head
    first, _ = w.read_until(rb"\ntick (\d+) ")
    w.send(BINARY, b"run echo be")
    w.send(PING, b"still there?")
    assert w.other_frame() == (PONG, b"still there?")
    w.send(BINARY, b"gin; expr 6 \\* 7\n")
    w.read_until(rb"\n42\r?\n")
    second, _ = w.read_until(rb"\ntick (\d+) ")
    assert int(second[1]) > int(first[1])
    w.send(CLOSE, struct.pack(">H", 1000))
    assert w.other_frame() == (CLOSE, struct.pack(">H", 1000))
    w.socket.close()

    gone = WebSocket(d, f"{path}&session_id={c.session}")
    gone.read_until(rb"\ntick \d+ ")
    c.VM.hard_shutdown(vm)
    assert gone.other_frame() == (CLOSE, struct.pack(">H", 1001)), "the guest has gone"
    again = WebSocket(d, f"{path}&session_id={c.session}")
    assert again.head.startswith(b"HTTP/1.1 404 "), again.head
    check_no_screen(d, c, vm)


def snapshot(d, c, query, session=True):
    connection = http.client.HTTPSConnection(d.address, int(open(os.path.join(d.state, "port")).read()),
                                             context=ssl._create_unverified_context(), timeout=120)
    cookie = {"cookie": f"session_id={c.session}"} if session else {}
    connection.request("GET", f"/vncsnapshot?{query}", headers=cookie)
    reply = connection.getresponse()
    body = reply.read()
    connection.close()
    return reply, body


def check_no_screen(d, c, vm):
    for query in (f"ref={vm}", "uuid=none", ""):
        reply, _ = snapshot(d, c, query)
        assert reply.status == 404, (query, reply.status)


def size_of_jpeg(data):
    """Width and height, as its frame header says."""
    assert data[:2] == b"\xff\xd8" and data[-2:] == b"\xff\xd9", data[:20]
    at = 2
    while data[at + 1] != 0xc0:
        assert data[at] == 0xff
        at += 2 + struct.unpack(">H", data[at + 2:at + 4])[0]
    height, width = struct.unpack(">HH", data[at + 5:at + 9])
    return width, height


def screen(d, c):
    vm = make_vm(c, "screen", disks=0, nics=0)
    c.VM.start(vm, False, False)
    w = WebSocket(d, f"{path_of(c, vm, 'rfb')}&session_id={c.session}")
    w.read_until(rb"^RFB 003\.008\n")
    w.socket.close()
    reply, body = snapshot(d, c, f"uuid={c.VM.get_uuid(vm)}")
    assert reply.status == 200, (reply.status, body)
    assert reply.getheader("content-type") == "image/jpeg" and "attachment" in reply.getheader("content-disposition")
    width, height = size_of_jpeg(body)
    assert width >= 320 and height >= 200, (width, height)
    (console,) = [r for r, o in c.console.get_all_records().items() if o["VM"] == vm and o["protocol"] == "rfb"]
    wait_until(lambda: snapshot(d, c, f"ref={console}")[1] != body, "the firmware writes on the screen")
    reply, _ = snapshot(d, c, f"ref={vm}", session=False)
    assert reply.status == 401, reply.status
    c.VM.hard_shutdown(vm)
    check_no_screen(d, c, vm)


def main():
    guest = demo_guest.folder()
    with Daemon("qemu", address="127.0.27.9", options=["--demo-guest", guest]) as d:
        c = d.client()
        screen(d, c)
        serial(d, c)


main()
