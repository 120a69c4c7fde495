#!/usr/bin/env python3
"""VMs out of and into the host as XVA: what comes back, whose uuids and addresses it has, and what hostile or damaged
archives do (nothing)."""

import base64
import hashlib
import http.server
import io
import os
import random
import re
import socket
import ssl
import subprocess
import tarfile
import tempfile
import threading
import urllib.parse

from bulk import MIB, cut_put, default_sr, disk_bytes, get, image, put, servers, task, xe
from daemon import Daemon, Failure, add_disk, fails, make_vdi, make_vm, vbd, wait_until
from invariants import check

SIZE = 5 * MIB + 512 * 1024
HOLES = [(0, MIB), (2 * MIB, 2 * MIB)]


def finished(c, t):
    wait_until(lambda: c.task.get_status(t) != "pending", "the task ends")
    return c.task.get_status(t)


def bring_in(d, c, archive, path="/import", **query):
    """The VMs of an archive; the error when it is refused."""
    t = task(c)
    reply, body = put(d, path, archive, task_id=t, **query)
    if finished(c, t) != "success":
        raise Failure(c.task.get_error_info(t))
    assert reply.status == 200 and reply.getheader("task-id") == t
    return re.findall(r"<value>(OpaqueRef:[0-9a-f-]+)</value>", c.task.get_result(t))


def counts(c):
    return {cls: len(c.call(f"{cls}.get_all")) for cls in ("VM", "VDI", "VBD", "VIF", "network", "VM_metrics")}


def disks(c, vm):
    """userdevice -> VDI."""
    vbds = [c.VBD.get_record(v) for v in c.VM.get_VBDs(vm)]
    return {v["userdevice"]: v["VDI"] for v in vbds if v["type"] == "Disk"}


def make_source(d, c):
    vm = make_vm(c, "source & <co> é", disks=0, nics=2)
    contents = [image(1, SIZE, HOLES), bytes(3 * MIB)]
    for i, data in enumerate(contents):
        vdi = make_vdi(c, f"disk {i}", len(data), other_config={"n": str(i)})
        put(d, "/import_raw_vdi", data, vdi=vdi)
        add_disk(c, vm, vdi, bootable=i == 0)
    c.VBD.create(vbd(vm, "OpaqueRef:NULL", type="CD", mode="RO", empty=True))
    c.VM.set_tags(vm, ["a", "b"])
    c.VM.add_to_other_config(vm, "folder", "/x")
    c.VIF.destroy(c.VM.get_VIFs(vm)[0])
    nic = c.VM.get_VIFs(vm)[0]
    c.VIF.create({**c.VIF.get_record(nic), "device": "0", "MAC": "02:11:22:33:44:55"})
    return vm, contents


def same_vm(c, a, b):
    """Everything of b that is not its own is a's."""
    own = {"uuid", "other_config", "metrics", "VBDs", "VIFs", "allowed_operations", "last_booted_record", "generation_id"}
    one, two = c.VM.get_record(a), c.VM.get_record(b)
    assert {k: v for k, v in one.items() if k not in own} == {k: v for k, v in two.items() if k not in own}
    assert two["other_config"]["folder"] == "/x" and "start" in two["allowed_operations"]
    assert sorted(disks(c, a)) == sorted(disks(c, b)) and len(one["VBDs"]) == len(two["VBDs"])


def there_and_back(d, c, vm, contents):
    archives = {}
    for compression in ("false", "gzip", "zstd"):
        t = task(c)
        reply, archives[compression] = get(d, "/export", uuid=c.VM.get_uuid(vm), use_compression=compression, task_id=t)
        assert reply.status == 200 and reply.getheader("content-length") is None and finished(c, t) == "success"
        made, = bring_in(d, c, archives[compression], sr_id=default_sr(c))
        same_vm(c, vm, made)
        assert [disk_bytes(c, v, d.directory) for _, v in sorted(disks(c, made).items())] == contents
        assert c.VDI.get_name_label(disks(c, made)["0"]) == "disk 0"
        assert c.VM.get_uuid(made) != c.VM.get_uuid(vm)
        seeds = {c.VM.get_other_config(v)["mac_seed"] for v in (vm, made)}
        macs = {c.VIF.get_MAC(n) for v in (vm, made) for n in c.VM.get_VIFs(v)}
        assert len(seeds) == 2 and len(macs) == 4, "another VM has addresses of its own"
        c.VM.start(made, False, False)
        c.VM.hard_shutdown(made)
        remove(c, made)
    assert archives["gzip"][:2] == b"\x1f\x8b" and archives["zstd"][:4] == b"\x28\xb5\x2f\xfd"
    assert len(archives["zstd"]) < len(archives["false"])
    return archives["false"], archives["gzip"], archives["zstd"]


def remove(c, vm):
    vdis = disks(c, vm).values()
    c.VM.destroy(vm)
    for vdi in vdis:
        c.VDI.destroy(vdi)


def layout(archive):
    members = [(m.name, m.size) for m in tarfile.open(fileobj=io.BytesIO(archive))]
    assert members[0][0] == "ova.xml" and archive[-1024:] == bytes(1024)
    blocks = [n for n, _ in members[1:] if not n.endswith(".xxhash")]
    assert [n for n, _ in members[1:] if n.endswith(".xxhash")] == [f"{b}.xxhash" for b in blocks]
    numbers = {}
    for b in blocks:
        numbers.setdefault(b.split("/")[0], []).append(int(b.split("/")[1]))
    assert sorted(numbers.values()) == [[0, 1, 4, 5], [0, 2]], "zeros are left out, first and last are not"
    assert members[-2][1] in (MIB, MIB // 2)


def restored(d, c, vm, archive):
    assert bring_in_fails(d, c, archive, restore="true") == ["DUPLICATE_VM", vm]
    before, macs = c.VM.get_record(vm), {c.VIF.get_device(v): c.VIF.get_MAC(v) for v in c.VM.get_VIFs(vm)}
    uuids = {c.VIF.get_uuid(v) for v in c.VM.get_VIFs(vm)}
    remove(c, vm)
    back, = bring_in(d, c, archive, restore="true")
    after = c.VM.get_record(back)
    assert after["uuid"] == before["uuid"] and after["other_config"] == before["other_config"]
    assert {c.VIF.get_device(v): c.VIF.get_MAC(v) for v in after["VIFs"]} == macs
    assert {c.VIF.get_uuid(v) for v in after["VIFs"]} == uuids
    return back


def bring_in_fails(d, c, archive, path="/import", **query):
    before = counts(c), sorted(os.listdir(os.path.join(d.state, "sr"))), folder_of_disks(d, c)
    try:
        bring_in(d, c, archive, path, **query)
    except Failure as f:
        after = counts(c), sorted(os.listdir(os.path.join(d.state, "sr"))), folder_of_disks(d, c)
        assert after == before, "a failed import leaves nothing"
        return [f.code, *f.params]
    raise AssertionError("the import succeeded")


def folder_of_disks(d, c):
    folder = c.PBD.get_device_config(c.SR.get_PBDs(default_sr(c))[0])["location"]
    return sorted(os.listdir(folder)), sorted(os.listdir(os.path.join(d.state, "making"))) if os.path.exists(
        os.path.join(d.state, "making")) else []


# ---- archives made by hand ----

def members(archive):
    tar = tarfile.open(fileobj=io.BytesIO(archive))
    return [(m.name, tar.extractfile(m).read()) for m in tar]


def packed(files, end=True):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in files:
            m = tarfile.TarInfo(name)
            m.size = len(data)
            tar.addfile(m, io.BytesIO(data))
    data = out.getvalue()
    return data if end else data[:sum(512 + (len(f) + 511) // 512 * 512 for _, f in files)]


def other_generations(d, c, archive, contents):
    """Checksums of older exports, none at all, keep-alives, and an archive that lacks its end."""
    files = members(archive)
    xml = files[0][1]
    blocks = [(n, f) for n, f in files[1:] if not n.endswith(".xxhash")]
    sha1 = [x for n, f in blocks for x in ((n, f), (f"{n}.checksum", hashlib.sha1(f).hexdigest().encode()))]
    oldest = xml.replace(b"<name>export_vsn</name><value>2<", b"<name>export_vsn</name><value>0<")
    assert oldest != xml
    alive = [files[0]]
    for n, f in blocks:
        directory, number = n.split("/")
        if directory == blocks[-1][0].split("/")[0] and int(number) > 0:
            n = f"{directory}/{int(number) + 1:08d}"
            if not any(a == f"{directory}/00000001" for a, _ in alive):
                alive += [(f"{directory}/00000001", b""), (f"{directory}/00000001.xxhash", b"EF46DB3751D8E999")]
        from_sum = next((s for s, _ in files if s == f"{directory}/{number}.xxhash"))
        alive += [(n, f), (f"{n}.xxhash", dict(files)[from_sum])]
    for other in (packed([files[0], *sha1]), packed([("ova.xml", oldest), *blocks]), packed(files, end=False), packed(alive)):
        made, = bring_in(d, c, other)
        assert [disk_bytes(c, v, d.directory) for _, v in sorted(disks(c, made).items())] == contents
        remove(c, made)


def damaged(d, c, archive):
    files = members(archive)
    xml, first, sum1 = files[0], files[1], files[2]

    def refused(code, files_, **query):
        error = bring_in_fails(d, c, files_ if isinstance(files_, bytes) else packed(files_), **query)
        assert error[0] == code, error

    eof, wrong, sums, error = ("IMPORT_ERROR_PREMATURE_EOF", "IMPORT_ERROR_UNEXPECTED_FILE",
                               "IMPORT_ERROR_SOME_CHECKSUMS_FAILED", "IMPORT_ERROR")
    refused(eof, b"")
    for length in (100, 512, 1000, len(xml[1]) + 1024, 3 * MIB, 3 * MIB + 700):
        refused(eof, archive[:length])
    refused(eof, packed(files[:-1]))
    refused(eof, packed(files[:-2]))
    refused(eof, packed([xml]))
    refused(wrong, files[1:])
    refused(wrong, [xml, first, *files[3:]])
    refused(wrong, [xml, first, sum1, first, sum1, *files[3:]])
    refused(sums, [xml, first, (sum1[0], b"0" * 16), *files[3:]])
    refused(sums, [xml, first, (sum1[0], b"0" * 160), *files[3:]])
    refused(sums, [xml, (first[0], b"x" + first[1][1:]), *files[2:]])
    for name in ("../../etc/passwd", "/etc/passwd", "Ref:999999/00000000", "x" * 99, f"{first[0]}/00000000", "Ref:1/0",
                 f"{first[0].split('/')[0]}/99999999999999999999", f"{first[0].split('/')[0]}/00000001"):
        refused(wrong, [xml, (name, b"x"), *files[1:]])
    refused(error, [xml, first, sum1, (first[0][:-1] + "9", first[1]), *files[3:]])
    refused(error, b"not a tar archive " * 100)
    refused(error, b"\x1f\x8b" + b"garbage" * 1000)
    refused(error, b"\x28\xb5\x2f\xfd" + b"garbage" * 1000)
    latin = packed([xml, ("z-z", b"x")]).replace(b"z-z", b"z\xffz", 1)
    bad = bytearray(latin)
    at = latin.index(b"z\xffz")
    total = sum(b" "[0] if 148 <= i < 156 else bad[at + i] for i in range(512))
    bad[at + 148:at + 156] = b"%06o\0 " % total
    refused(wrong, bytes(bad))


def hostile_records(d, c, archive):
    files = members(archive)
    xml = files[0][1]

    def refused(code, text, **query):
        error = bring_in_fails(d, c, packed([("ova.xml", text), *files[1:]]), **query)
        assert error[0] == code, error

    refused("IMPORT_ERROR", b"")
    refused("IMPORT_ERROR", b"<value>text</value>")
    refused("IMPORT_ERROR", xml[:len(xml) // 2])
    refused("IMPORT_ERROR", xml + xml)
    refused("IMPORT_ERROR", b"<value><array><data>" * 5000)
    refused("IMPORT_ERROR", b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b 'c'>]><value>&b;</value>")
    refused("IMPORT_ERROR", b"\xff\xfe" * 1000)
    refused("IMPORT_ERROR", bytes(17 * MIB))
    refused("IMPORT_ERROR", xml.replace(b"<name>objects<", b"<name>things<"))
    refused("IMPORT_INCOMPATIBLE_VERSION", xml.replace(b"<name>export_vsn</name><value>2<", b"<name>export_vsn</name><value>3<"))
    refused("IMPORT_ERROR", xml.replace(b"<name>memory_static_max</name><value>", b"<name>memory_static_max</name><value>x"))
    refused("MEMORY_CONSTRAINT_VIOLATION", xml.replace(b"<name>memory_static_max</name><value>", b"<name>memory_static_max</name><value>-"))
    refused("IMPORT_ERROR", re.sub(rb"<name>virtual_size</name><value>\d+", b"<name>virtual_size</name><value>-5", xml))
    refused("SR_BACKEND_FAILURE_79", re.sub(rb"<name>virtual_size</name><value>\d+", b"<name>virtual_size</name><value>9000000000000000000", xml))
    refused("IMPORT_ERROR", re.sub(rb"<name>userdevice</name><value>\d+", b"<name>userdevice</name><value>0", xml))
    refused("IMPORT_ERROR", re.sub(rb"<name>device</name><value>\d+", b"<name>device</name><value>99", xml))
    refused("IMPORT_ERROR", re.sub(rb"<name>actions_after_crash</name><value>\w+", b"<name>actions_after_crash</name><value>no", xml))
    refused("IMPORT_ERROR", xml.replace(b"source &amp; &lt;co&gt;", b"\xff\xff"))
    refused("IMPORT_ERROR_FAILED_TO_FIND_OBJECT", re.sub(rb"<name>VDI</name><value>Ref:\d+", b"<name>VDI</name><value>Ref:99", xml))
    refused("IMPORT_ERROR", xml.replace(b"<name>is_control_domain</name><value><boolean>0", b"<name>is_control_domain</name><value><boolean>1"))
    # What a record may not decide for itself.
    odd = xml.replace(b"<name>is_default_template</name><value><boolean>0", b"<name>is_default_template</name><value><boolean>1")
    odd = odd.replace(b"<name>power_state</name><value>Halted", b"<name>power_state</name><value>Running")
    odd = odd.replace(b"<name>domid</name><value>-1", b"<name>domid</name><value>5")
    odd = odd.replace(b"<name>currently_attached</name><value><boolean>0", b"<name>currently_attached</name><value><boolean>1")
    made, = bring_in(d, c, packed([("ova.xml", odd), *files[1:]]))
    record = c.VM.get_record(made)
    assert record["power_state"] == "Halted" and int(record["domid"]) == -1 and not record["is_default_template"]
    assert not any(c.VBD.get_currently_attached(v) for v in record["VBDs"])
    remove(c, made)


def noise(d, c, archive):
    """Bytes changed at random places change nothing either, or are not noticed because nobody reads them."""
    rng = random.Random(7)
    for _ in range(12):
        bad = bytearray(archive)
        for _ in range(rng.randrange(1, 6)):
            bad[rng.randrange(len(bad) if rng.random() < 0.5 else 40000)] = rng.randrange(256)
        try:
            for vm in bring_in(d, c, bytes(bad)):
                remove(c, vm)
        except Failure:
            pass
    check(d, c, "noise was imported")


def metadata(d, c, vm):
    reply, body = get(d, "/export_metadata", ref=vm)
    assert reply.status == 200 and int(reply.getheader("content-length")) == len(body)
    assert [n for n, _ in members(body)] == ["ova.xml"]
    before = counts(c)
    assert bring_in(d, c, body, "/import_metadata", dry_run="true") == [] and counts(c) == before
    twin, = bring_in(d, c, body, "/import_metadata")
    same_vm(c, vm, twin)
    assert disks(c, twin) == disks(c, vm), "metadata leads to the disks that are here"
    c.VM.destroy(twin)
    spare = make_vdi(c, "spare", SIZE)
    uuid = c.VDI.get_uuid(disks(c, vm)["0"])
    twin, = bring_in(d, c, body, "/import_metadata", **{f"vdi:{uuid}": c.VDI.get_uuid(spare)})
    assert disks(c, twin) == {**disks(c, vm), "0": spare}
    c.VM.destroy(twin)
    unknown = body.replace(uuid.encode(), b"00000000-0000-4000-8000-000000000001")
    assert bring_in_fails(d, c, unknown, "/import_metadata") == ["IMPORT_ERROR_ATTACHED_DISKS_NOT_FOUND"]
    twin, = bring_in(d, c, unknown, "/import_metadata", force="true")
    assert "0" not in disks(c, twin)
    c.VM.destroy(twin)
    _, everything = get(d, "/export_metadata", all="true", include_dom0="false")
    assert len(bring_in(d, c, everything, "/import_metadata", dry_run="true")) == 0
    _, bare = get(d, "/export_metadata", ref=vm, excluded_device_types="vif,vbd")
    twin, = bring_in(d, c, bare, "/import_metadata")
    assert c.VM.get_VIFs(twin) == [] and c.VM.get_VBDs(twin) == []
    c.VM.destroy(twin)
    c.VDI.destroy(spare)


def networks_and_snapshots(d, c, vm):
    _, body = get(d, "/export_metadata", ref=vm)
    network = c.VIF.get_network(c.VM.get_VIFs(vm)[0])
    name, bridge = c.network.get_name_label(network), c.network.get_bridge(network)
    elsewhere = body.replace(name.encode(), (name[:-1] + "?").encode())
    twin, = bring_in(d, c, elsewhere, "/import_metadata")
    assert c.VIF.get_network(c.VM.get_VIFs(twin)[0]) == network, "found by its bridge"
    c.VM.destroy(twin)
    elsewhere = elsewhere.replace(bridge.encode(), (bridge[:-1] + "?").encode())
    twin, = bring_in(d, c, elsewhere, "/import_metadata")
    made = c.VIF.get_network(c.VM.get_VIFs(twin)[0])
    assert made != network and c.network.get_name_label(made) == name[:-1] + "?"
    c.VM.destroy(twin)
    c.network.destroy(made)
    snapshot = c.VM.snapshot(vm, "then", [])
    _, with_it = get(d, "/export_metadata", ref=vm)
    both = bring_in(d, c, with_it, "/import_metadata")
    of = {c.VM.get_is_a_snapshot(v): v for v in both}
    assert c.VM.get_snapshot_of(of[True]) == of[False]
    for v in both:
        c.VM.destroy(v)
    _, alone = get(d, "/export", ref=snapshot)
    template, = bring_in(d, c, alone)
    assert c.VM.get_is_a_template(template) and not c.VM.get_is_a_snapshot(template)
    remove(c, template)
    remove(c, snapshot)


def refusals(d, c, vm, archive):
    reply, body = get(d, "/export", ref=vm, use_compression="rar")
    assert reply.status == 500 and b"INVALID_VALUE" in body
    assert b"HANDLE_INVALID" in get(d, "/export")[1]
    c.VM.start(vm, False, False)
    reply, body = get(d, "/export", ref=vm)
    assert reply.status == 500 and b"VM_BAD_POWER_STATE" in body
    c.VM.hard_shutdown(vm)
    reply, body = put(d, "/import", archive, sr_uuid="00000000-0000-4000-8000-000000000001")
    assert reply.status == 500 and b"UUID_INVALID" in body
    assert put(d, "/import", b"")[0].status == 200, "an attempt"
    before = counts(c)
    t = task(c)
    cut_put(d, "/import", archive[:3 * MIB], len(archive), task_id=t)
    assert finished(c, t) == "failure" and counts(c) == before
    t = task(c)
    cut_put(d, "/import", archive, 1 << 50, task_id=t)
    assert finished(c, t) == "success", "a whole archive is enough when its length was not known"
    remove(c, re.search(r"OpaqueRef:[0-9a-f-]+", c.task.get_result(t))[0])


class Files(http.server.BaseHTTPRequestHandler):
    """What paths of a web server say; /silent sends half of the archive and waits until it is told to end."""

    archive, told = b"", threading.Event()

    def do_GET(self):
        if self.path.startswith("/go?"):
            self.send_response(302)
            self.send_header("Location", urllib.parse.unquote(self.path[4:]))
            return self.end_headers()
        if self.path == "/private" and self.headers["Authorization"] != "Basic " + base64.b64encode(b"me:p@ss").decode():
            return self.send_error(401)
        sent = {"/half": self.archive[:len(self.archive) // 2], "/silent": self.archive[:3 * MIB], "/page": b"<html>" * 999}
        data = sent.get(self.path, None if self.path == "/missing" else self.archive)
        if data is None:
            return self.send_error(404)
        self.send_response(200)
        if self.path != "/endless":
            self.send_header("Content-Length", str(len(data if self.path == "/page" else self.archive)))
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()
        if self.path == "/silent":
            self.told.wait(60)

    def log_message(self, *words):
        pass


def serve(context=None):
    server = http.server.ThreadingHTTPServer(("127.0.27.12", 0), Files)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, f"{'https' if context else 'http'}://127.0.27.12:{server.server_port}"


def from_a_server(d, c, archive, packed):
    """VM.import fetches what /import takes; servers that are no good leave nothing behind."""
    server, url = serve()
    for Files.archive, path in ((archive, "/x.xva"), (packed, "/x.xva.gz"), (archive, "/endless"), (archive, "/go?x.xva"),
                                (archive, "/go?/go%3f" + urllib.parse.quote(url + "/x"))):
        vm, = c.call("VM.import", url + path, "OpaqueRef:NULL", False, False)
        assert len(disks(c, vm)) == 2
        remove(c, vm)
    vm, = c.call("VM.import", url.replace("//", "//me:p%40ss@") + "/go?private", default_sr(c), False, False)
    code, out, err = xe(d, "vm-import", f"url={url}/x")
    assert (code, err) == (0, ""), err
    remove(c, c.VM.get_by_uuid(out.decode().strip()))
    before = counts(c), folder_of_disks(d, c)
    for path, words in (("/missing", "status 404"), ("/private", "status 401"), ("/half", "ended before all had come"),
                        ("/page", "no tar archive"), ("/go?ftp://x/y", "where we do not go"), ("/go?", "where we do not go")):
        problem = fails("IMPORT_ERROR", c.call, "VM.import", url + path, default_sr(c), False, False)
        assert words in str(problem), (path, problem)
    assert "without end" in str(fails("IMPORT_ERROR", c.call, "VM.import", url + "/go?" + "/go%3f" * 9, default_sr(c), False, False))
    for bad in ("", "ftp://x/y", "file:///etc/passwd", "http://", "http://x y/", "http://127.0.27.12/a\r\nb: c", "/x"):
        assert fails("INVALID_VALUE", c.call, "VM.import", bad, default_sr(c), False, False) == ["url", bad]
    assert "cannot contact" in str(fails("IMPORT_ERROR", c.call, "VM.import", "http://127.0.27.12:1/", default_sr(c), False, False))
    fails("HANDLE_INVALID", c.call, "VM.import", url, "OpaqueRef:none", False, False)
    t = c.call("Async.VM.import", url + "/silent", default_sr(c), False, False)
    wait_until(lambda: c.task.get_progress(t) > 0 and len(folder_of_disks(d, c)[0]) > len(before[1][0]), "it has begun")
    c.task.cancel(t)
    assert finished(c, t) == "cancelled", c.task.get_error_info(t)
    Files.told.set()
    assert (counts(c), folder_of_disks(d, c)) == before
    remove(c, vm)
    server.shutdown()


def from_a_server_that_is_believed(d, c, archive):
    """As the pool has it: any, until verification is on; then only what it trusts."""
    with tempfile.TemporaryDirectory() as folder:
        pem = os.path.join(folder, "server.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=files", "-addext",
                        "subjectAltName=IP:127.0.27.12", "-keyout", pem, "-out", pem + ".crt"], check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem + ".crt", pem)
        certificate = open(pem + ".crt").read()
    server, url = serve(context)
    Files.archive = archive
    remove(c, c.call("VM.import", url + "/x", default_sr(c), False, False)[0])
    plain, address = serve()
    assert "where we do not go" in str(fails("IMPORT_ERROR", c.call, "VM.import", f"{url}/go?{address}/x", default_sr(c), False, False))
    c.pool.enable_tls_verification()
    assert "not believed" in str(fails("IMPORT_ERROR", c.call, "VM.import", url + "/x", default_sr(c), False, False))
    c.pool.install_ca_certificate("files.pem", certificate)
    remove(c, c.call("VM.import", url + "/x", default_sr(c), False, False)[0])
    server.shutdown()
    plain.shutdown()


def a_killed_daemon(d, c, archive):
    """What an import had made when the daemon was killed goes at its next start."""
    before = folder_of_disks(d, c), counts(c)
    s = socket.socket(socket.AF_UNIX)
    s.connect(d.socket)
    s.sendall(f"PUT /import HTTP/1.1\r\ncontent-length: {len(archive)}\r\n\r\n".encode() + archive[:3 * MIB])
    wait_until(lambda: len(folder_of_disks(d, c)[0]) == len(before[0][0]) + 2 and servers(d), "disks are being made")
    d.kill()
    s.close()
    d.start()
    c = d.client()
    wait_until(lambda: (folder_of_disks(d, c), counts(c)) == before, "the disks are gone")
    return c


with Daemon(address="127.0.27.12") as daemon:
    client = daemon.client()
    source, data = make_source(daemon, client)
    plain, gzipped, zstandard = there_and_back(daemon, client, source, data)
    layout(plain)
    source = restored(daemon, client, source, plain)
    other_generations(daemon, client, plain, data)
    damaged(daemon, client, plain)
    hostile_records(daemon, client, plain)
    for compressed in (gzipped, zstandard):
        assert bring_in_fails(daemon, client, compressed[:len(compressed) // 2])[0].startswith("IMPORT_ERROR")
    noise(daemon, client, plain)
    metadata(daemon, client, source)
    networks_and_snapshots(daemon, client, source)
    refusals(daemon, client, source, plain)
    from_a_server(daemon, client, plain, gzipped)
    from_a_server_that_is_believed(daemon, client, plain)
    client = a_killed_daemon(daemon, client, plain)
    wait_until(lambda: not servers(daemon), "no program is left")
    check(daemon, client, "VMs went out and in")
