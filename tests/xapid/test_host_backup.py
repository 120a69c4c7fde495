"""xe host-backup and host-restore: a host comes back as it was; archives that are no good change nothing."""

import glob
import io
import os
import subprocess
import sys
import tarfile
import time

import daemon
from daemon import Daemon, XAPID, same

XE = os.path.join(daemon.BUILD, "xe", "xe")


def xe(d, *words):
    done = subprocess.run([XE, "-s", daemon.ADDRESS, "-p", str(d.port), "-u", "root", "-pw", daemon.PASSWORD, *words],
                          capture_output=True, encoding="utf-8", env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"})
    return done.returncode, done.stdout, done.stderr


def put(d, session, body, **headers):
    reply, data = d.client().exchange("PUT", f"/host_restore?session_id={session}", body, headers)
    return reply.status, data.decode()


def left_over(d):
    return [n for n in os.listdir(d.dir) if n.startswith(("host-backup", "host-restore", "before-host-restore"))]


def members(path):
    with tarfile.open(path) as tar:
        return {m.name: (m, tar.extractfile(m).read() if m.isfile() else None) for m in tar}


def a_backup_is_whole(d, path):
    c = d.login()
    c.call("pool.set_name_label", c.call("pool.get_all")[0], "before")
    c.call("secret.create", {"value": "kept", "other_config": {}})
    blob = c.call("pool.create_new_blob", c.call("pool.get_all")[0], "logo", "image/png", False)
    c.exchange("PUT", f"/blob?session_id={c.session}&ref={blob}", b"picture")
    with open(os.path.join(d.dir, "tls", ".new"), "w") as f:
        f.write("half of a certificate")
    same(xe(d, "host-backup", f"file-name={path}"), (0, "", ""))
    same(os.stat(path).st_mode & 0o777, 0o600)
    files = members(path)
    uuid = c.call("host.get_uuid", c.call("host.get_all")[0])
    assert f"host = {uuid}\n".encode() in files["manifest"][1], files["manifest"]
    wanted = {"xapid.db", "xapid.conf", "passwd", "tls/server.pem", "pool/membership", "pool/ca-key.pem", "pool/server-key.pem",
              "blobs/" + c.call("blob.get_uuid", blob)}
    assert wanted <= set(files), files.keys()
    for name, (m, _) in files.items():
        assert (m.isfile() or m.isdir()) and m.mode & 0o077 == 0 and not name.startswith(("sr", "log", "net")), name
    same(subprocess.run([XAPID, "--state-dir", d.dir, f"--check-db={extract(path, 'xapid.db')}"]).returncode, 0)
    same(left_over(d), [])
    return c


def extract(path, name):
    with open(path + "." + os.path.basename(name), "wb") as f:
        f.write(members(path)[name][1])
    return f.name


def remade(path, change):
    """The archive with its members as change(name, member, content) says: a list of (member, content)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, (m, content) in members(path).items():
            for member, data in change(name, m, content):
                if data is not None:
                    member.size = len(data)
                tar.addfile(member, io.BytesIO(data) if data is not None else None)
    return out.getvalue()


def also(name, content=b"x", kind=tarfile.REGTYPE, link=""):
    """An archive with one more member."""
    m = tarfile.TarInfo(name)
    m.type, m.linkname = kind, link
    return lambda n, old, data: [(old, data), (m, content)] if n == "manifest" else [(old, data)]


def without(name):
    return lambda n, m, data: [] if n == name else [(m, data)]


def instead(name, content):
    return lambda n, m, data: [(m, content(data) if n == name else data)]


def hostile_archives_change_nothing(d, c, path):
    whole = open(path, "rb").read()
    bad = [
        (whole[:len(whole) // 2], "IMPORT_ERROR_PREMATURE_EOF"),
        (whole[:-10240 - 512] if len(whole) > 20480 else b"", "IMPORT_ERROR_PREMATURE_EOF"),
        (b"", "IMPORT_ERROR_PREMATURE_EOF"),
        (b"not tar at all" * 100, "IMPORT_ERROR"),
        (remade(path, also("/etc/cron.d/x")), "nothing that a host's backup holds"),
        (remade(path, also("../x")), "nothing that a host's backup holds"),
        (remade(path, also("tls/../../x")), "nothing that a host's backup holds"),
        (remade(path, also("tls/.x")), "nothing that a host's backup holds"),
        (remade(path, also("sr/x")), "nothing that a host's backup holds"),
        (remade(path, also("tls/a/b/c/d")), "nothing that a host's backup holds"),
        (remade(path, also("tls/x", None, tarfile.SYMTYPE, "/etc/passwd")), "neither a file nor a folder"),
        (remade(path, also("tls/x", None, tarfile.LNKTYPE, "/etc/passwd")), "neither a file nor a folder"),
        (remade(path, also("tls/x", None, tarfile.CHRTYPE)), "neither a file nor a folder"),
        (remade(path, also("tls/x", None, tarfile.FIFOTYPE)), "neither a file nor a folder"),
        (remade(path, also("passwd")), "twice"),
        (remade(path, also("tls/large", bytes(2 << 20))), "too large"),
        (remade(path, also("passwd/x")), "nothing that a host's backup holds"),
        (remade(path, without("manifest")), "has no manifest"),
        (remade(path, without("xapid.db")), "has no xapid.db"),
        (remade(path, without("pool/ca-key.pem")), "has no pool/ca-key.pem"),
        (remade(path, without("tls/server.pem")), "has no tls/server.pem"),
        (remade(path, instead("manifest", lambda s: s.replace(b"format = 1", b"format = 2"))), "RESTORE_INCOMPATIBLE_VERSION"),
        (remade(path, instead("pool/membership", lambda s: b"role = king\n")), "pool/membership"),
        (remade(path, instead("pool/membership", lambda s: s.replace(b"host = ", b"host = 0"))), "pool/membership"),
        (remade(path, instead("pool/server-key.pem", lambda s: members(path)["pool/ca-key.pem"][1])), "the certificates"),
        (remade(path, instead("tls/server.pem", lambda s: s[:100])), "the certificates"),
        (remade(path, instead("xapid.db", lambda s: b"x" * 8192)), "the database"),
        (remade(path, instead("xapid.db", lambda s: s[:len(s) // 2])), "the database"),
        (remade(path, instead("xapid.conf", lambda s: b"colour = blue\n")), "the configuration file"),
        (remade(path, instead("xapid.conf", lambda s: b"login-delay-ms = soon\n")), "the configuration file"),
    ]
    for body, words in bad:
        status, text = put(d, c.session, body)
        assert words in text, (words, status, text)
        same([n for n in left_over(d) if n != "host-restore"], [])
    same(left_over(d), [])
    with open(path + ".bad", "wb") as f:
        f.write(bad[4][0])
    status, _, err = xe(d, "host-restore", f"file-name={path}.bad")
    assert status == 1 and "nothing that a host's backup holds" in err, err


def only_pool_admins_may(d, c):
    same(d.client().exchange("GET", "/host_backup?session_id=OpaqueRef:NULL")[0].status, 401)
    same(put(d, "OpaqueRef:NULL", b"")[0], 401)
    subprocess.run([XAPID, "--state-dir", d.dir, "--set-password", "op"], input=b"secret", check=True)
    identifier = c.call("auth.get_subject_identifier", "op")
    subject = c.call("subject.create", {"subject_identifier": identifier, "other_config": {}})
    c.call("subject.add_to_roles", subject, c.call("role.get_by_name_label", "pool-operator")[0])
    op = d.login(user="op", password="secret")
    same(op.exchange("GET", f"/host_backup?session_id={op.session}")[0].status, 403)
    same(put(d, op.session, b"")[0], 403)


def label(c):
    return c.call("pool.get_name_label", c.call("pool.get_all")[0])


def a_host_comes_back_at_the_next_start(d, path, config):
    """The database, passwords, certificates and settings; the newer ones are kept."""
    c = d.login()
    uuid = c.call("host.get_uuid", c.call("host.get_all")[0])
    c.call("pool.set_name_label", c.call("pool.get_all")[0], "after")
    certificate = open(os.path.join(d.dir, "tls/server.pem")).read()
    c.call("host.reset_server_certificate", c.call("host.get_all")[0])
    assert open(os.path.join(d.dir, "tls/server.pem")).read() != certificate
    subprocess.run([XAPID, "--state-dir", d.dir, "--set-password", "root"], input=b"another", check=True)
    with open(config, "w") as f:
        f.write("log-level = info\n")
    c = d.login(password="another")
    same(put(d, c.session, open(path, "rb").read())[0], 200)
    same(label(c), "after")
    same(left_over(d), ["host-restore"])
    d.stop()
    d.start()
    c = d.login()
    same(label(c), "before")
    assert "kept" in [s["value"] for s in c.call("secret.get_all_records").values()]
    same(c.call("host.get_uuid", c.call("host.get_all")[0]), uuid)
    same(open(os.path.join(d.dir, "tls/server.pem")).read(), certificate)
    same(open(config).read(), "log-level = debug\n")
    (aside,) = glob.glob(os.path.join(d.dir, "before-host-restore-*"))
    same(sorted(os.listdir(aside)), ["blobs", "passwd", "pool", "tls", "xapid.conf"])
    assert glob.glob(os.path.join(d.dir, "xapid.db.before-restore-*"))
    same(os.readlink(os.path.join(d.dir, "pool/client-key.pem")), "server-key.pem")
    assert "the host from the backup was put in place" in d.log()


def a_new_machine_becomes_the_host(d, path, config):
    """Also when the start that puts it in place was cut short."""
    with Daemon("--config", config) as other:
        assert label(other.login()) != "before"
        same(xe(other, "host-restore", f"file-name={path}"), (0, "", ""))
        other.stop()
        ready = os.path.join(other.dir, "host-restore")
        made = os.stat(os.path.join(ready, "manifest")).st_mtime_ns
        aside = os.path.join(other.dir, time.strftime("before-host-restore-%Y%m%dT%H%M%S", time.gmtime(made // 10**9)) + f".{made % 10**9:09}")
        os.mkdir(aside)
        os.rename(os.path.join(ready, "xapid.db"), os.path.join(other.dir, "xapid.db.restore"))
        os.rename(os.path.join(other.dir, "passwd"), os.path.join(aside, "passwd"))
        os.rename(os.path.join(ready, "passwd"), os.path.join(other.dir, "passwd"))
        os.rename(os.path.join(other.dir, "tls"), os.path.join(aside, "tls"))
        other.start()
        same(label(other.login()), "before")
        same({"passwd", "tls", "pool"} - set(os.listdir(aside)), set())
        same(sorted(left_over(other)), [os.path.basename(aside)])
        uuids = [[h["uuid"] for h in one.login().call("host.get_all_records").values()] for one in (d, other)]
        same(uuids[0], uuids[1])


if __name__ == "__main__":
    if not (os.path.exists(XAPID) and os.path.exists(XE)):
        sys.exit(77)
    d = Daemon()
    config = os.path.join(d.dir, "xapid.conf")
    with open(config, "w") as f:
        f.write("log-level = debug\n")
    d.options += ["--config", config]
    with d:
        path = os.path.join(d.dir, "backup.tar")
        c = a_backup_is_whole(d, path)
        hostile_archives_change_nothing(d, c, path)
        only_pool_admins_may(d, c)
        a_host_comes_back_at_the_next_start(d, path, config)
        a_new_machine_becomes_the_host(d, path, config)
