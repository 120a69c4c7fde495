#!/usr/bin/env python3
"""xe vdi-export and vdi-import: files, exit codes, progress, and nothing left behind by a failure."""

import os
import pty
import signal
import subprocess

from bulk import BUILD, MIB, as_raw, disk_bytes, image, xe
from daemon import Daemon, add_disk, make_vdi, make_vm, wait_until
from invariants import check

SIZE = 9 * MIB


def read(path):
    with open(path, "rb") as f:
        return f.read()


def there_and_back(d, c, path):
    data = image(1, SIZE, [(MIB, 3 * MIB)])
    vdi = make_vdi(c, "disk", SIZE)
    uuid = c.VDI.get_uuid(vdi)
    with open(path("in.raw"), "wb") as f:
        f.write(data)
    assert xe(d, "vdi-import", f"uuid={uuid}", f"filename={path('in.raw')}") == (0, b"", "")
    assert disk_bytes(c, vdi, d.directory) == data
    assert xe(d, "vdi-export", f"uuid={uuid}", f"filename={path('out.raw')}") == (0, b"", "")
    assert read(path("out.raw")) == data and os.stat(path("out.raw")).st_mode & 0o777 == 0o600
    assert xe(d, "vdi-export", f"uuid={uuid}", "filename=") == (0, data, "")
    code, _, err = xe(d, "vdi-export", f"uuid={uuid}", f"filename={path('out.vhd')}", "format=vhd", "progress=true")
    assert code == 0 and "100% ETA 00:00:00)\nTotal time: " in err and "\r[" in err, err
    assert as_raw(read(path("out.vhd")), "vpc", d.directory)[:SIZE] == data
    other = make_vdi(c, "other", SIZE)
    assert xe(d, "vdi-import", f"uuid={c.VDI.get_uuid(other)}", f"filename={path('out.vhd')}", "format=vhd") == (0, b"", "")
    assert disk_bytes(c, other, d.directory) == data
    assert [t["name_label"] for t in c.task.get_all_records().values() if t["name_label"] == "xe transfer"] == []
    return vdi, uuid


def on_a_terminal(d, uuid, path):
    """A terminal on stderr is shown the bar without being asked."""
    mine, theirs = pty.openpty()
    done = subprocess.run([os.path.join(BUILD, "xe", "xe"), "-s", d.socket, "vdi-export", f"uuid={uuid}",
                           f"filename={path('seen.raw')}"], stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    assert done.returncode == 0 and done.stdout == b"" and b"100% ETA" in os.read(mine, 65536)
    os.close(mine)


def failures(d, c, vdi, uuid, path):
    before = read(path("out.raw"))
    code, out, err = xe(d, "vdi-export", f"uuid={uuid}", f"filename={path('out.raw')}")
    assert (code, out) == (1, b"") and "File exists" in err and read(path("out.raw")) == before
    code, _, err = xe(d, "vdi-import", f"uuid={uuid}", f"filename={path('missing')}")
    assert code == 1 and "No such file" in err
    code, _, err = xe(d, "vdi-export", f"uuid={uuid}", f"filename={path('x')}", "format=nonsense")
    assert code == 1 and "404" in err and not os.path.exists(path("x"))
    code, _, err = xe(d, "vdi-import", f"uuid={uuid}", f"filename={path('out.vhd')}", "format=raw")
    assert code == 0
    code, _, err = xe(d, "vdi-import", f"uuid={uuid}", f"filename={path('in.raw')}", "format=vhd")
    assert code == 1 and "no VHD" in err, err
    vm = make_vm(c, "user", disks=0, nics=0)
    add_disk(c, vm, vdi)
    c.VM.start(vm, False, False)
    for verb in ("export", "import"):
        name = path("y") if verb == "export" else path("in.raw")
        code, _, err = xe(d, f"vdi-{verb}", f"uuid={uuid}", f"filename={name}")
        assert code == 1 and f"vdi: {uuid} (disk)" in err, err
    assert not os.path.exists(path("y"))
    c.VM.hard_shutdown(vm)
    c.VM.destroy(vm)


def cut(d, c, uuid, path):
    """xe that is interrupted removes its file; so does one whose server ends."""
    for how in ("signal", "server"):
        name = path(how)
        x = subprocess.Popen([os.path.join(BUILD, "xe", "xe"), "-s", d.socket, "vdi-export", f"uuid={uuid}",
                              f"filename={name}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: os.path.exists(name) and os.path.getsize(name) > MIB, "the export is under way")
        x.send_signal(signal.SIGSTOP)
        if how == "signal":
            x.terminate()
            x.send_signal(signal.SIGCONT)
            assert x.wait() == -signal.SIGTERM
        else:
            d.kill()
            x.send_signal(signal.SIGCONT)
            assert x.wait() == 1
        assert not os.path.exists(name), how
        if how == "signal":
            wait_until(lambda: not any(v["current_operations"] for v in c.VDI.get_all_records().values()),
                       "the disk is free again")


with Daemon(address="127.0.27.10") as daemon:
    client = daemon.client()

    def in_folder(name):
        return os.path.join(daemon.directory, name)

    disk, its_uuid = there_and_back(daemon, client, in_folder)
    on_a_terminal(daemon, its_uuid, in_folder)
    failures(daemon, client, disk, its_uuid, in_folder)
    large = client.VDI.get_uuid(make_vdi(client, "large", 2048 * MIB))
    cut(daemon, client, large, in_folder)
    daemon.start()
    check(daemon, daemon.client(), "disks were files")
