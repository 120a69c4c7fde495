"""What the pool trusts: authorities and revocation lists come and go, with their records, names checked."""

import os
import sqlite3
import subprocess

from people import Daemon, daemon, fails, join, run, same, xe


def openssl(d, *args):
    return subprocess.run(["openssl", *args], cwd=d.dir, check=True, capture_output=True).stdout.decode()


def authority(d, name, days=365):
    """The PEM text of a new authority; its files are name.crt and name.key."""
    openssl(d, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=" + name,
            "-days", str(days), "-keyout", name + ".key", "-out", name + ".crt")
    return read(d, name + ".crt")


def read(d, name):
    with open(os.path.join(d.dir, name), encoding="ascii") as f:
        return f.read()


def revocations(d, name):
    """The PEM text of an empty list of the authority."""
    with open(os.path.join(d.dir, name + ".cnf"), "w", encoding="ascii") as f:
        f.write(f"[ca]\ndefault_ca=d\n[d]\ndatabase={name}.db\ndefault_md=sha256\ndefault_crl_days=30\n")
    open(os.path.join(d.dir, name + ".db"), "w", encoding="ascii").close()
    return openssl(d, "ca", "-gencrl", "-config", name + ".cnf", "-cert", name + ".crt", "-keyfile", name + ".key")


def records(c):
    return sorted(r["name"] for r in c.call("Certificate.get_all_records").values() if r["type"] == "ca")


def an_authority_is_installed_and_removed(d):
    c, text = d.login(), authority(d, "one")
    c.call("pool.install_ca_certificate", "one.pem", text)
    same((records(c), c.call("pool.certificate_list")), (["one.pem"], ["one.pem"]))
    same(read(d, "tls/ca/one.pem"), text)
    same(os.stat(os.path.join(d.dir, "tls", "ca", "one.pem")).st_mode & 0o777, 0o600)
    fails("CERTIFICATE_ALREADY_EXISTS", c.call, "pool.install_ca_certificate", "one.pem", authority(d, "two"))
    same(read(d, "tls/ca/one.pem"), text)
    c.call("pool.certificate_install", "two.pem", read(d, "two.crt"))
    same(sorted(c.call("pool.certificate_list")), ["one.pem", "two.pem"])
    c.call("pool.certificate_sync")
    c.call("pool.uninstall_ca_certificate", "one.pem")
    c.call("pool.certificate_uninstall", "two.pem")
    same((records(c), c.call("pool.certificate_list")), ([], []))
    same(fails("CERTIFICATE_DOES_NOT_EXIST", c.call, "pool.uninstall_ca_certificate", "one.pem"), ["one.pem"])


def names_are_checked(d):
    c, text = d.login(), authority(d, "three")
    for name in ("", ".pem", "three", "three.crt", "../three.pem", "a/b.pem", ".three.pem", "a b.pem", "ä.pem", "x" * 200 + ".pem",
                 "a\n.pem"):
        same(fails("CERTIFICATE_NAME_INVALID", c.call, "pool.install_ca_certificate", name, text), [name])
        fails("CERTIFICATE_NAME_INVALID", c.call, "pool.uninstall_ca_certificate", name, True)
        fails("CRL_NAME_INVALID", c.call, "pool.crl_install", name, text)
        fails("CRL_NAME_INVALID", c.call, "pool.crl_uninstall", name)
    for bad in ("", "text", read(d, "three.key"), text[:-40], text + text, text * 5000):
        fails("CA_CERTIFICATE_INVALID", c.call, "pool.install_ca_certificate", "three.pem", bad)
    same((records(c), c.call("pool.certificate_list")), ([], []))


def revocation_lists_come_and_go(d):
    c = d.login()
    text = authority(d, "four")
    crl = revocations(d, "four")
    c.call("pool.crl_install", "four.pem", crl)
    same(c.call("pool.crl_list"), ["four.pem"])
    fails("CRL_ALREADY_EXISTS", c.call, "pool.crl_install", "four.pem", crl)
    for bad in ("", text, crl[:-30], crl + text):
        same(fails("CRL_CORRUPT", c.call, "pool.crl_install", "five.pem", bad), ["five.pem"])
    c.call("pool.crl_uninstall", "four.pem")
    same(c.call("pool.crl_list"), [])
    fails("CRL_DOES_NOT_EXIST", c.call, "pool.crl_uninstall", "four.pem")
    same(records(c), [])


def only_the_permitted_change_them(d):
    text = authority(d, "six")
    admin, _ = join(d, "anna", "vm-power-admin")
    fails("RBAC_PERMISSION_DENIED", admin.call, "pool.install_ca_certificate", "six.pem", text)
    fails("RBAC_PERMISSION_DENIED", admin.call, "pool.crl_list")
    operator, _ = join(d, "bert", "pool-operator")
    operator.call("pool.install_ca_certificate", "six.pem", text)
    operator.call("pool.uninstall_ca_certificate", "six.pem")


def a_start_mends_what_a_kill_left(d):
    with Daemon() as own:
        c = own.login()
        c.call("pool.install_ca_certificate", "kept.pem", authority(d, "kept"))
        c.call("pool.install_ca_certificate", "lost.pem", authority(d, "lost"))
        own.kill()
        os.unlink(os.path.join(own.dir, "tls", "ca", "lost.pem"))
        with open(os.path.join(own.dir, "tls", "ca", "new.pem"), "w", encoding="ascii") as f:
            f.write(authority(d, "new"))
        with open(os.path.join(own.dir, "tls", "ca", "junk.pem"), "w", encoding="ascii") as f:
            f.write("junk")
        own.start()
        c = own.login()
        same(records(c), ["kept.pem", "new.pem"])
        os.unlink(os.path.join(own.dir, "tls", "ca", "new.pem"))
        fails("CERTIFICATE_DOES_NOT_EXIST", c.call, "pool.uninstall_ca_certificate", "new.pem")
        c.call("pool.uninstall_ca_certificate", "new.pem", True)
        same(records(c), ["kept.pem"])
        with sqlite3.connect(f"file:{own.dir}/xapid.db?mode=ro", uri=True) as db:
            same(db.execute("SELECT name FROM Certificate WHERE type = 'ca'").fetchall(), [("kept.pem",)])


def messages_warn_of_the_end(d):
    with Daemon() as own:
        c = own.login()

        def warnings():
            return sorted((m["name"], m["priority"], m["cls"]) for m in c.call("message.get_all_records").values())

        same(warnings(), [])
        c.call("pool.install_ca_certificate", "soon.pem", authority(d, "soon", days=10))
        same(warnings(), [("POOL_CA_CERTIFICATE_EXPIRING_14", "2", "Certificate")])
        authority(d, "brief", days=3)
        host, = c.call("host.get_all")
        c.call("host.install_server_certificate", host, read(d, "brief.crt"), read(d, "brief.key"))
        same(warnings(), [("HOST_SERVER_CERTIFICATE_EXPIRING_07", "1", "Host"), ("POOL_CA_CERTIFICATE_EXPIRING_14", "2", "Certificate")])
        own.stop()
        own.start()
        c = own.login()
        same(len(warnings()), 2)
        c.call("host.reset_server_certificate", host)
        c.call("pool.uninstall_ca_certificate", "soon.pem")
        same(warnings(), [])


def xe_reads_the_files(d):
    authority(d, "seven")
    os.rename(os.path.join(d.dir, "seven.crt"), os.path.join(d.dir, "seven.pem"))
    path = os.path.join(d.dir, "seven.pem")
    xe(d, "pool-install-ca-certificate", "filename=" + path)
    same(xe(d, "pool-certificate-list")[0], "seven.pem")
    same(xe(d, "certificate-list", "type=ca", "params=name", "--minimal")[0], "seven.pem")
    assert "already installed" in xe(d, "pool-install-ca-certificate", "filename=" + path, code=1)[1]
    xe(d, "pool-certificate-sync")
    xe(d, "pool-uninstall-ca-certificate", "name=seven.pem")
    xe(d, "pool-uninstall-ca-certificate", "name=seven.pem", "--force")
    os.rename(path, os.path.join(d.dir, "seven.crt"))
    with open(path, "w", encoding="ascii") as f:
        f.write(revocations(d, "seven"))
    xe(d, "pool-crl-install", "filename=" + path)
    same(xe(d, "pool-crl-list")[0], "seven.pem")
    xe(d, "pool-crl-uninstall", "name=seven.pem")


run([an_authority_is_installed_and_removed, names_are_checked, revocation_lists_come_and_go, only_the_permitted_change_them,
     a_start_mends_what_a_kill_left, messages_warn_of_the_end, xe_reads_the_files])
