#!/usr/bin/env python3
"""Binary attachments: made, filled, read by whom, and gone again."""

import os
import re

from bulk import MIB, cut_put, get, image, put, task, tls, xe
from daemon import Daemon, default_network, default_sr, fails, make_vm, wait_until

UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def files(d):
    folder = os.path.join(d.state, "blobs")
    return sorted(os.listdir(folder)) if os.path.exists(folder) else []


def put_and_wait(d, c, data, **query):
    t = task(c)
    put(d, "/blob", data, task_id=t, **query)
    wait_until(lambda: c.task.get_status(t) == "success", "the upload succeeds")


def messages(d, c):
    vm = make_vm(c, "owner", disks=0, nics=0)
    host, pool = c.host.get_all()[0], c.pool.get_all()[0]
    for cls, of in (("VM", vm), ("host", host), ("pool", pool), ("SR", default_sr(c)), ("network", default_network(c))):
        blob = c.call(f"{cls}.create_new_blob", of, "notes", "text/plain", False)
        assert c.call(f"{cls}.get_blobs", of) == {"notes": blob}
        assert fails("MAP_DUPLICATE_KEY", c.call, f"{cls}.create_new_blob", of, "notes", "", False)[3] == "notes"
        c.blob.destroy(blob)
        assert c.call(f"{cls}.get_blobs", of) == {}
        fails("HANDLE_INVALID", c.blob.destroy, blob)
    loose = c.blob.create("", True)
    assert c.blob.get_mime_type(loose) == "application/octet-stream" and c.blob.get_public(loose)
    c.blob.destroy(loose)
    return vm


def content(d, c, vm):
    data = image(1, MIB + 5)
    blob = c.VM.create_new_blob(vm, "picture", "image/png", False)
    reply, body = get(d, "/blob", ref=blob)
    assert (reply.status, body, reply.getheader("content-type")) == (200, b"", "image/png")
    for content_ in (data, b"shorter", b""):
        put_and_wait(d, c, content_, uuid=c.blob.get_uuid(blob))
        assert get(d, "/blob", uuid=c.blob.get_uuid(blob))[1] == content_ and int(c.blob.get_size(blob)) == len(content_)
    put_and_wait(d, c, data, ref=blob)
    t = task(c)
    cut_put(d, "/blob", data[:1000], 5000, ref=blob, task_id=t)
    wait_until(lambda: c.task.get_status(t) == "failure", "a cut upload fails")
    assert get(d, "/blob", ref=blob)[1] == data and files(d) == [c.blob.get_uuid(blob)]
    assert b"HANDLE_INVALID" in get(d, "/blob")[1] and b"UUID_INVALID" in put(d, "/blob", b"", uuid="no")[1]
    assert get(d, "/blob", tls(d), ref=blob)[0].status == 401
    c.blob.set_public(blob, True)
    assert get(d, "/blob", tls(d), ref=blob)[1] == data, "anybody may read a public one"
    assert put(d, "/blob", b"x", tls(d), ref=blob)[0].status == 401, "but not write it"
    return blob, data


def restarted(d, c, blob, data):
    """Content outlives the daemon; what belongs to nothing does not."""
    uuid = c.blob.get_uuid(blob)
    d.kill()
    for name in ("stray", f"{uuid}.cut"):
        with open(os.path.join(d.state, "blobs", name), "w") as f:
            f.write("x")
    d.start()
    c = d.client()
    assert files(d) == [uuid] and get(d, "/blob", ref=blob)[1] == data and int(c.blob.get_size(blob)) == len(data)
    c.blob.destroy(blob)
    assert files(d) == []
    return c


def commands(d, c, vm):
    path = os.path.join(d.directory, "file")
    code, out, err = xe(d, "blob-create", "name=log", "mime-type=text/plain", f"vm-uuid={c.VM.get_uuid(vm)}", "public=true")
    assert (code, err) == (0, "") and re.fullmatch(UUID + "\n", out.decode())
    uuid = out.decode().strip()
    with open(path, "w") as f:
        f.write("what happened")
    assert xe(d, "blob-put", f"uuid={uuid}", f"filename={path}") == (0, b"", "")
    assert xe(d, "blob-get", f"uuid={uuid}", f"filename={path}.out") == (0, b"", "")
    with open(f"{path}.out") as f:
        assert f.read() == "what happened"
    assert xe(d, "blob-create", "name=x")[0] == 1 and xe(d, "blob-get", "uuid=no", f"filename={path}.no")[0] == 1
    assert not os.path.exists(f"{path}.no")


with Daemon(address="127.0.27.16") as daemon:
    client = daemon.client()
    owner = messages(daemon, client)
    attachment, bytes_ = content(daemon, client, owner)
    client = restarted(daemon, client, attachment, bytes_)
    commands(daemon, client, owner)
