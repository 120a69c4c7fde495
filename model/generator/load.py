"""Reads the data files into a Model, refusing bad data with the file and the key named."""

import tomllib
from pathlib import Path

from .check import BadModel, check_doc, check_names, check_role, check_shape, take
from .implicit import ImplicitMessages
from .model import STATES, Class, Enum, Error, Field, Message, Model, Param
from .names import identifier
from .types import BadType, default_problem, parse_type


def read_toml(path):
    try:
        with open(path, "rb") as f:
            return tomllib.load(f)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise BadModel(f"{path}: {problem}") from None


class ClassLoader:
    """Builds one Class from its file's table; names of all classes and enums are known by then."""

    def __init__(self, file, table, class_names, enums, error_codes):
        self.file, self.table = file, table
        self.class_names, self.enums, self.error_codes = class_names, enums, error_codes

    def fail(self, where, problem):
        raise BadModel(f"{self.file}: {where}: {problem}")

    def take(self, where, table, **known):
        return take(self.file, where, table, **known)

    def type(self, where, text):
        try:
            return parse_type(text, self.class_names, self.enums)
        except BadType as problem:
            self.fail(where, problem)

    def default(self, where, t, value):
        if value is None or t.kind in ("OPTION", "RECORD"):
            return None
        problem = default_problem(t, value)
        if not problem and t.kind == "ENUM" and value not in self.enums[t.target].values:
            problem = f"'{value}' is no value of {t.target}"
        if problem:
            self.fail(where, problem)
        return value

    def load(self):
        t = self.take(
            "top level",
            self.table,
            name=...,
            doc=...,
            state="published",
            stored=True,
            persistent=True,
            read_role="read-only",
            write_role=None,
            verbs=None,
            field_messages=True,
            removed=[],
            create=None,
            destroy=None,
            enums={},
            fields={},
            messages={},
        )
        if t["state"] not in STATES:
            self.fail("state", f"'{t['state']}' is none of {', '.join(STATES)}")
        check_names(self.file, "fields", t["fields"])
        check_names(self.file, "messages", [*t["messages"], *t["removed"]])
        for key in ("read_role", "write_role"):
            if t[key] is not None:
                check_role(self.file, key, t[key])
        c = Class(t["name"], self.file, t["doc"], t["state"], t["stored"], t["persistent"])
        c.fields = [self.load_field(name, f) for name, f in t["fields"].items()]
        if not c.persistent:
            for f in c.fields:
                f.persistent = False
        c.messages = [self.load_message(c, name, m) for name, m in t["messages"].items()]
        c.messages += [self.removed_message(c, name) for name in t["removed"]]
        if c.stored:
            self.add_implicit(c, t)
        self.check_duplicates(c)
        return c

    def load_field(self, name, table):
        where = f"fields.{name}"
        doc = "No longer kept." if isinstance(table, dict) and table.get("state") == "removed" else ...
        f = self.take(
            where,
            table,
            type=...,
            access=...,
            doc=doc,
            state="published",
            default=None,
            persistent=True,
            internal=False,
            derived="",
            read_role=None,
            write_role=None,
            handler=False,
        )
        for key, known in (("access", ("runtime", "constructor", "rw")), ("state", STATES)):
            if f[key] not in known:
                self.fail(f"{where}.{key}", f"'{f[key]}' is none of {', '.join(known)}")
        f["type"] = self.type(f"{where}.type", f["type"])
        f["default"] = self.default(f"{where}.default", f["type"], f["default"])
        for key in ("read_role", "write_role"):
            if f[key] is not None:
                check_role(self.file, f"{where}.{key}", f[key])
        result = Field(name=name, **f)
        result.persistent = result.persistent and result.stored
        return result

    def load_params(self, c, where, table):
        result = []
        if not isinstance(table, dict):
            self.fail(where, "a table is wanted")
        check_names(self.file, where, table)
        for name, entry in table.items():
            here = f"{where}.{name}"
            is_self = not result and isinstance(entry, dict) and entry.get("type") == f"{c.name} ref"
            p = self.take(here, entry, type=..., doc=f"The {c.name}." if is_self else ..., default=None)
            p["type"] = self.type(f"{here}.type", p["type"])
            p["default"] = self.default(f"{here}.default", p["type"], p["default"])
            if result and not result[-1].required and p["default"] is None:
                self.fail(here, "a parameter without default follows one with")
            result.append(Param(name=name, **p))
        return result

    def load_message(self, c, name, table):
        where = f"messages.{name}"
        m = self.take(
            where,
            table,
            doc=...,
            role=...,
            result="void",
            params={},
            errors=[],
            state="published",
            hidden=False,
            pool_internal=False,
            plain=False,
            **{"async": True},
        )
        check_role(self.file, f"{where}.role", m["role"])
        if m["state"] not in STATES[:3]:
            self.fail(f"{where}.state", f"'{m['state']}' is none of {', '.join(STATES[:3])}")
        for code in m["errors"]:
            if code not in self.error_codes:
                self.fail(f"{where}.errors", f"there is no error '{code}'")
        msg = Message(
            c.name,
            name,
            m["role"],
            m["doc"],
            state=m["state"],
            errors=m["errors"],
            has_async=m["async"],
            result=self.type(f"{where}.result", m["result"]),
            hidden=m["hidden"],
            pool_internal=m["pool_internal"],
            params=self.load_params(c, f"{where}.params", m["params"]),
        )
        if m["plain"]:
            self.make_plain(c, msg)
        else:
            msg.wants_handler = True
        return msg

    def make_plain(self, c, msg):
        """An explicit message that the interpreter answers, since it only writes a field."""
        for prefix, verb in (
            ("set_", "SET_FIELD"),
            ("add_to_", "ADD_TO_MAP"),
            ("remove_from_", "REMOVE_FROM_MAP"),
            ("add_", "ADD_TO_SET"),
            ("remove_", "REMOVE_FROM_SET"),
        ):
            f = c.field(msg.name.removeprefix(prefix)) if msg.name.startswith(prefix) else None
            if f and f.stored:
                msg.verb, msg.field = verb, f.name
                return
        self.fail(f"messages.{msg.name}.plain", "the name is not that of a field's setter")

    def removed_message(self, c, name):
        return Message(
            c.name,
            name,
            "read-only",
            "Gone: answers MESSAGE_REMOVED.",
            state="removed",
            has_async=False,
            result=self.type("removed", "void"),
        )

    def add_implicit(self, c, t):
        maker = ImplicitMessages(self, c, t)
        for f in c.fields if t["field_messages"] else []:
            if not f.internal:
                maker.add_field(f)
        maker.add_class_verbs(t["verbs"])
        for name in ("create", "destroy"):
            if t[name] is not None:
                maker.add_life(name, t[name])

    def check_duplicates(self, c):
        seen = set()
        for m in c.messages:
            if m.name in seen:
                self.fail(f"messages.{m.name}", "a message of this name exists already")
            seen.add(m.name)


def load_errors(path):
    result = {}
    for code, entry in sorted(read_toml(path).items()):
        t = take(path, code, entry, params=..., doc=...)
        check_names(path, code, [code])
        if not isinstance(t["params"], list) or not all(isinstance(p, str) for p in t["params"]):
            raise BadModel(f"{path}: {code}: 'params' must be a list of texts")
        result[code] = Error(code, t["params"], t["doc"])
    return result


def collect_enums(tables):
    enums = {}
    for file, table in tables:
        check_shape(file, "top level", "enums", table.get("enums", {}))
        for name, values in table.get("enums", {}).items():
            check_names(file, "enums", [name])
            if name in enums:
                raise BadModel(f"{file}: enums.{name}: class {enums[name].owner} defines it already")
            if not isinstance(values, dict) or not values:
                raise BadModel(f"{file}: enums.{name}: no values")
            if len({identifier(v).upper() for v in values} - {""}) != len(values):
                raise BadModel(f"{file}: enums.{name}: two values, or none, would have one name in C")
            for value, doc in values.items():
                check_doc(file, f"enums.{name}.{value}", doc)
            enums[name] = Enum(name, table.get("name", ""), values)
    return enums


def check_relations(model):
    for c in model.classes.values():
        for f in c.fields:
            where = f"{c.file}: fields.{f.name}.derived"
            if not f.derived:
                continue
            of_class, _, of_field = f.derived.partition(".")
            other = model.classes.get(of_class)
            source = other and other.field(of_field)
            if not source or not source.stored:
                raise BadModel(f"{where}: there is no stored field '{f.derived}'")
            if source.type.name not in (f"{c.name} ref", f"{c.name} ref set"):
                raise BadModel(f"{where}: '{f.derived}' does not refer to a {c.name}")
            if f.type.name != f"{of_class} ref set":
                raise BadModel(f"{where}: '{f.derived}' gives a set of {of_class}, not a {f.type.name}")


def apply_gaps(model, path):
    """Mark the messages that the gap list names, each with its reason."""
    by_name = {m.full_name: m for m in model.messages()}
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, reason = line.partition(" ")
        m = by_name.get(name)
        if not m or not m.wants_handler:
            raise BadModel(f"{path}: line {number}: '{name}' is no message that wants a handler")
        if m.gap:
            raise BadModel(f"{path}: line {number}: '{name}' stands here twice")
        if not reason.strip():
            raise BadModel(f"{path}: line {number}: '{name}' has no reason")
        m.gap = reason.strip()


def load_model(directory):
    """The whole model under directory (classes/, errors.toml, gaps.txt)."""
    directory = Path(directory)
    errors = load_errors(directory / "errors.toml")
    tables = []
    for path in sorted((directory / "classes").glob("*.toml")):
        table = read_toml(path)
        if table.get("name") != path.stem:
            raise BadModel(f"{path}: name: must be '{path.stem}', as the file is called")
        tables.append((path, table))
    enums = collect_enums(tables)
    names = {table["name"] for _, table in tables}
    classes = [ClassLoader(path, table, names, enums, errors).load() for path, table in tables]
    model = Model({c.name: c for c in sorted(classes, key=lambda c: c.name)}, enums, errors)
    check_relations(model)
    apply_gaps(model, directory / "gaps.txt")
    return model
