"""A small XenAPI server in memory for the tests of xe: the generic messages over made-up records, tasks and events.

Records are complete: fields that a test does not give have the empty value of their type, as the datamodel states it.
`server.calls` lists the methods called and `server.headers` has the last call's HTTP headers; `server.answers[method]` overrides one with a function of its arguments (after
the session), which may raise ApiError.
"""

import http.server
import re
import socketserver
import threading
import tomllib
import urllib.parse
import uuid
import xmlrpc.client
from pathlib import Path

NONE = "OpaqueRef:NULL"


class ApiError(Exception):
    """An error of the API: code and parameters."""

    def __init__(self, *description):
        super().__init__(*description)
        self.description = list(description)


def empty_value(kind):
    """The value of a field of this type that nothing was said about, as it goes over the wire."""
    if kind.endswith("map"):
        return {}
    if kind.endswith("set"):
        return []
    if kind.endswith("ref"):
        return NONE
    return {"int": "0", "bool": False, "float": 0.0, "datetime": xmlrpc.client.DateTime("19700101T00:00:00Z")}.get(kind, "")


class Model:
    """The fields of every class, from the project's own data files."""

    def __init__(self, folder):
        self.classes = {}
        for path in Path(folder).glob("*.toml"):
            with open(path, "rb") as f:
                data = tomllib.load(f)
            self.classes[data["name"]] = {name: field["type"] for name, field in data.get("fields", {}).items()}

    def record(self, cls, **given):
        fields = self.classes[cls]
        unknown = set(given) - set(fields)
        assert not unknown, f"{cls} has no field {unknown}"
        return {name: given.get(name, empty_value(kind)) for name, kind in fields.items()}


class Where:
    """The expressions of get_all_records_where."""

    def __init__(self, text):
        self.tokens = re.findall(r'"[^"]*"|[()=]|\w+', text)

    def matches(self, record):
        self.at, self.record = 0, record
        result = self.either()
        assert self.at == len(self.tokens), self.tokens
        return result

    def take(self):
        self.at += 1
        return self.tokens[self.at - 1]

    def peek(self):
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def either(self):
        result = self.one()
        while self.peek() in ("and", "or"):
            word, right = self.take(), self.one()
            result = (result and right) if word == "and" else (result or right)
        return result

    def one(self):
        token = self.take()
        if token == "not":
            return not self.one()
        if token == "(":
            result = self.either()
            assert self.take() == ")"
            return result
        if token in ("true", "false") and self.peek() != "=":
            return token == "true"
        left = self.value(token)
        assert self.take() == "="
        return left == self.value(self.take())

    def value(self, token):
        if token == "field":
            value = self.record[self.take().strip('"')]
            return str(value).lower() if isinstance(value, bool) else value
        return token.strip('"')


class FakeServer:
    """Serves until closed; address and port tell where."""

    def __init__(self, model, address="127.0.28.1"):
        self.model, self.calls, self.answers, self.headers, self.files = model, [], {}, {}, {}
        self.tables = {cls: {} for cls in model.classes}
        self.users = {"root": "secret"}
        self.changed, self.generation, self.stamps, self.dead = threading.Condition(), 0, {}, []
        handler = type("Handler", (Handler,), {"server_state": self})
        self.http = Threading((address, 0), handler)
        self.address, self.port = self.http.server_address
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()

    def close(self):
        self.http.shutdown()
        self.http.server_close()

    def add(self, cls, ref=None, **fields):
        """Put a record in; returns its reference."""
        fields.setdefault("uuid", str(uuid.uuid4()))
        ref = ref or "OpaqueRef:" + fields["uuid"]
        with self.changed:
            self.tables[cls][ref] = self.model.record(cls, **fields)
            self.touch(cls, ref)
        return ref

    def change(self, cls, ref, **fields):
        with self.changed:
            self.tables[cls][ref].update(fields)
            self.touch(cls, ref)

    def touch(self, cls, ref):
        self.generation += 1
        self.stamps[cls, ref] = self.generation
        self.changed.notify_all()

    def call(self, method, params):
        self.calls.append(method)
        cls, message = method.removeprefix("Async.").split(".", 1)
        if method in self.answers:
            return self.answers[method](*params[1:])
        if cls == "session":
            return self.session(message, params)
        if method.startswith("Async."):
            return self.run_async(method, params)
        if method == "event.from":
            return self.events(*params[1:])
        return self.generic(cls, message, params[1:])

    def session(self, message, params):
        if message.endswith("with_password"):
            if self.users.get(params[0]) != params[1]:
                raise ApiError("SESSION_AUTHENTICATION_FAILED", params[0], "no")
            return "OpaqueRef:session"
        if message == "get_this_host":
            return next(iter(self.tables["host"]), NONE)
        return ""

    def run_async(self, method, params):
        """Run it at once; the task tells how it went."""
        fields = {"name_label": method, "status": "success", "result": "<value></value>", "progress": 1.0}
        try:
            result = self.call(method.removeprefix("Async."), params)
            fields["result"] = f"<value>{result}</value>"
        except ApiError as error:
            fields.update(status="failure", error_info=error.description)
        return self.add("task", **fields)

    def generic(self, cls, message, params):
        table = self.tables[cls]
        if message == "get_all":
            return list(table)
        if message == "get_all_records":
            return table
        if message == "get_all_records_where":
            where = Where(params[0])
            return {ref: record for ref, record in table.items() if where.matches(record)}
        if message == "get_by_uuid":
            for ref, record in table.items():
                if record["uuid"] == params[0]:
                    return ref
            raise ApiError("UUID_INVALID", cls, params[0])
        if message == "get_by_name_label":
            return [ref for ref, record in table.items() if record["name_label"] == params[0]]
        if message == "create":
            return self.add(cls, **params[0])
        if not params:
            raise ApiError("MESSAGE_METHOD_UNKNOWN", f"{cls}.{message}")
        if params[0] not in table:
            raise ApiError("HANDLE_INVALID", cls, params[0])
        return self.on_object(cls, table[params[0]], message, params)

    def on_object(self, cls, record, message, params):
        verb, _, field = message.partition("_")
        if message == "get_record":
            return record
        if message == "destroy":
            with self.changed:
                del self.tables[cls][params[0]]
                self.dead.append((cls, params[0]))
            return ""
        if verb == "get" and field in record:
            return record[field]
        with self.changed:
            if verb == "set":
                record[field] = params[1]
            elif message.startswith("add_to_"):
                if params[1] in record[message[7:]]:
                    raise ApiError("MAP_DUPLICATE_KEY", cls, message[7:], params[0], params[1])
                record[message[7:]][params[1]] = params[2]
            elif message.startswith("remove_from_"):
                record[message[12:]].pop(params[1], None)
            elif verb == "add":
                record[field].append(params[1])
            elif verb == "remove":
                record[field].remove(params[1])
            else:
                raise ApiError("MESSAGE_METHOD_UNKNOWN", f"{cls}.{message}")
            self.touch(cls, params[0])
        return ""

    def events(self, subscriptions, token, timeout):
        since = int(token or 0)
        with self.changed:
            self.changed.wait_for(lambda: self.collect(subscriptions, since), timeout)
            return {"events": self.collect(subscriptions, since), "token": str(self.generation), "valid_ref_counts": {}}

    def collect(self, subscriptions, since):
        events = []
        for (cls, ref), stamp in sorted(self.stamps.items(), key=lambda item: item[1]):
            wanted = any(s.lower() in (cls.lower(), f"{cls}/{ref}".lower(), "*") for s in subscriptions)
            if wanted and stamp > since and ref in self.tables[cls]:
                events.append({"id": str(stamp), "timestamp": "0.0", "class": cls.lower(), "operation": "mod", "ref": ref,
                               "snapshot": self.tables[cls][ref]})
        return events


class Threading(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server_state = None

    def log_message(self, *args):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server_state.headers = self.headers
        params, method = xmlrpc.client.loads(body)
        try:
            answer = {"Status": "Success", "Value": self.server_state.call(method, params)}
        except ApiError as error:
            answer = {"Status": "Failure", "ErrorDescription": error.description}
        text = xmlrpc.client.dumps((answer,), methodresponse=True).encode()
        self.send_response(200)
        self.send_header("content-type", "text/xml")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def transfer(self, run):
        """A file to or from the server: run answers the fields of the task that it is done under."""
        path, _, query = self.path.partition("?")
        query = dict(urllib.parse.parse_qsl(query))
        task = query.pop("task_id")
        query.pop("session_id")
        self.server_state.calls.append(f"{self.command} {path}")
        self.close_connection = True
        try:
            fields = {"status": "success", "progress": 1.0, "result": run(self.server_state.files[path], query)}
        except ApiError as error:
            fields = {"status": "failure", "error_info": error.description}
        self.server_state.change("task", task, **fields)

    def begin_answer(self):
        self.send_response(200)
        self.send_header("connection", "close")
        self.end_headers()

    def do_GET(self):
        """files[path] is a function of the query that gives the content."""
        self.begin_answer()
        self.transfer(lambda file, query: self.wfile.write(file(query)) and "")

    def do_PUT(self):
        """The answer begins before the content is read; files[path] is a function of query and content that gives the
        task's result."""
        self.begin_answer()
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.transfer(lambda file, query: f"<value>{file(query, content)}</value>")

    def do_CONNECT(self):
        """A console: echoes in capitals until the client goes."""
        self.server_state.calls.append(f"CONNECT {self.path}")
        self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\nhello\r\n")
        while byte := self.rfile.read(1):
            self.wfile.write(byte.upper())
        self.close_connection = True
