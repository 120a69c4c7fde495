#!/usr/bin/env python3
"""What keeps a host out of a pool, in its order: by a coordinator whose answers are changed on their way."""

import http.server
import os
import socketserver
import ssl
import sys
import threading
import urllib.request
import xmlrpc.client

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "ops"))
from daemon import fails  # noqa: E402
from pool import PORT, Pool, addresses, join  # noqa: E402


class Between:
    """A server in the coordinator's place that passes calls on and changes records: change = {"host": function}."""

    def __init__(self, coordinator):
        self.address, self.coordinator, self.change = addresses(1)[0], coordinator, {}
        between = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = between.ask(self.rfile.read(int(self.headers["content-length"])))
                self.send_response(200)
                self.send_header("content-type", "text/xml")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
            daemon_threads = True

        self.server = Server((self.address, int(PORT)), Handler)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(os.path.join(coordinator.state, "tls", "server.pem"))
        self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def ask(self, body):
        _, method = xmlrpc.client.loads(body)
        request = urllib.request.Request(self.coordinator.url + "/RPC2", body, {"content-type": "text/xml"})
        with urllib.request.urlopen(request, context=ssl._create_unverified_context()) as reply:
            text = reply.read()
        kind, _, verb = method.partition(".")
        if kind not in self.change or verb != "get_all_records":
            return text
        (answer,), _ = xmlrpc.client.loads(text)
        self.change[kind](answer["Value"])
        return xmlrpc.client.dumps((answer,), methodresponse=True).encode()


def every(**fields):
    """Sets fields of each record."""
    def change(records):
        for record in records.values():
            record.update(fields)
    return change


def software(key, value):
    def change(records):
        for record in records.values():
            record["software_version"][key] = value
    return change


def refuses(c, between, code, **change):
    between.change = change
    return fails(code, c.pool.join, between.address, "root", "secret")


def update(records):
    records["OpaqueRef:update"] = {"uuid": "53ad1ee8-b63b-4d1a-a1f7-d1e0d5a7a0c1"}


def each_difference_has_its_error(c, b):
    assert refuses(c, b, "HOSTS_NOT_HOMOGENEOUS", host=software("xapi_build", "0.0.1")) == ["Software version differs"]
    assert refuses(c, b, "POOL_JOINING_HOST_MANAGEMENT_VLAN_DOES_NOT_MATCH", PIF=every(VLAN="7")) == ["-1", "7"]
    refuses(c, b, "POOL_JOINING_EXTERNAL_AUTH_MISMATCH", host=every(external_auth_type="AD"))
    refuses(c, b, "LICENSE_HOST_POOL_MISMATCH", host=every(edition="enterprise"))
    assert "backend" in refuses(c, b, "OPERATION_NOT_ALLOWED", host=software("network_backend", "openvswitch"))[0]
    assert refuses(c, b, "POOL_JOINING_HOST_MUST_HAVE_SAME_API_VERSION", host=every(API_version_minor="20"))[1] == "2.20"
    refuses(c, b, "POOL_JOINING_HOST_MUST_HAVE_SAME_DB_SCHEMA", host=software("db_schema", "5.1"))
    assert refuses(c, b, "HOSTS_NOT_HOMOGENEOUS", host=every(updates=["OpaqueRef:update"]),
                   pool_update=update) == ["Updates differ"]
    assert "address type" in refuses(c, b, "OPERATION_NOT_ALLOWED", PIF=every(primary_address_type="IPv6"))[0]
    refuses(c, b, "POOL_JOINING_HOST_TLS_VERIFICATION_MISMATCH", pool=every(tls_verification_enabled=True))
    refuses(c, b, "POOL_JOINING_SM_FEATURES_INCOMPATIBLE", SM=every(features={"VDI_TELEPORT": "1"}))


def purposes_exclude_each_other(c, b):
    network = c.network.get_all()[0]
    for ours, theirs in (("nbd", "insecure_nbd"), ("insecure_nbd", "nbd")):
        c.network.add_purpose(network, ours)
        assert refuses(c, b, "NETWORK_INCOMPATIBLE_PURPOSES", network=every(purpose=[theirs])) == [ours, theirs]
        c.network.remove_purpose(network, ours)


def the_first_one_counts(c, b):
    """Each is found with all later ones there, too."""
    later = {"pool": every(tls_verification_enabled=True), "SM": every(features={"VDI_TELEPORT": "1"})}
    refuses(c, b, "POOL_JOINING_HOST_TLS_VERIFICATION_MISMATCH", **later)
    later["PIF"] = every(primary_address_type="IPv6")
    assert "address type" in refuses(c, b, "OPERATION_NOT_ALLOWED", **later)[0]
    later["host"], later["pool_update"] = every(updates=["OpaqueRef:update"]), update
    assert refuses(c, b, "HOSTS_NOT_HOMOGENEOUS", **later) == ["Updates differ"]
    later["PIF"] = every(primary_address_type="IPv6", VLAN="7")
    refuses(c, b, "POOL_JOINING_HOST_MANAGEMENT_VLAN_DOES_NOT_MATCH", **later)


def answers_that_make_no_sense(c, b):
    """Nothing falls over what is not there."""
    for change in ({"pool": dict.clear}, {"host": dict.clear}):
        refuses(c, b, "JOINING_HOST_SERVICE_FAILED", **change)
    for change in ({"host": every(updates="none", software_version="none")}, {"host": every(cpu_info=[])}):
        b.change = change
        params = fails_somehow(c, b)
        assert params, change


def fails_somehow(c, b):
    return any(attempt(c, b, code) for code in ("HOSTS_NOT_COMPATIBLE", "HOSTS_NOT_HOMOGENEOUS"))


def attempt(c, b, code):
    try:
        fails(code, c.pool.join, b.address, "root", "secret")
    except AssertionError:
        return False
    return True


def main():
    with Pool(2, joined=False) as hosts:
        c, between = hosts[1].client(), Between(hosts[0])
        each_difference_has_its_error(c, between)
        purposes_exclude_each_other(c, between)
        the_first_one_counts(c, between)
        answers_that_make_no_sense(c, between)
        assert len(c.host.get_all()) == 1
        join(hosts[1], hosts[0])


if __name__ == "__main__":
    main()
