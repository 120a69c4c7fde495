#!/usr/bin/env python3
"""xe vm-export, vm-import and their kin: files, what is printed, exit codes, and nothing left behind by a failure."""

import os
import re

from bulk import MIB, default_sr, disk_bytes, image, put, xe
from daemon import Daemon, add_disk, make_vdi, make_vm, template
from invariants import check

UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def exports(d, c, path):
    data = image(1, 3 * MIB, [(MIB, MIB)])
    vm = make_vm(c, "web", disks=0, nics=1)
    disk = make_vdi(c, "root", len(data))
    put(d, "/import_raw_vdi", data, vdi=disk)
    add_disk(c, vm, disk)
    done = (0, b"Export succeeded\n", "")
    for compress in ("false", "true", "gzip", "zstd"):
        assert xe(d, "vm-export", "vm=web", f"filename={path(compress)}", f"compress={compress}") == done
    assert xe(d, "vm-export", "vm=web", f"filename={path('metadata')}", "--metadata") == done
    code, out, err = xe(d, "vm-export", "vm=web", "filename=", "--metadata")
    assert (code, err) == (0, "") and len(out) == os.path.getsize(path("metadata"))
    return vm, data


def one_uuid(result):
    code, out, err = result
    assert (code, err) == (0, ""), result
    assert re.fullmatch(UUID + "\n", out.decode()), out
    return out.decode().strip()


def remove(d, uuid):
    assert xe(d, "vm-uninstall", f"uuid={uuid}", "--force")[0] == 0


def imports(d, c, vm, data, path):
    sr = c.SR.get_uuid(default_sr(c))
    for name in ("false", "gzip", "zstd"):
        uuid = one_uuid(xe(d, "vm-import", f"filename={path(name)}", f"sr-uuid={sr}"))
        new = c.VM.get_by_uuid(uuid)
        disk = c.VBD.get_VDI(next(v for v in c.VM.get_VBDs(new) if c.VBD.get_type(v) == "Disk"))
        assert disk_bytes(c, disk, d.directory) == data
        remove(d, uuid)
    uuid = one_uuid(xe(d, "vm-import", f"filename={path('metadata')}", "--metadata"))
    c.VM.destroy(c.VM.get_by_uuid(uuid))
    before = len(c.VM.get_all())
    assert xe(d, "vm-import", f"filename={path('metadata')}", "--metadata", "--dry-run") == (
        0, b"xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx\n", "")
    assert len(c.VM.get_all()) == before
    code, _, err = xe(d, "vm-import", f"filename={path('false')}", "--preserve")
    assert code == 1 and c.VM.get_uuid(vm) in err and len(c.VM.get_all()) == before


def several(d, c, path):
    for name in ("one", "two"):
        c.VM.set_tags(make_vm(c, name, disks=0, nics=0), ["group"])
    code, out, _ = xe(d, "vm-export", "tags:contains=group", f"filename={path('many')}", "--multiple")
    assert code == 0 and out == 2 * b"Export succeeded\n"
    assert os.path.exists(path("many")) and os.path.exists(path("many2")) and not os.path.exists(path("many3"))


def templates_and_snapshots(d, c, vm, path):
    snapshot = c.VM.snapshot(vm, "then", [])
    uuid = c.VM.get_uuid(snapshot)
    assert xe(d, "snapshot-export-to-template", f"snapshot-uuid={uuid}", f"filename={path('snapshot')}")[0] == 0
    made = one_uuid(xe(d, "vm-import", f"filename={path('snapshot')}"))
    assert c.VM.get_is_a_template(c.VM.get_by_uuid(made)) and not c.VM.get_is_a_snapshot(c.VM.get_by_uuid(made))
    assert xe(d, "template-export", f"template-uuid={made}", f"filename={path('template')}") == (0, b"Export succeeded\n", "")
    default = c.VM.get_uuid(template(c))
    assert xe(d, "template-export", f"template-uuid={default}", f"filename={path('default')}")[0] == 0
    for verb, key, wrong in (("template-export", "template-uuid", uuid), ("snapshot-export-to-template", "snapshot-uuid", made),
                             ("template-export", "template-uuid", c.VM.get_uuid(vm))):
        code, _, err = xe(d, verb, f"{key}={wrong}", f"filename={path('wrong')}")
        assert code == 1 and "is no" in err and not os.path.exists(path("wrong"))


def failures(d, c, path):
    for args in (["vm-import"], ["vm-import", f"filename={path('false')}", "url=http://x/"], ["vm-import", f"filename={path('no')}"],
                 ["vm-import", f"filename={path('false')}", "--dry-run"], ["vm-import", f"filename={path('false')}", "sr-uuid=no"],
                 ["vm-export", "vm=nobody", f"filename={path('nobody')}"],
                 ["vm-export", "vm=web", f"filename={path('bad')}", "compress=rar"]):
        assert xe(d, *args)[0] == 1, args
    with open(path("cut"), "wb") as f, open(path("false"), "rb") as whole:
        f.write(whole.read()[:2 * MIB])
    before = len(c.VM.get_all()), len(c.VDI.get_all())
    assert xe(d, "vm-import", f"filename={path('cut')}")[0] == 1
    assert (len(c.VM.get_all()), len(c.VDI.get_all())) == before
    c.VM.start(c.VM.get_by_name_label("web")[0], False, False)
    code, _, err = xe(d, "vm-export", "vm=web", f"filename={path('running')}")
    assert code == 1 and "running" in err and not os.path.exists(path("running"))
    c.VM.hard_shutdown(c.VM.get_by_name_label("web")[0])
    assert not [n for n in os.listdir(path("")) if n in ("nobody", "bad")]


with Daemon(address="127.0.27.13") as daemon:
    client = daemon.client()
    os.mkdir(os.path.join(daemon.directory, "files"))

    def in_folder(name):
        return os.path.join(daemon.directory, "files", name)

    web, content = exports(daemon, client, in_folder)
    imports(daemon, client, web, content, in_folder)
    several(daemon, client, in_folder)
    failures(daemon, client, in_folder)
    templates_and_snapshots(daemon, client, web, in_folder)
    check(daemon, client, "VMs were files")
