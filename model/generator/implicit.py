"""The messages that follow from a class's fields: getters, setters, get_all and the like."""

from .check import check_role
from .model import Message, Param
from .types import Type


class ImplicitMessages:
    """The messages that follow from a class's fields."""

    def __init__(self, loader, c, table):
        self.loader, self.c = loader, c
        self.read_role, self.write_role = table["read_role"], table["write_role"]

    def type(self, text):
        return self.loader.type("implicit messages", text)

    def self_param(self):
        return Param("self", self.type(f"{self.c.name} ref"), f"The {self.c.name}.")

    def add(self, name, verb, role, doc, params, result="void", **more):
        result = result if isinstance(result, Type) else self.type(result)
        more.setdefault("has_async", False)
        self.c.messages.append(
            Message(self.c.name, name, role, doc, verb=verb, params=params, result=result, **more)
        )

    def add_field(self, f):
        c, t = self.c, f.type
        common = {"field": f.name, "state": f.state}
        self.add(
            f"get_{f.name}",
            "GET_FIELD",
            f.read_role or self.read_role,
            f"Read {f.name} of a {c.name}.",
            [self.self_param()],
            t,
            **common,
        )
        if f.access != "rw":
            return
        role = f.write_role or self.write_role
        if role is None:
            self.loader.fail(f"fields.{f.name}", "write_role is missing, here or for the class")
        value = Param("value", t, f"The new value of {f.name}.")
        self.add(
            f"set_{f.name}",
            "EXPLICIT" if f.handler else "SET_FIELD",
            role,
            f"Set {f.name} of a {c.name}.",
            [self.self_param(), value],
            wants_handler=f.handler,
            **common,
        )
        if t.kind == "MAP":
            key = Param("key", t.key, "The key.")
            value = Param("value", t.elem, "The value of that key.")
            self.add(
                f"add_to_{f.name}",
                "ADD_TO_MAP",
                role,
                f"Add a key that is not there yet to {f.name} of a {c.name}.",
                [self.self_param(), key, value],
                **common,
            )
            self.add(
                f"remove_from_{f.name}",
                "REMOVE_FROM_MAP",
                role,
                f"Take a key, where it is there, out of {f.name} of a {c.name}.",
                [self.self_param(), key],
                **common,
            )
        if t.kind == "SET":
            value = Param("value", t.elem, "The member.")
            self.add(
                f"add_{f.name}",
                "ADD_TO_SET",
                role,
                f"Add a member, unless it is there already, to {f.name} of a {c.name}.",
                [self.self_param(), value],
                **common,
            )
            self.add(
                f"remove_{f.name}",
                "REMOVE_FROM_SET",
                role,
                f"Take a member, where it is there, out of {f.name} of a {c.name}.",
                [self.self_param(), value],
                **common,
            )

    def add_class_verbs(self, wanted):
        n = self.c.name
        if wanted is None:
            wanted = ["get_record", "get_by_uuid", "get_all", "get_all_records", "get_all_records_where"]
            if self.c.field("name_label"):
                wanted.append("get_by_name_label")
        records = f"({n} ref -> {n} record) map"
        known = {
            "get_record": (f"Read all fields of a {n} at once.", [self.self_param()], f"{n} record"),
            "get_by_uuid": (
                f"Find the {n} that has this uuid.",
                [Param("uuid", self.type("string"), "The uuid.")],
                f"{n} ref",
            ),
            "get_by_name_label": (
                f"Find every {n} of this name.",
                [Param("label", self.type("string"), "The name_label looked for.")],
                f"{n} ref set",
            ),
            "get_all": (f"List every {n}.", [], f"{n} ref set"),
            "get_all_records": (f"Read all fields of every {n}.", [], records),
            "get_all_records_where": (
                f"Read all fields of every {n} for which an expression holds.",
                [Param("expr", self.type("string"), "The expression.")],
                records,
            ),
        }
        for verb in wanted:
            if verb not in known:
                self.loader.fail("verbs", f"'{verb}' is none of {', '.join(known)}")
            doc, params, result = known[verb]
            self.add(
                verb,
                verb.upper(),
                self.read_role,
                doc,
                params,
                result,
                state=self.c.state,
                hidden=verb == "get_all_records_where",
            )

    def add_life(self, name, table):
        t = self.loader.take(name, table, role=..., handler=False, errors=[])
        check_role(self.loader.file, f"{name}.role", t["role"])
        more = {
            "has_async": True,
            "wants_handler": t["handler"],
            "errors": t["errors"],
            "state": self.c.state,
        }
        n = self.c.name
        if name == "destroy":
            self.add(name, "DESTROY", t["role"], f"Delete a {n}.", [self.self_param()], **more)
            return
        args = Param("args", self.type(f"{n} record"), "The fields that a caller may give at creation.")
        more["members"] = [Param(f.name, f.type, f.doc, f.default) for f in self.c.fields if f.constructible]
        self.add(name, "CREATE", t["role"], f"Make a {n}.", [args], f"{n} ref", **more)
