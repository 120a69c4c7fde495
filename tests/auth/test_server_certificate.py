"""The certificate of a running daemon is replaced: new clients see the new one, those there are go on."""

import hashlib
import os
import re
import signal
import socket
import ssl

from people import Daemon, daemon, fails, join, run, same, wait_until, xe


def seen(d):
    """The certificate that a new connection is shown, as DER."""
    context = ssl._create_unverified_context()
    with context.wrap_socket(socket.create_connection((daemon.ADDRESS, d.port))) as s:
        return s.getpeercert(binary_form=True)


def fingerprint(der, kind="sha256"):
    return ":".join(f"{byte:02X}" for byte in hashlib.new(kind, der).digest())


def files(d):
    """The key and the certificate that are kept."""
    with open(os.path.join(d.dir, "tls", "server.pem"), encoding="ascii") as f:
        return re.findall(r"-----BEGIN [A-Z ]+-----.*?-----END [A-Z ]+-----\n", f.read(), re.DOTALL)


def the_host(c):
    host, = c.call("host.get_all")
    return host


def record(c):
    """The only record of a host's certificate."""
    found = [r for r in c.call("Certificate.get_all_records").values() if r["type"] == "host"]
    same(len(found), 1)
    same((found[0]["host"], found[0]["name"], found[0]["purpose"]), (the_host(c), "", []))
    same(found[0]["fingerprint"], found[0]["fingerprint_sha256"])
    return found[0]


def agree(d):
    """File, record, message and connection tell of one certificate; which."""
    c = d.login()
    der = ssl.PEM_cert_to_DER_cert(files(d)[1])
    same(seen(d), der)
    same(ssl.PEM_cert_to_DER_cert(c.call("host.get_server_certificate", the_host(c))), der)
    same((record(c)["fingerprint_sha256"], record(c)["fingerprint_sha1"]), (fingerprint(der), fingerprint(der, "sha1")))
    assert record(c)["not_before"] < record(c)["not_after"]
    return der


def a_certificate_is_replaced_under_open_connections(d):
    c = d.login()
    first, (key, cert) = agree(d), files(d)
    c.call("host.reset_server_certificate", the_host(c))
    c.call("VM.get_all")
    second = agree(d)
    assert second != first
    c.call("host.install_server_certificate", the_host(c), cert, key, "")
    c.call("VM.get_all")
    same(agree(d), first)
    c.call("host.install_server_certificate", the_host(c), cert, key)
    same(agree(d), first)
    same(os.stat(os.path.join(d.dir, "tls", "server.pem")).st_mode & 0o777, 0o600)


def a_chain_is_sent_to_clients(d):
    c = d.login()
    key, cert = files(d)[:2]
    c.call("host.install_server_certificate", the_host(c), cert, key, cert)
    same(len(files(d)), 3)
    agree(d)


def what_is_wrong_changes_nothing(d):
    c = d.login()
    before, host = files(d), the_host(c)
    key, cert = before[:2]
    with Daemon() as other:
        other_key, _ = files(other)
    for code, *given in (("KEY_INVALID", cert, cert, ""), ("INVALID", key, key, ""), ("KEY_MISMATCH", cert, other_key, ""),
                         ("CHAIN_INVALID", cert, key, "x"), ("INVALID", cert + cert, key, ""), ("KEY_INVALID", cert, "", "")):
        fails("SERVER_CERTIFICATE_" + code, c.call, "host.install_server_certificate", host, *given)
    fails("HANDLE_INVALID", c.call, "host.install_server_certificate", daemon.NULL, cert, key, "")
    fails("HANDLE_INVALID", c.call, "host.reset_server_certificate", daemon.NULL)
    same(files(d), before)
    agree(d)
    assert all("PRIVATE KEY" not in line for line in open(os.path.join(d.dir, "log", "audit.log"), encoding="utf-8"))


def only_the_permitted_replace_it(d):
    reader, _ = join(d, "anna", "pool-operator")
    host = the_host(reader)
    reader.call("host.get_server_certificate", host)
    fails("RBAC_PERMISSION_DENIED", reader.call, "host.reset_server_certificate", host)
    admin, _ = join(d, "bert", "pool-admin")
    fails("RBAC_PERMISSION_DENIED", admin.call, "host.emergency_reset_server_certificate")
    admin.call("host.reset_server_certificate", host)
    before = agree(d)
    d.login().call("host.emergency_reset_server_certificate")
    assert agree(d) != before


def many_at_a_time_end_with_one(d):
    host = the_host(d.login())
    clients = [d.login() for _ in range(8)]
    for c in clients:
        c.connection.request("POST", "/jsonrpc", f'{{"jsonrpc":"2.0","id":1,"method":"host.reset_server_certificate",'
                             f'"params":["{c.session}","{host}"]}}', {"Content-Type": "application/json"})
    for c in clients:
        assert b'"error"' not in c.connection.getresponse().read()
    agree(d)


def it_is_kept_over_a_kill_and_read_anew_on_request(d):
    with Daemon() as own:
        own.login().call("host.reset_server_certificate", the_host(own.login()))
        before = agree(own)
        own.kill()
        own.start()
        same(agree(own), before)
        path = os.path.join(own.dir, "tls", "server.pem")
        with open(os.path.join(d.dir, "tls", "server.pem"), encoding="ascii") as f:
            text = f.read()
        with open(path + ".mine", "w", encoding="ascii") as f:
            f.write(text)
        os.rename(path + ".mine", path)
        own.process.send_signal(signal.SIGHUP)
        wait_until(lambda: seen(own) != before, "the daemon shows the new certificate")
        agree(own)


def xe_reads_the_files(d):
    key, cert = files(d)[:2]
    paths = []
    for name, text in (("key", key), ("cert", cert)):
        paths.append(os.path.join(d.dir, name))
        with open(paths[-1], "w", encoding="ascii") as f:
            f.write(text)
    xe(d, "host-reset-server-certificate")
    assert files(d)[1] != cert
    xe(d, "host-server-certificate-install", "certificate=" + paths[1], "private-key=" + paths[0])
    same(files(d)[1], cert)
    same(xe(d, "host-get-server-certificate")[0], cert.strip())
    same(xe(d, "certificate-list", "type=host", "params=fingerprint", "--minimal")[0], fingerprint(agree(d)))
    xe(d, "host-server-certificate-install", "certificate=" + paths[1], "private-key=/nonexistent", code=1)
    assert "does not belong" not in xe(d, "host-server-certificate-install", "certificate=" + paths[0],
                                       "private-key=" + paths[0], code=1)[1]


run([a_certificate_is_replaced_under_open_connections, a_chain_is_sent_to_clients, what_is_wrong_changes_nothing,
     only_the_permitted_replace_it, many_at_a_time_end_with_one, it_is_kept_over_a_kill_and_read_anew_on_request,
     xe_reads_the_files])
