#!/usr/bin/env python3
"""Disks out of and into the host over HTTP: formats, sparseness, refusals, cut connections, cancelling."""

import base64
import os
import socket
import subprocess

from bulk import (MIB, as_raw, converted, cut_put, default_sr, digest, disk_bytes, disk_path, get, image, put, servers, target,
                  task, tls)
from daemon import XAPID, Daemon, add_disk, make_vdi, make_vm, wait_until
from invariants import check

SIZE = 25 * MIB
HOLES = [(2 * MIB, 9 * MIB), (24 * MIB, MIB)]


def quiet(d):
    """Nothing serves a disk any more."""
    wait_until(lambda: not servers(d), "the programs that served disks have ended")


def raw_both_ways(d, c):
    data = image(1, SIZE, HOLES)
    vdi, back = make_vdi(c, "in", SIZE), make_vdi(c, "back", SIZE)
    t = task(c)
    reply, _ = put(d, "/import_raw_vdi", data, vdi=vdi, format="raw", task_id=t)
    assert reply.status == 200 and reply.getheader("task-id") == t
    wait_until(lambda: c.task.get_status(t) == "success", "the import's task succeeds")
    assert c.task.get_result(t) == f"<value>{vdi}</value>" and float(c.task.get_progress(t)) == 1
    assert disk_bytes(c, vdi, d.directory) == data
    assert os.stat(disk_path(c, vdi)).st_blocks * 512 < 17 * MIB, "zeros are not stored"
    t = task(c)
    reply, body = get(d, "/export_raw_vdi/", vdi=c.VDI.get_uuid(vdi), task_id=t)
    assert reply.status == 200 and reply.getheader("content-type") == "application/octet-stream"
    assert c.VDI.get_uuid(vdi) + ".raw" in reply.getheader("content-disposition") and reply.getheader("task-id") == t
    assert body == data
    wait_until(lambda: c.task.get_status(t) == "success", "the export's task succeeds")
    put(d, "/import_raw_vdi", image(2, SIZE), vdi=back)
    put(d, "/import_raw_vdi", data, vdi=back)
    assert disk_bytes(c, back, d.directory) == data, "zeros overwrite what was there"
    c.VDI.destroy(back)
    quiet(d)
    return vdi, data


def a_new_disk(d, c):
    data = image(3, 3 * MIB)
    t = task(c)
    reply, _ = put(d, "/import_raw_vdi", data, sr_id=default_sr(c), task_id=t)
    assert reply.status == 200
    wait_until(lambda: c.task.get_status(t) == "success", "the import's task succeeds")
    vdi = c.task.get_result(t)[len("<value>"):-len("</value>")]
    assert disk_bytes(c, vdi, d.directory) == data
    c.VDI.destroy(vdi)
    before = len(c.VDI.get_all())
    cut_put(d, "/import_raw_vdi", data[:MIB], 3 * MIB, sr_id=default_sr(c))
    wait_until(lambda: len(c.VDI.get_all()) == before, "the disk of a failed import goes")


def vhd_both_ways(d, c, vdi, data):
    _, body = get(d, "/export_raw_vdi", vdi=vdi, format="vhd")
    assert as_raw(body, "vpc", d.directory)[:SIZE] == data and len(body) < 19 * MIB
    for source in (body, converted(data, "vpc", d.directory, "-o", "subformat=dynamic,force_size")):
        back = make_vdi(c, "from vhd", SIZE)
        put(d, "/import_raw_vdi", image(4, SIZE), vdi=back)
        t = task(c)
        put(d, "/import_raw_vdi", source, vdi=back, format="vhd", task_id=t)
        wait_until(lambda: c.task.get_status(t) != "pending", "the import ends")
        assert c.task.get_status(t) == "success", c.task.get_error_info(t)
        assert disk_bytes(c, back, d.directory) == data
        c.VDI.destroy(back)
    return body


def qcow2_both_ways(d, c, vdi, data):
    _, body = get(d, "/export_raw_vdi", vdi=vdi, format="qcow2")
    assert as_raw(body, "qcow2", d.directory) == data and len(body) < 19 * MIB
    with open(os.path.join(d.directory, "sound.qcow2"), "wb") as f:
        f.write(body)
    subprocess.run(["qemu-img", "check", "-q", f.name], check=True)
    back = make_vdi(c, "from qcow2", SIZE)
    for source in (body, converted(data, "qcow2", d.directory), converted(data, "qcow2", d.directory, "-c"),
                   converted(data[:3 * MIB], "qcow2", d.directory, "-o", "compat=0.10")):
        put(d, "/import_raw_vdi", image(4, SIZE), vdi=back)
        t = task(c)
        put(d, "/import_raw_vdi", source, vdi=back, format="qcow2", task_id=t)
        wait_until(lambda: c.task.get_status(t) != "pending", "the import ends")
        assert c.task.get_status(t) == "success", c.task.get_error_info(t)
        wanted = data if len(source) > 4 * MIB else data[:3 * MIB].ljust(SIZE, b"\0")
        assert disk_bytes(c, back, d.directory) == wanted
    hostile_qcow2(d, c, body, back)
    c.VDI.destroy(back)


def hostile_qcow2(d, c, whole, vdi):
    small = make_vdi(c, "small", MIB)
    assert failed(d, c, whole, len(whole), small, "qcow2")[0] == "VDI_IO_ERROR"
    c.VDI.destroy(small)
    for length in (1, 71, 104, 65536, len(whole) - MIB):
        assert failed(d, c, whole[:length], length, vdi, "qcow2")[0] in ("VDI_IO_ERROR", "SR_BACKEND_FAILURE_46"), length
    secret = os.path.join(d.directory, "secret.raw")
    with open(secret, "wb") as f:
        f.write(b"secret".ljust(SIZE, b"!"))
    path = os.path.join(d.directory, "leads.qcow2")
    for options in (["-b", secret, "-F", "raw"], ["-o", f"data_file={secret},data_file_raw=on"]):
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *options, path, str(SIZE)], check=True)
        with open(path, "rb") as f:
            leads = f.read()
        error = failed(d, c, leads, len(leads), vdi, "qcow2")
        assert error[0] == "VDI_IO_ERROR", error
        assert b"secret" not in disk_bytes(c, vdi, d.directory)
    for at, value in ((4, 9), (20, 63), (24, 255), (36, 255), (40, 255), (48, 255), (72, 255), (96, 99)):
        bad = bytearray(whole)
        bad[at] = value
        assert failed(d, c, bytes(bad), len(bad), vdi, "qcow2")[0] in ("VDI_IO_ERROR", "SR_BACKEND_FAILURE_46"), at
    folder = os.path.dirname(disk_path(c, vdi))
    assert all(n.endswith(".qcow2") for n in os.listdir(folder)), "no upload is left"


def differences(d, c):
    """Only what was written since the base is sent, and it makes the base's content this one's."""
    first = image(5, SIZE, [(16 * MIB, 8 * MIB)])
    vdi = make_vdi(c, "grows", SIZE)
    put(d, "/import_raw_vdi", first, vdi=vdi)
    base = c.VDI.snapshot(vdi)
    second = bytearray(first)
    second[5 * MIB:5 * MIB + 4096], second[20 * MIB:21 * MIB] = image(6, 4096), image(7, MIB)
    second[9 * MIB:10 * MIB] = bytes(MIB)
    put(d, "/import_raw_vdi", bytes(second), vdi=vdi)
    now = c.VDI.snapshot(vdi)
    _, nothing = get(d, "/export_raw_vdi", vdi=base, base=c.VDI.get_uuid(base), format="vhd")
    assert len(nothing) < 8192
    for of, frm, content in ((now, base, bytes(second)), (base, now, first)):
        _, body = get(d, "/export_raw_vdi", vdi=of, base=c.VDI.get_uuid(frm), format="vhd")
        assert len(body) > 4 * MIB and c.VDI.get_uuid(frm).replace("-", "") in body[:2048].hex()
        copy = c.VDI.copy(frm, default_sr(c))
        t = task(c)
        put(d, "/import_raw_vdi", body, vdi=copy, format="vhd", task_id=t)
        wait_until(lambda: c.task.get_status(t) == "success", "the differences are applied")
        assert disk_bytes(c, copy, d.directory) == content
        c.VDI.destroy(copy)
    other = make_vdi(c, "no relation", SIZE)
    _, body = get(d, "/export_raw_vdi", vdi=now, base=other, format="vhd")
    assert len(body) > 16 * MIB
    assert b"INVALID_VALUE" in get(d, "/export_raw_vdi", vdi=now, base=base)[1]
    for each in (now, base, vdi, other):
        c.VDI.destroy(each)


def failed(d, c, body, claimed, vdi, format_name):
    t = task(c)
    cut_put(d, "/import_raw_vdi", body, claimed, vdi=vdi, format=format_name, task_id=t)
    wait_until(lambda: c.task.get_status(t) != "pending", "the import ends")
    assert c.task.get_status(t) == "failure", (c.task.get_status(t), c.task.get_result(t))
    assert c.VDI.get_current_operations(vdi) == {}
    return c.task.get_error_info(t)


def damaged_uploads(d, c, vhd):
    vdi, small = make_vdi(c, "target", SIZE), make_vdi(c, "small", MIB)
    petabyte = 1 << 50
    assert failed(d, c, bytes(MIB), 2 * MIB, vdi, "raw")[0] == "VDI_IO_ERROR"
    assert failed(d, c, bytes(MIB), petabyte, vdi, "raw")[0] == "VDI_IO_ERROR"
    assert failed(d, c, bytes(2 * MIB), 2 * MIB, small, "raw")[0] == "VDI_IO_ERROR"
    assert failed(d, c, b"x" * 100, 100, vdi, "vhd")[0] == "VDI_IO_ERROR"
    assert failed(d, c, vhd, len(vhd), small, "vhd")[0] == "VDI_IO_ERROR"
    for length in (300, 511, 700, 1536, 2100, 3 * MIB, len(vhd) - 1):
        assert failed(d, c, vhd[:length], length, vdi, "vhd")[0] == "VDI_IO_ERROR"
    for at, value in ((40, 0xff), (512, 0), (512 + 16, 0xff), (512 + 28, 0xff), (512 + 32, 0), (1536, 0), (1540, 0)):
        bad = bytearray(vhd)
        bad[at] ^= 0x5a ^ value
        assert failed(d, c, bytes(bad), len(bad), vdi, "vhd")[0] == "VDI_IO_ERROR", at
    t = task(c)
    cut_put(d, "/import_raw_vdi", vhd, petabyte, vdi=vdi, format="vhd", task_id=t)
    wait_until(lambda: c.task.get_status(t) == "success", "a whole file is enough when no length was known")
    for claimed in (0, petabyte):
        assert b"200 OK" in cut_put(d, "/import_raw_vdi", b"", claimed, vdi=vdi, format="vhd"), "an attempt does no harm"
    quiet(d)
    c.VDI.destroy(vdi)
    c.VDI.destroy(small)


def refusals(d, c, vdi):
    assert get(d, "/export_raw_vdi", vdi=vdi, format="nonsense")[0].status == 404
    assert put(d, "/import_raw_vdi", b"", vdi=vdi, format="nonsense")[0].status == 404
    reply, body = get(d, "/export_raw_vdi", vdi="OpaqueRef:00000000-0000-4000-8000-000000000000")
    assert reply.status == 500 and b"HANDLE_INVALID" in body
    reply, body = get(d, "/export_raw_vdi", vdi="no such uuid")
    assert reply.status == 500 and b"UUID_INVALID" in body
    assert b"HANDLE_INVALID" in get(d, "/export_raw_vdi")[1]
    done = task(c)
    c.task.set_status(done, "success")
    assert b"OPERATION_NOT_ALLOWED" in get(d, "/export_raw_vdi", vdi=vdi, task_id=done)[1]
    assert b"HANDLE_INVALID" in get(d, "/export_raw_vdi", vdi=vdi, task_id="no such task")[1]
    reply, body = put(d, "/import_raw_vdi", b"x", headers={"transfer-encoding": "chunked"}, vdi=vdi)
    assert b"IMPORT_ERROR_CANNOT_HANDLE_CHUNKED" in body or reply.status == 400, (reply.status, body)


def an_attached_disk(d, c, vdi):
    vm = make_vm(c, "user", disks=0, nics=0)
    add_disk(c, vm, vdi)
    c.VM.start(vm, False, False)
    before = disk_bytes_of_running(c, vdi)
    for verb in ("GET", "PUT"):
        t = task(c)
        ask = get(d, "/export_raw_vdi", vdi=vdi, task_id=t) if verb == "GET" else put(d, "/import_raw_vdi", b"x", vdi=vdi, task_id=t)
        assert ask[0].status == 500 and b"VDI_IN_USE" in ask[1]
        assert c.task.get_error_info(t)[:2] == ["VDI_IN_USE", vdi]
    assert disk_bytes_of_running(c, vdi) == before
    c.VM.hard_shutdown(vm)
    c.VM.destroy(vm)


def disk_bytes_of_running(c, vdi):
    with open(disk_path(c, vdi), "rb") as f:
        return digest(f.read())


def callers(d, c, vdi, data):
    def export(headers=None, **query):
        return get(d, "/export_raw_vdi", tls(d), headers, vdi=vdi, **query)

    reply, _ = export()
    assert reply.status == 401 and "Basic" in reply.getheader("www-authenticate")
    basic = {"authorization": "Basic " + base64.b64encode(b"root:secret").decode()}
    wrong = {"authorization": "Basic " + base64.b64encode(b"root:wrong").decode()}
    assert export(wrong)[0].status == 401
    assert export(basic)[1] == data
    assert export({"cookie": f"session_id={c.session}"})[1] == data
    assert export(session_id=c.session)[1] == data
    reply, _ = put(d, "/import_raw_vdi", data, tls(d), vdi=vdi, session_id=c.session)
    assert reply.status == 200


def stalled(d, vdi, t, size):
    """A client that has asked for a disk and takes nothing."""
    s = socket.socket(socket.AF_UNIX)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.connect(d.socket)
    s.sendall(f"GET {target('/export_raw_vdi', {'vdi': vdi, 'task_id': t})} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
    assert len(s.recv(100)) > 0
    return s


def cancelling_and_leaving(d, c, vdi):
    before = resident(d)
    t = task(c)
    s = stalled(d, vdi, t, SIZE)
    assert list(c.VDI.get_current_operations(vdi).values()) == ["copy"] and c.task.get_allowed_operations(t) == ["cancel"]
    assert resident(d) < before + 16 * MIB, "a slow client costs no memory"
    c.task.cancel(t)
    wait_until(lambda: c.task.get_status(t) == "cancelled", "the task is cancelled")
    assert c.task.get_error_info(t) == ["TASK_CANCELLED", t] and c.VDI.get_current_operations(vdi) == {}
    s.close()
    t = task(c)
    s = stalled(d, vdi, t, SIZE)
    s.close()
    wait_until(lambda: c.task.get_status(t) == "failure", "an export that nobody takes fails")
    assert c.VDI.get_current_operations(vdi) == {}
    quiet(d)


def resident(d):
    with open(f"/proc/{d.process.pid}/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def a_killed_daemon(d, c, vdi, data):
    s = stalled(d, vdi, task(c), SIZE)
    serving = servers(d)
    assert len(serving) == 1
    d.kill()
    s.close()
    wait_until(lambda: not os.path.exists(f"/proc/{serving[0]}"), "the disk's server ends with the daemon")
    d.start()
    c = d.client()
    assert c.VDI.get_current_operations(vdi) == {} and get(d, "/export_raw_vdi", vdi=vdi)[1] == data
    return c


with Daemon(address="127.0.27.9") as daemon:
    subprocess.run([XAPID, "--state-dir", daemon.state, "--set-password", "root"], input=b"secret", check=True)
    daemon.stop()
    daemon.start()
    client = daemon.client()
    disk, content = raw_both_ways(daemon, client)
    a_new_disk(daemon, client)
    file = vhd_both_ways(daemon, client, disk, content)
    qcow2_both_ways(daemon, client, disk, content)
    differences(daemon, client)
    damaged_uploads(daemon, client, file)
    refusals(daemon, client, disk)
    an_attached_disk(daemon, client, disk)
    callers(daemon, client, disk, content)
    cancelling_and_leaving(daemon, client, disk)
    client = a_killed_daemon(daemon, client, disk, content)
    check(daemon, client, "disks went out and in")
