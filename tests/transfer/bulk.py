"""HTTP requests that move bulk data to and from a private xapid, and images to compare."""

import hashlib
import http.client
import os
import random
import socket
import ssl
import subprocess
import sys
from urllib.parse import urlencode

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.environ.get("XAPID_SRC", "."), "tests", "ops"))

from daemon import BUILD, UnixConnection, default_sr  # noqa: E402

MIB = 1 << 20


def image(seed, size, holes=()):
    """Bytes that compress badly, with zeros where holes say (offset, length)."""
    data = bytearray(random.Random(seed).randbytes(size))
    for offset, length in holes:
        data[offset:offset + length] = bytes(length)
    return bytes(data)


def tls(d):
    """A TLS connection to the daemon."""
    with open(os.path.join(d.state, "port")) as f:
        port = int(f.read())
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return http.client.HTTPSConnection(d.address, port, timeout=600, context=context)


def target(path, query):
    return f"{path}?{urlencode(query)}"


def get(d, path, connection=None, headers=None, **query):
    """The reply and its body, which must be whole."""
    connection = connection or UnixConnection(d.socket)
    connection.request("GET", target(path, query), headers=headers or {})
    reply = connection.getresponse()
    return reply, reply.read()


def put(d, path, body, connection=None, headers=None, **query):
    connection = connection or UnixConnection(d.socket)
    connection.request("PUT", target(path, query), body, headers or {})
    reply = connection.getresponse()
    return reply, reply.read()


def cut_put(d, path, body, claimed, **query):
    """Send a head that claims some length, the body, and nothing more."""
    s = socket.socket(socket.AF_UNIX)
    s.connect(d.socket)
    s.sendall(f"PUT {target(path, query)} HTTP/1.1\r\nhost: x\r\ncontent-length: {claimed}\r\n\r\n".encode() + body)
    s.shutdown(socket.SHUT_WR)
    reply = b""
    while part := s.recv(65536):
        reply += part
    s.close()
    return reply


def disk_path(c, vdi):
    sr = c.VDI.get_SR(vdi)
    folder = c.PBD.get_device_config(c.SR.get_PBDs(sr)[0])["location"]
    return os.path.join(folder, c.VDI.get_location(vdi))


def disk_bytes(c, vdi, workdir):
    """The disk's content, by QEMU's own tool."""
    raw = os.path.join(workdir, "content.raw")
    subprocess.run(["qemu-img", "convert", "-O", "raw", disk_path(c, vdi), raw], check=True)
    with open(raw, "rb") as f:
        return f.read()


def converted(data, to, workdir, *options):
    """Raw bytes in another format, by qemu-img."""
    raw, out = os.path.join(workdir, "in.raw"), os.path.join(workdir, f"out.{to}")
    with open(raw, "wb") as f:
        f.write(data)
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", to, *options, raw, out], check=True)
    with open(out, "rb") as f:
        return f.read()


def as_raw(data, format_name, workdir):
    """The content of an image file, by qemu-img."""
    path, raw = os.path.join(workdir, "in.image"), os.path.join(workdir, "out.raw")
    with open(path, "wb") as f:
        f.write(data)
    subprocess.run(["qemu-img", "convert", "-f", format_name, "-O", "raw", path, raw], check=True)
    with open(raw, "rb") as f:
        return f.read()


def task(c, label="transfer"):
    return c.task.create(label, "")


def servers(d):
    """Pids of the programs that serve the daemon's disks or work for its transfers."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat") as f:
                parent, state = f.read().rsplit(")", 1)[1].split()[1::-1]
            if int(parent) == d.process.pid and state != "Z":
                found.append(int(pid))
        except OSError:
            continue
    return found


def digest(data):
    return hashlib.sha256(data).hexdigest()


def xe(d, *args, **more):
    """xe against the daemon's socket: exit code, stdout, stderr."""
    program = os.environ.get("XE", os.path.join(BUILD, "xe", "xe"))
    done = subprocess.run([program, "-s", d.socket, *args], capture_output=True, timeout=600, **more)
    return done.returncode, done.stdout, done.stderr.decode()


__all__ = ["MIB", "as_raw", "converted", "cut_put", "default_sr", "digest", "disk_bytes", "disk_path", "get", "image",
           "put", "servers", "target", "task", "tls", "xe"]
