#!/usr/bin/env python3
"""What a pool trusts, all of its hosts trust; and its hosts believe each other only what they should."""

import hashlib
import os
import ssl
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "ops"))
from daemon import fails, wait_until  # noqa: E402
from pool import Pool, is_live, join  # noqa: E402


def certificate(folder, name, *more):
    """One that is its own authority, as PEM text; its key lies beside it."""
    path = os.path.join(folder, name)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                    "30", "-subj", f"/CN={name}", "-keyout", path + ".key", "-out", path + ".crt", *more], check=True,
                   capture_output=True)
    with open(path + ".crt") as f:
        return f.read()


def fingerprint(pem):
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest().upper()
    return ":".join(digest[i:i + 2] for i in range(0, 64, 2))


def files(host, kind):
    folder = os.path.join(host.state, "tls", kind)
    return {name: open(os.path.join(folder, name)).read() for name in os.listdir(folder)} if os.path.exists(folder) else {}


def all_have(hosts, kind, wanted):
    for h in hosts:
        assert files(h, kind) == wanted, (h.address, kind, files(h, kind).keys(), wanted.keys())


def what_is_installed_is_on_all_hosts(hosts, folder):
    """Through a member; on those that are there at once, on one that was away when it comes back."""
    c, pool = hosts[1].client(), hosts[1].client().pool.get_all()[0]
    one, two = certificate(folder, "one"), certificate(folder, "two")
    c.pool.install_ca_certificate("one.pem", one)
    all_have(hosts[:2], "ca", {"one.pem": one})
    c.pool.install_trusted_certificate(pool, False, two, ["ldaps"])
    name = fingerprint(two).replace(":", "") + "-ldaps.pem"
    all_have(hosts[:2], "pinned", {name: two})
    (row,) = [r for r, v in c.Certificate.get_all_records().items() if v["type"] == "pinned"]
    assert (c.Certificate.get_purpose(row), c.Certificate.get_fingerprint_sha256(row)) == (["ldaps"], fingerprint(two))
    assert fails("TRUSTED_CERTIFICATE_ALREADY_EXISTS", c.pool.install_trusted_certificate, pool, False, two,
                 ["ldaps"]) == [fingerprint(two)]
    fails("TRUSTED_CERTIFICATE_INVALID", c.pool.install_trusted_certificate, pool, True, two + two, [])
    server = next(r for r, v in c.Certificate.get_all_records().items() if v["type"] == "host")
    assert fails("NOT_TRUSTED_CERTIFICATE", c.pool.uninstall_trusted_certificate, pool, server) == [server]
    hosts[1].kill()
    wait_until(lambda: not is_live(hosts[0], hosts[1]), "the member is missed")
    c = hosts[0].client()
    c.pool.uninstall_trusted_certificate(pool, row)
    c.pool.install_trusted_certificate(pool, True, two, [])
    hosts[1].start()
    wanted = {"one.pem": one, fingerprint(two).replace(":", "") + ".pem": two}
    wait_until(lambda: files(hosts[1], "ca") == wanted and not files(hosts[1], "pinned"), "the member has caught up")
    all_have(hosts[:2], "ca", wanted)
    join(hosts[2], hosts[0])
    wait_until(lambda: files(hosts[2], "ca") == wanted, "the host that joined has them, too")
    os.unlink(os.path.join(hosts[2].state, "tls", "ca", "one.pem"))
    c.pool.certificate_sync()
    all_have(hosts, "ca", wanted)


def main():
    with tempfile.TemporaryDirectory() as folder, Pool(3, joined=False) as hosts:
        join(hosts[1], hosts[0])
        what_is_installed_is_on_all_hosts(hosts, folder)


if __name__ == "__main__":
    main()
