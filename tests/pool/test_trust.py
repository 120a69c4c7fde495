#!/usr/bin/env python3
"""What a pool trusts, all of its hosts trust; and its hosts believe each other only what they should."""

import hashlib
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "ops"))
from daemon import Failure, Lost, fails, wait_until  # noqa: E402
from pool import PORT, Pool, answers_as_member, is_live, join, leads  # noqa: E402


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
    joiner = hosts[2].client()
    joiner.pool.install_ca_certificate("one.pem", certificate(folder, "another one"))
    fails("POOL_JOINING_HOST_CA_CERTIFICATES_CONFLICT", joiner.pool.join, hosts[0].address, "root", "secret")
    joiner.pool.uninstall_ca_certificate("one.pem")
    join(hosts[2], hosts[0])
    wait_until(lambda: files(hosts[2], "ca") == wanted, "the host that joined has them, too")
    os.unlink(os.path.join(hosts[2].state, "tls", "ca", "one.pem"))
    c.pool.certificate_sync()
    all_have(hosts, "ca", wanted)


def served(host):
    return ssl.get_server_certificate((host.address, int(PORT)))


def sign(folder, name, authority, address):
    """A server's certificate for an address, by an authority that certificate() made: certificate and key."""
    path = os.path.join(folder, name)
    with open(path + ".ext", "w") as f:
        f.write(f"subjectAltName=IP:{address}\n")
    subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                    f"/CN={name}", "-keyout", path + ".key", "-out", path + ".csr"], check=True, capture_output=True)
    subprocess.run(["openssl", "x509", "-req", "-in", path + ".csr", "-CA", os.path.join(folder, authority + ".crt"), "-CAkey",
                    os.path.join(folder, authority + ".key"), "-days", "9", "-set_serial", "5", "-extfile", path + ".ext",
                    "-out", path + ".crt"], check=True, capture_output=True)
    return [open(path + end).read() for end in (".crt", ".key")]


def servers_are_verified(coordinator, joiner, folder):
    """A host joins only a coordinator that it believes: one that is pinned, or has a certificate of an authority."""
    c, j = coordinator.client(), joiner.client()
    here = j.host.get_all()[0]
    pool = j.pool.get_all()[0]
    wrong = (coordinator.address, "root", "wrong")
    fails("TLS_VERIFICATION_NOT_ENABLED_IN_POOL", j.host.emergency_reenable_tls_verification)
    fails("JOINING_HOST_SERVICE_FAILED", j.pool.join, *wrong)  # not verified: its password is looked at
    j.pool.enable_tls_verification()
    assert j.pool.get_tls_verification_enabled(pool) and j.host.get_tls_verification_enabled(here)
    assert "self-signed" in fails("SSL_VERIFY_ERROR", j.pool.join, *wrong)[0]
    j.host.emergency_disable_tls_verification()
    assert not j.host.get_tls_verification_enabled(here)
    fails("JOINING_HOST_SERVICE_FAILED", j.pool.join, *wrong)
    j.host.emergency_reenable_tls_verification()
    assert j.host.get_tls_verification_enabled(here)
    j.pool.install_trusted_certificate(pool, False, served(coordinator), ["ldaps"])
    fails("SSL_VERIFY_ERROR", j.pool.join, *wrong)  # it is trusted for something else
    j.pool.install_trusted_certificate(pool, False, served(coordinator), [])
    fails("JOINING_HOST_SERVICE_FAILED", j.pool.join, *wrong)
    old = c.host.get_server_certificate(c.host.get_all()[0])
    certificate(folder, "authority")
    c.host.install_server_certificate(c.host.get_all()[0], *sign(folder, "elsewhere", "authority", "192.0.2.1"), "")
    assert served(coordinator).strip() != old.strip()
    fails("SSL_VERIFY_ERROR", j.pool.join, *wrong)
    j.pool.install_ca_certificate("authority.pem", open(os.path.join(folder, "authority.crt")).read())
    assert "IP address mismatch" in fails("SSL_VERIFY_ERROR", j.pool.join, *wrong)[0]
    c.host.install_server_certificate(c.host.get_all()[0], *sign(folder, "here", "authority", coordinator.address), "")
    fails("JOINING_HOST_SERVICE_FAILED", j.pool.join, *wrong)
    fails("POOL_JOINING_HOST_TLS_VERIFICATION_MISMATCH", j.pool.join, coordinator.address, "root", "secret")
    c.pool.enable_tls_verification()
    join(joiner, coordinator)
    assert all(h["tls_verification_enabled"] for h in c.host.get_all_records().values())
    ref = joiner.me(c)
    joiner.client_of_its_own().host.emergency_disable_tls_verification()
    wait_until(lambda: not c.host.get_tls_verification_enabled(ref), "the coordinator hears of it")
    joiner.client_of_its_own().host.emergency_reenable_tls_verification()
    wait_until(lambda: c.host.get_tls_verification_enabled(ref), "the coordinator hears of it again")
    c.pool.eject(ref)


# ---- hosts among themselves ----


def in_pool(host, name):
    with open(os.path.join(host.state, "pool", name)) as f:
        return f.read()


def recorded(c, ref):
    """The fingerprints that the host may come with."""
    return [v["fingerprint_sha256"] for v in c.Certificate.get_all_records().values()
            if v["type"] == "host_internal" and v["host"] == ref]


def agree(hosts):
    """Each host's record is what it has, all trust one authority, the same, and calls go both ways."""
    c = hosts[0].client()
    for h in hosts:
        assert recorded(c, h.me(c)) == [fingerprint(in_pool(h, "server-cert.pem"))], h.address
        assert in_pool(h, "ca-cert.pem") == in_pool(hosts[0], "ca-cert.pem") and \
            in_pool(h, "ca-cert.pem").count("BEGIN") == 1 and in_pool(h, "ca-key.pem") == in_pool(hosts[0], "ca-key.pem")
        assert "serving" in c.host.get_log(h.me(c))
        h.client().pool.sync_database()


def forged(host, folder, authority):
    """A certificate of the host that somebody made who knows the authority's key: files, and the authority's."""
    out = {name: os.path.join(folder, name) for name in ("forged.crt", "forged.key", "forged.csr")}
    uuid = dict(line.split(" = ") for line in in_pool(host, "membership").splitlines())
    subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                    f"/O={uuid['pool']}/CN={uuid['host']}", "-keyout", out["forged.key"], "-out", out["forged.csr"]],
                   check=True, capture_output=True)
    with open(os.path.join(folder, "extensions"), "w") as f:
        f.write(f"subjectAltName=DNS:{uuid['host']}\nbasicConstraints=critical,CA:FALSE\n"
                "keyUsage=digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\nauthorityKeyIdentifier=keyid\n")
    subprocess.run(["openssl", "x509", "-req", "-in", out["forged.csr"], "-CA", os.path.join(authority, "ca-cert.pem"),
                    "-CAkey", os.path.join(authority, "ca-key.pem"), "-days", "10", "-set_serial", "7", "-extfile",
                    os.path.join(folder, "extensions"), "-out", out["forged.crt"]], check=True, capture_output=True)
    return out["forged.crt"], out["forged.key"]


def is_let_in(server, cert, key):
    """Does the server speak with who shows this certificate as a host of the pool?"""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(cert, key)
    try:
        with context.wrap_socket(socket.create_connection((server.address, int(PORT))), server_hostname="peer.xapid") as s:
            s.sendall(b"GET /peer/place HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            return b" 200 " in s.recv(4096)
    except (ssl.SSLError, ConnectionError):
        return False


def kept(host, folder):
    """A copy of what the host has of the pool now, for later."""
    return shutil.copytree(os.path.join(host.state, "pool"), os.path.join(folder, f"kept-{host.address}-{os.urandom(4).hex()}"))


def own(folder):
    return os.path.join(folder, "server-cert.pem"), os.path.join(folder, "server-key.pem")


def only_recorded_certificates_are_believed(hosts, folder):
    agree(hosts)
    member = os.path.join(hosts[1].state, "pool")
    assert is_let_in(hosts[0], *own(member)) and is_let_in(hosts[2], *own(member))
    forgery = forged(hosts[1], folder, member)
    assert not is_let_in(hosts[0], *forgery) and not is_let_in(hosts[2], *forgery)


def certificates_are_renewed(hosts, folder):
    c = hosts[2].client()
    for i in (1, 0):
        before, authority = kept(hosts[i], folder), in_pool(hosts[i], "ca-cert.pem")
        c.host.refresh_server_certificate(hosts[i].me(c))
        assert in_pool(hosts[i], "ca-cert.pem") == authority
        assert in_pool(hosts[i], "server-cert.pem") != open(own(before)[0]).read()
        agree(hosts)
        assert not is_let_in(hosts[2], *own(before)) and is_let_in(hosts[2], *own(os.path.join(hosts[i].state, "pool")))


def the_authority_is_renewed(hosts, folder):
    c = hosts[1].client()
    before, authority = kept(hosts[1], folder), in_pool(hosts[0], "ca-cert.pem")
    c.pool.rotate_secret()
    agree(hosts)
    assert in_pool(hosts[0], "ca-cert.pem") != authority
    assert not is_let_in(hosts[0], *own(before)) and not is_let_in(hosts[0], *forged(hosts[1], folder, before))
    for h in hosts:  # what is on the disks is good, too
        h.kill()
    for h in hosts:
        h.start()
    for h in hosts[1:]:
        wait_until(lambda h=h: is_live(hosts[0], h) and answers_as_member(h, hosts[0]), f"{h.address} is there again")
    agree(hosts)


def a_host_that_leaves_is_not_believed(hosts, folder):
    c = hosts[0].client()
    before, authority = kept(hosts[2], folder), in_pool(hosts[0], "ca-cert.pem")
    hosts[1].kill()
    wait_until(lambda: not is_live(hosts[0], hosts[1]), "the member is missed")
    assert fails("CANNOT_CONTACT_HOST", c.pool.rotate_secret) == [hosts[1].me(c)]
    assert fails("CANNOT_CONTACT_HOST", c.host.refresh_server_certificate, hosts[2].me(c)) == [hosts[1].me(c)]
    c.pool.eject(hosts[2].me(c))
    assert in_pool(hosts[0], "ca-cert.pem") == authority  # until all are there
    hosts[1].start()
    wait_until(lambda: all(in_pool(h, "ca-cert.pem").count("BEGIN") == 1 and in_pool(h, "ca-cert.pem") != authority
                           for h in hosts[:2]), "the authority has been renewed")
    wait_until(lambda: "xapid-authority-to-be-renewed" not in c.pool.get_all_records().popitem()[1]["other_config"], "done")
    agree(hosts[:2])
    assert not is_let_in(hosts[0], *own(before)) and not is_let_in(hosts[1], *forged(hosts[1], folder, before))


def what_ends_soon_is_renewed(host, folder):
    """On a host that is alone: a certificate with ten days to go."""
    wait_until(lambda: is_alone(host), "the ejected host is a pool of its own")
    host.stop()
    pool = os.path.join(host.state, "pool")
    for made, name in zip(forged(host, folder, pool), own(pool)):
        shutil.copy(made, name)
    before = in_pool(host, "server-cert.pem")
    host.start()
    wait_until(lambda: in_pool(host, "server-cert.pem") != before, "the certificate is renewed")
    wait_until(lambda: recorded(host.client(), host.client().host.get_all()[0]) ==
               [fingerprint(in_pool(host, "server-cert.pem"))], "the record follows")


def transitions(local):
    try:
        local.pool.emergency_transition_to_master()
        return True
    except Failure as f:
        assert f.code == "NOT_IN_EMERGENCY_MODE", f
        return False


def a_coordinator_that_was_forgotten_does_not_lead(hosts, folder):
    """It comes back, and hears that the pool has gone on without it."""
    authority = in_pool(hosts[1], "ca-cert.pem")
    hosts[0].kill()
    starts, local = hosts[1].log().count("serving https://"), hosts[1].client_of_its_own()
    wait_until(lambda: transitions(local), "the member notices that it has no coordinator")
    wait_until(lambda: hosts[1].log().count("serving https://") > starts, "the member starts anew")
    assert leads(hosts[1])
    c = hosts[1].client()
    gone = hosts[0].me(c)
    wait_until(lambda: not is_live(hosts[1], hosts[0]), "the old coordinator is missed")
    c.host.destroy(gone)
    wait_until(lambda: in_pool(hosts[1], "ca-cert.pem") != authority, "the authority has been renewed")
    hosts[0].start(wait=False)
    wait_until(lambda: "HOST_UNKNOWN_TO_MASTER" in hosts[0].log(), "it hears that it is none of the pool")
    assert not leads(hosts[0])


def is_alone(host):
    try:
        return len(host.client().host.get_all()) == 1
    except (Lost, Failure, OSError):
        return False


def main():
    with tempfile.TemporaryDirectory() as folder, Pool(3, joined=False) as hosts:
        join(hosts[1], hosts[0])
        what_is_installed_is_on_all_hosts(hosts, folder)
        only_recorded_certificates_are_believed(hosts, folder)
        certificates_are_renewed(hosts, folder)
        the_authority_is_renewed(hosts, folder)
        a_host_that_leaves_is_not_believed(hosts, folder)
        what_ends_soon_is_renewed(hosts[2], folder)
        a_coordinator_that_was_forgotten_does_not_lead(hosts, folder)
        servers_are_verified(hosts[1], hosts[2], folder)


if __name__ == "__main__":
    main()
