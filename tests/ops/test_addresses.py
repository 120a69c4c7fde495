#!/usr/bin/env python3
"""Where a host says it is: consoles are reached at their location, whatever address the daemon listens on."""

import socket
import ssl
from urllib.parse import urlsplit

from daemon import Daemon, make_vm


def listens(address):
    """Does this machine have the address?"""
    try:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as s:
            s.bind((address, 0))
    except OSError:
        return False
    return True


def talk(url, session):
    """Open a console by nothing but its location; what its guest says first."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with context.wrap_socket(socket.create_connection((url.hostname, url.port or 443))) as s:
        s.settimeout(120)
        s.sendall(f"CONNECT {url.path}?{url.query}&session_id={session} HTTP/1.0\r\n\r\n".encode())
        text = b""
        while b"\r\n\r\n" not in text or text.endswith(b"\r\n\r\n"):
            data = s.recv(4096)
            assert data, text
            text += data
        return text


def consoles_are_where_they_say(address):
    with Daemon("sim", address=address) as d:
        c = d.client()
        c.VM.start(make_vm(c), False, False)
        (host,) = c.host.get_all_records().values()
        locations = [r["location"] for r in c.console.get_all_records().values()]
        assert len(locations) == 2, locations
        for location in locations:
            url = urlsplit(location)
            assert url.hostname == host["address"], (location, host["address"])
            assert (":" in host["address"]) == ("://[" in location), location
            assert url.hostname not in ("0.0.0.0", "::"), location
            text = talk(url, c.session)
            assert text.startswith(b"HTTP/1.1 200"), text
        return host["address"]


assert consoles_are_where_they_say("127.0.27.9") == "127.0.27.9"
consoles_are_where_they_say("0.0.0.0")
if listens("::1"):
    assert consoles_are_where_they_say("::1") == "::1"
    consoles_are_where_they_say("::")
