"""Names, argument counts, shapes of replies, and every implicit verb, over the wire."""

import json
import os
import re
import socket
import ssl
import subprocess
import xmlrpc.client

from daemon import ADDRESS, PASSWORD, SOURCE, ApiError, fails, run, same


def replies_are_compact_xml(d):
    c = d.login()
    for method in ("pool.get_all_records", "host.get_all_records", "role.get_all", "VM.get_all"):
        data = c.raw_xml(method, c.session).decode()
        assert data.startswith('<?xml version="1.0"?><methodResponse><params><param><value><struct><member>'), data[:200]
        assert not re.search(r">\s+<", data), method
        assert "<string>" not in data and "<int>" not in data


def a_failure_is_an_envelope_and_no_fault(d):
    data = d.client().raw_xml("VM.get_all", "OpaqueRef:nobody").decode()
    assert "<fault>" not in data
    (v,), _ = xmlrpc.client.loads(data)
    same(v, {"Status": "Failure", "ErrorDescription": ["SESSION_INVALID", "OpaqueRef:nobody"]})


def list_methods_is_a_bare_array(d):
    (v,), _ = xmlrpc.client.loads(d.client().raw_xml("system.listMethods").decode())
    assert isinstance(v, list) and len(v) > 1900
    for name in ("VM.start", "event.from", "session.login_with_password", "VM.get_record", "VM.get_all_records_where"):
        assert name in v, name


def wrong_argument_counts_are_counted_without_the_session(d):
    c = d.login()
    same(fails("MESSAGE_PARAMETER_COUNT_MISMATCH", c.call, "VM.get_record"), ["VM.get_record", "1", "0"])
    same(fails("MESSAGE_PARAMETER_COUNT_MISMATCH", c.call, "VM.get_all", "x", "y"), ["VM.get_all", "0", "2"])
    same(fails("MESSAGE_PARAMETER_COUNT_MISMATCH", c.plain, "session.login_with_password", "root"),
         ["session.login_with_password", "2", "1"])
    same(fails("MESSAGE_PARAMETER_COUNT_MISMATCH", c.call, "Async.VM.start"), ["VM.start", "3", "0"])


def names_are_exact_but_for_the_underscore_alias(d):
    c = d.login()
    same(c.call("pool_get_all"), c.call("pool.get_all"))
    same(fails("MESSAGE_METHOD_UNKNOWN", c.call, "pool.get_nothing"), ["pool.get_nothing"])
    fails("MESSAGE_METHOD_UNKNOWN", c.call, "Pool.get_all")
    same(fails("Fault", c.call, "Async.pool.get_all"), ["No async mode for this operation (rpc: Async.pool.get_all)"])
    same(fails("SESSION_INVALID", c.plain, "pool.get_nothing", "x"), ["x"])


def every_implicit_verb_of_a_class(d):
    c = d.login()
    (pool,) = c.call("pool.get_all")
    record = c.call("pool.get_record", pool)
    same(c.call("pool.get_all_records"), {pool: record})
    same(c.call("pool.get_by_uuid", record["uuid"]), pool)
    same(fails("UUID_INVALID", c.call, "pool.get_by_uuid", "nonsense"), ["pool", "nonsense"])
    same(fails("HANDLE_INVALID", c.call, "pool.get_record", "OpaqueRef:nonsense"), ["pool", "OpaqueRef:nonsense"])
    c.call("pool.set_name_label", pool, "p <&> \u00e9\U0001f600")
    same(c.call("pool.get_name_label", pool), "p <&> \u00e9\U0001f600")
    same(c.json("pool.get_name_label", pool), "p <&> \u00e9\U0001f600")
    c.call("pool.set_other_config", pool, {"a": "1"})
    c.call("pool.add_to_other_config", pool, "b", "2")
    same(fails("MAP_DUPLICATE_KEY", c.call, "pool.add_to_other_config", pool, "b", "3"), ["pool", "other_config", pool, "b"])
    same(c.call("pool.get_other_config", pool), {"a": "1", "b": "2"})
    c.call("pool.remove_from_other_config", pool, "a")
    c.call("pool.remove_from_other_config", pool, "a")
    same(c.call("pool.get_other_config", pool), {"b": "2"})
    c.call("pool.add_tags", pool, "t")
    c.call("pool.add_tags", pool, "t")
    c.call("pool.add_tags", pool, "u")
    same(sorted(c.call("pool.get_tags", pool)), ["t", "u"])
    c.call("pool.remove_tags", pool, "t")
    same(c.call("pool.get_tags", pool), ["u"])
    secret = c.call("secret.create", {"value": "v", "other_config": {}})
    same(c.call("secret.get_value", secret), "v")
    c.call("secret.destroy", secret)
    same(fails("HANDLE_INVALID", c.call, "secret.get_value", secret), ["secret", secret])


def names_are_found_and_expressions_are_evaluated(d):
    c = d.login()
    (host,) = c.call("host.get_all")
    c.call("host.set_name_label", host, "the host")
    same(c.call("host.get_by_name_label", "the host"), [host])
    same(c.call("host.get_by_name_label", "no host"), [])
    same(list(c.call("host.get_all_records_where", 'field "name__label" = "the host"')), [host])
    same(c.call("host.get_all_records_where", 'not field "name_label" = "the host"'), {})
    same(fails("INVALID_VALUE", c.call, "host.get_all_records_where", "what")[0], "what")


def integers_go_as_text_in_xml_and_as_numbers_in_json(d):
    c = d.login()
    (host,) = c.call("host.get_all")
    number = c.json("host.get_record", host)["API_version_major"]
    assert isinstance(number, int)
    same(c.call("host.get_record", host)["API_version_major"], str(number))
    for value in (5, "5"):
        c.call("pool.set_wlb_enabled", c.call("pool.get_all")[0], False)
        c.json("VM.get_all_records_where", "true")


def json_rpc_1_and_2_have_their_own_shapes(d):
    c = d.login()
    ask = {"method": "pool.get_all", "params": [c.session], "id": "x"}
    reply, data = c.raw_json(ask)
    same(reply.getheader("content-type"), "application/json")
    (pool,) = c.call("pool.get_all")
    same(json.loads(data), {"result": [pool], "error": None, "id": "x"})
    _, data = c.raw_json({**ask, "jsonrpc": "2.0", "id": 3})
    same(json.loads(data), {"jsonrpc": "2.0", "result": [pool], "id": 3})
    _, data = c.raw_json({**ask, "params": ["bad"]})
    same(json.loads(data), {"result": None, "error": ["SESSION_INVALID", "bad"], "id": "x"})
    _, data = c.raw_json({**ask, "jsonrpc": "2.0", "params": ["bad"]})
    same(json.loads(data)["error"]["message"], "SESSION_INVALID")
    same(json.loads(data)["error"]["data"], ["bad"])
    assert json.loads(data)["error"]["code"] != 0 and "result" not in json.loads(data)


def what_is_no_request_is_refused_with_500(d):
    for body in (b"", b"{", b"[]", b'{"method":1}', b'{"jsonrpc":"3","method":"a","params":[],"id":1}',
                 b'{"method":"pool.get_all","params":[]}', b"\xff\xfe", b"[" * 100000):
        reply, _ = d.client().exchange("POST", "/jsonrpc", body)
        same((body[:20], reply.status), (body[:20], 500))
    for body in (b"", b"<", b"<methodCall/>", b"<methodCall><methodName>a", b"\xff", b"<a>" * 100000, b"not xml"):
        reply, data = d.client().exchange("POST", "/", body)
        same((body[:20], reply.status), (body[:20], 500))
        assert reply.getheader("content-type").startswith("text/html")


def any_path_takes_calls_and_options_let_other_sites_in(d):
    c = d.login()
    body = xmlrpc.client.dumps((c.session,), "pool.get_all").encode()
    for path in ("/", "/RPC2", "/xmlrpc", "/anything", "/json"):
        reply, data = c.exchange("POST", path, body)
        same((path, reply.status, reply.getheader("content-type")), (path, 200, "text/xml"))
        same(reply.getheader("access-control-allow-origin"), "*")
    reply, data = c.exchange("OPTIONS", "/jsonrpc", headers={"Access-Control-Request-Headers": "X-Foo"})
    same((reply.status, data, reply.getheader("access-control-allow-origin")), (200, b"", "*"))
    same(reply.getheader("access-control-allow-headers"), "X-Foo, X-Requested-With")
    reply, data = c.exchange("GET", "/")
    assert reply.status == 200 and reply.getheader("content-type").startswith("text/html")
    reply, _ = c.exchange("GET", "/nothing/here")
    same(reply.status, 404)


def requests_may_follow_each_other_without_waiting(d):
    c = d.login()
    body = xmlrpc.client.dumps((c.session,), "pool.get_all")
    one = f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
    raw = ssl._create_unverified_context().wrap_socket(socket.create_connection((ADDRESS, d.port)))
    raw.sendall(one * 5)
    data = b""
    while data.count(b"</methodResponse>") < 5:
        more = raw.recv(65536)
        assert more, data
        data += more
    raw.close()


def the_unix_socket_is_root(d):
    c = d.unix().login(password="")
    assert c.call("session.get_is_local_superuser", c.session)
    same(c.call("pool.get_all"), d.login().call("pool.get_all"))


def python_s_own_client_works(d):
    """As XenAPI.py uses it: a proxy, a session in a variable, dotted names, Async."""
    proxy = xmlrpc.client.ServerProxy(f"https://{ADDRESS}:{d.port}/", context=ssl._create_unverified_context())
    session = proxy.session.login_with_password("root", PASSWORD, "1.0", "python")["Value"]
    try:
        (pool,) = proxy.pool.get_all(session)["Value"]
        record = proxy.pool.get_record(session, pool)["Value"]
        assert set(record) == set(proxy.pool.get_all_records(session)["Value"][pool])
        task = proxy.Async.secret.create(session, {"value": "v"})["Value"]
        while proxy.task.get_status(session, task)["Value"] == "pending":
            pass
        same(proxy.task.get_status(session, task)["Value"], "success")
        proxy.task.destroy(session, task)
        batch = getattr(proxy.event, "from")(session, ["pool"], "", 0.0)["Value"]
        same(batch["events"][0]["ref"], pool)
    finally:
        proxy.session.logout(session)
    same(proxy.pool.get_all(session), {"Status": "Failure", "ErrorDescription": ["SESSION_INVALID", session]})


def constructors_fill_in_defaults(d):
    c = d.login()
    same(fails("INTERNAL_ERROR", c.call, "secret.create", {})[0].count("value"), 1)
    blob = c.call("user.create", {"short_name": "u", "fullname": "U"})
    same(c.call("user.get_record", blob)["other_config"], {})
    c.call("user.destroy", blob)
    subject = c.call("subject.create", {"subject_identifier": "S-1", "other_config": {"subject-name": "eve"}})
    fails("SUBJECT_ALREADY_EXISTS", c.call, "subject.create", {"subject_identifier": "S-1"})
    same(c.call("subject.get_roles", subject), [])
    (reader,) = c.call("role.get_by_name_label", "read-only")
    c.call("subject.add_to_roles", subject, reader)
    fails("ROLE_ALREADY_EXISTS", c.call, "subject.add_to_roles", subject, reader)
    fails("SUBJECT_CANNOT_BE_RESOLVED", c.call, "auth.get_subject_identifier", "eve")
    names = c.call("subject.get_permissions_name_label", subject)
    assert "vm.get_record" in names and "vm.start" not in names
    c.call("subject.destroy", subject)


def roles_know_their_permissions(d):
    c = d.login()
    (operator,) = c.call("role.get_by_name_label", "vm-operator")
    (reader,) = c.call("role.get_by_name_label", "read-only")
    assert "vm.start" in c.call("role.get_permissions_name_label", operator)
    assert "vm.start" not in c.call("role.get_permissions_name_label", reader)
    holders = {c.call("role.get_name_label", r) for r in c.call("role.get_by_permission_name_label", "vm.start")}
    same(holders, {"pool-admin", "pool-operator", "vm-power-admin", "vm-admin", "vm-operator"})
    (start,) = c.call("role.get_by_name_label", "vm.start")
    assert start in c.call("role.get_permissions", operator)
    same(len(c.call("role.get_by_permission", start)), 5)


def what_stands_in_the_gap_list_says_so(d):
    c = d.unix()
    c.session = ""
    with open(os.path.join(SOURCE, "model", "gaps.txt"), encoding="utf-8") as f:
        names = [line.split()[0] for line in f if line.strip() and not line.startswith("#")]
    for name in names:
        try:
            c.call(name)
        except ApiError as e:
            if e.code == "MESSAGE_PARAMETER_COUNT_MISMATCH":
                extra = ["x"] * int(e.params[1])
                call = c.plain if e.params[2] == "1" else c.call
                same(fails("NOT_IMPLEMENTED", call, name, *extra), [name])
            else:
                same((e.code, e.params), ("NOT_IMPLEMENTED", [name]))
        else:
            raise AssertionError(f"{name} was answered")


def the_machine_tells_its_log_and_its_time_zones(d):
    c = d.login()
    (host,) = c.call("host.get_all")
    zones = c.call("host.list_timezones", host)
    same(zones, sorted(set(zones)))
    assert {"Europe/Berlin", "Etc/UTC", "Asia/Kolkata", "Asia/Calcutta"} <= set(zones), zones
    try:
        log = c.call("host.dmesg", host)
    except ApiError as e:  # a kernel may keep its log from a confined daemon, which then says so
        same(e.code, "INTERNAL_ERROR")
        assert subprocess.run(["dmesg"], capture_output=True, check=False).returncode != 0, e.params
    else:
        assert all(ch in "\n\t" or " " <= ch <= "~" for ch in log)
    for message in ("host.list_timezones", "host.dmesg"):
        fails("HANDLE_INVALID", c.call, message, "OpaqueRef:nothing")


def messages_are_kept_and_found(d):
    c = d.login()
    (host,) = c.call("host.get_all")
    uuid = c.call("host.get_uuid", host)
    m = c.call("message.create", "HELLO", 3, "Host", uuid, "body <&>")
    record = c.call("message.get_record", m)
    same((record["name"], record["priority"], record["cls"], record["body"]), ("HELLO", "3", "Host", "body <&>"))
    same(c.call("message.get_by_uuid", record["uuid"]), m)
    assert m in c.call("message.get_all") and m in c.call("message.get_all_records")
    same(list(c.call("message.get_all_records_where", 'field "name" = "HELLO"')), [m])
    since = xmlrpc.client.DateTime("19700101T00:00:00Z")
    assert m in c.call("message.get", "Host", uuid, since)
    assert m in c.call("message.get_since", since)
    same(c.call("message.get_since", xmlrpc.client.DateTime("20990101T00:00:00Z")), {})
    same(fails("UUID_INVALID", c.call, "message.create", "X", 3, "VM", "nonsense", ""), ["VM", "nonsense"])
    other = c.call("message.create", "OTHER", 5, "Host", uuid, "")
    c.call("message.destroy_all", {"priority": "5"})
    fails("HANDLE_INVALID", c.call, "message.get_record", other)
    c.call("message.destroy", m)
    fails("HANDLE_INVALID", c.call, "message.destroy", m)


run([replies_are_compact_xml, a_failure_is_an_envelope_and_no_fault, list_methods_is_a_bare_array,
     wrong_argument_counts_are_counted_without_the_session, names_are_exact_but_for_the_underscore_alias,
     every_implicit_verb_of_a_class, names_are_found_and_expressions_are_evaluated,
     integers_go_as_text_in_xml_and_as_numbers_in_json, json_rpc_1_and_2_have_their_own_shapes,
     what_is_no_request_is_refused_with_500, any_path_takes_calls_and_options_let_other_sites_in,
     requests_may_follow_each_other_without_waiting, the_unix_socket_is_root, python_s_own_client_works,
     constructors_fill_in_defaults,
     roles_know_their_permissions, what_stands_in_the_gap_list_says_so,
     the_machine_tells_its_log_and_its_time_zones, messages_are_kept_and_found])
