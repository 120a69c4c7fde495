"""model/tables.gen.c: the model as constant tables."""

import calendar
import json
import time

from .headers import NOTICE, handled, has_args
from .model import ROLES
from .names import (
    args_struct,
    c_string,
    class_id,
    class_prefix,
    enum_name,
    field_id,
    identifier,
    union_member,
)
from .types import SCALARS, Type

# Types that code which writes results by hand may name.
SHARED_TYPES = {name: f"model_type_{name}" for name in SCALARS} | {
    "string set": "model_type_string_set",
    "(string -> string) map": "model_type_string_map",
}


def role_mask(role):
    """A C expression for the roles that may call."""
    if role == "anyone":
        return " | ".join(["ROLE_ANYONE", "ROLE_CLIENT_CERT"] + [role_id(r) for r in ROLES])
    if role == "local-root":
        return "0"
    bits = []
    for r in role if isinstance(role, list) else [role]:
        bits += [r] if r == "client-cert" else ROLES[: ROLES.index(r) + 1]
        if r == "read-only":
            bits.append("client-cert")
    return " | ".join(role_id(r) for r in dict.fromkeys(bits))


def role_id(role):
    return "ROLE_" + role.upper().replace("-", "_")


def bool_c(b):
    return "true" if b else "false"


def parse_uuid(text):
    """The C initialiser of a struct ref; text is OpaqueRef:<uuid> or OpaqueRef:NULL."""
    digits = text.removeprefix("OpaqueRef:").replace("-", "")
    number = 0 if digits == "NULL" else int(digits, 16)
    return f"{{{number >> 64:#x}, {number & (2**64 - 1):#x}}}"


def default_text(t, value):
    """value as value_from_text reads it."""
    if t.kind == "BOOL":
        return "true" if value else "false"
    if t.kind in ("INT", "FLOAT"):
        return repr(value)
    if t.kind in ("SET", "MAP"):
        return json.dumps(value, separators=(",", ":"), sort_keys=True)
    return value


class Tables:
    def __init__(self, model):
        self.model = model
        self.lines = []
        self.types = {}
        self.constants = 0
        self.handler = {m.full_name: i for i, m in enumerate(handled(model), 1)}

    def add(self, *lines):
        self.lines += lines

    def text(self):
        self.add(
            NOTICE + '#include "model/args.gen.h"',
            '#include "model/model.h"',
            '#include "model/rows.gen.h"',
            "",
        )
        for name in sorted(self.model.enums):
            self.add_enum(self.model.enums[name])
        self.add_types()
        for c in self.model.classes.values():
            self.add_fields(c)
        self.add_classes()
        self.add_messages()
        self.add_errors()
        return "\n".join(self.lines) + "\n"

    def add_enum(self, e):
        name = enum_name(e.name)
        self.add(f"static const char *const {name}_values[] = {{{', '.join(map(c_string, e.values))}}};")
        self.add(
            f"static const char *const {name}_docs[] = {{",
            *(f"    {c_string(d)}," for d in e.values.values()),
            "};",
        )
        self.add(
            f"const struct model_enum model_enum_{name} = {{",
            f"    {c_string(e.name)}, {len(e.values)}, {name}_values, {name}_docs}};",
            "",
        )

    def add_types(self):
        for name in SHARED_TYPES:
            if name in SCALARS:
                self.type_of(Type(name, SCALARS[name]))
        string = Type("string", "STRING")
        self.type_of(Type("string set", "SET", elem=string))
        self.type_of(Type("(string -> string) map", "MAP", key=string, elem=string))
        for c in self.model.classes.values():
            for t in [f.type for f in c.fields] + [
                t for m in c.messages for t in [m.result, *(p.type for p in m.params)]
            ]:
                self.type_of(t)
        self.add("")

    def type_of(self, t):
        """The C name of the type's object, written out on first use."""
        if t.name in self.types:
            return self.types[t.name]
        parts = {p.name: self.type_of(p) for p in t.parts()}
        name = SHARED_TYPES.get(t.name) or f"type_{identifier(t.name)}"
        init = [f".kind = KIND_{t.kind}", f".name = {c_string(t.name)}"]
        if t.kind == "ENUM":
            init.append(f".enums = &model_enum_{enum_name(t.target)}")
        if t.kind in ("REF", "RECORD"):
            init.append(f".cls = {class_id(t.target) if t.target else 'CLASS_COUNT'}")
        if t.key:
            init.append(f".key = &{parts[t.key.name]}")
        if t.elem:
            init.append(f".elem = &{parts[t.elem.name]}")
        storage = "" if t.name in SHARED_TYPES else "static "
        self.add(f"{storage}const struct model_type {name} = {{{', '.join(init)}}};")
        self.types[t.name] = name
        return name

    def value(self, t, v):
        """The C initialiser of a union value; sets and maps become constants of their own first."""
        if v is None:
            return "{0}"
        if t.kind == "ENUM":
            v = list(self.model.enums[t.target].values).index(v)
        elif t.kind == "STRING":
            v = c_string(v)
        elif t.kind == "DATETIME":
            v = calendar.timegm(time.strptime(v, "%Y%m%dT%H:%M:%SZ"))
        elif t.kind == "BOOL":
            v = bool_c(v)
        elif t.kind == "REF":
            v = parse_uuid(v)
        elif t.kind == "SET":
            v = self.constant("set", len(v), ", ".join(self.value(t.elem, x) for x in v))
        elif t.kind == "MAP":
            v = self.constant(
                "map",
                len(v),
                ", ".join(
                    f"{{{self.value(t.key, k)}, {self.value(t.elem, x)}}}" for k, x in sorted(v.items())
                ),
            )
        return f"{{.{union_member(t)} = {v}}}"

    def constant(self, kind, n, body):
        if n == 0:
            return "NULL"
        self.constants += 1
        self.add(f"static const struct {kind} constant_{self.constants} = {{{n}, {{{body}}}}};")
        return f"&constant_{self.constants}"

    def add_fields(self, c):
        if not c.fields:
            return
        entries = []
        for f in c.fields:
            init = [
                f".name = {c_string(f.name)}",
                f".doc = {c_string(f.doc)}",
                f".type = &{self.type_of(f.type)}",
                f".access = ACCESS_{f.access.upper()}",
            ]
            for key, is_set in (
                ("persistent", f.persistent and c.stored),
                ("removed", f.removed),
                ("has_default", f.default is not None),
                ("internal", f.internal),
                ("derived", f.derived),
            ):
                if is_set:
                    init.append(f".{key} = true")
            if f.default is not None:
                init.append(f".initial = {self.value(f.type, f.default)}")
            if f.derived:
                of_class, of_field = f.derived.split(".")
                init.append(f".of_class = {class_id(of_class)}, .of_field = {field_id(of_class, of_field)}")
            elif c.stored and f.stored:
                init.append(f".offset = offsetof(struct {class_prefix(c.name)}, {identifier(f.name)})")
            entries.append(f"    [{field_id(c.name, f.name)}] = {{{', '.join(init)}}},")
        self.add(f"static const struct model_field {class_prefix(c.name)}_fields[] = {{", *entries, "};")
        order = sorted(range(len(c.fields)), key=lambda i: c.fields[i].name)
        self.add(
            f"static const uint16_t {class_prefix(c.name)}_by_name[] = {{{', '.join(map(str, order))}}};", ""
        )

    def add_classes(self):
        self.add(
            "static const struct model_field no_fields[1];",
            "const struct model_class model_classes[CLASS_COUNT] = {",
        )
        for c in self.model.classes.values():
            name = class_prefix(c.name)
            at = {f.name: field_id(c.name, f.name) for f in c.fields if f.stored}
            init = [
                f".name = {c_string(c.name)}",
                f".doc = {c_string(c.doc)}",
                f".event_name = {c_string(c.name.lower())}",
                f".id = {class_id(c.name)}",
                f".stored = {bool_c(c.stored)}",
                f".persistent = {bool_c(c.stored and c.persistent)}",
                f".removed = {bool_c(c.state == 'removed')}",
                f".n_fields = {len(c.fields)}",
            ]
            if c.fields:
                init += [f".fields = {name}_fields", f".by_name = {name}_by_name"]
            else:
                init.append(".fields = no_fields")
            stored = at if c.stored else {}
            init += [
                f".uuid_field = {stored.get('uuid', -1)}",
                f".name_field = {stored.get('name_label', -1)}",
            ]
            if c.stored:
                init.append(f".row_size = sizeof(struct {name})")
            self.add(f"    [{class_id(c.name)}] = {{{', '.join(init)}}},")
        self.add("};", "")

    def add_params(self, name, params, struct):
        if not params:
            return
        self.add(f"static const struct model_param {name}[] = {{")
        for p in params:
            init = [
                f".name = {c_string(p.name)}",
                f".doc = {c_string(p.doc)}",
                f".type = &{self.type_of(p.type)}",
                f".required = {bool_c(p.required)}",
            ]
            if not p.required:
                init.append(f".default_text = {c_string(default_text(p.type, p.default))}")
            if struct:
                init.append(f".offset = offsetof({struct}, {identifier(p.name)})")
            self.add(f"    {{{', '.join(init)}}},")
        self.add("};")

    def add_messages(self):
        messages = self.model.messages()
        for m in messages:
            base = identifier(m.full_name)
            struct = args_struct(m) if has_args(m) else None
            self.add_params(f"{base}_params", m.params, None if m.members else struct)
            self.add_params(f"{base}_members", m.members, struct)
            if m.errors:
                codes = ", ".join(map(c_string, m.errors))
                self.add(f"static const char *const {base}_errors[] = {{{codes}, NULL}};")
        self.add(
            "",
            "static const char *const no_errors[] = {NULL};",
            "static const struct model_param no_params[1];",
            "const struct model_message model_messages[] = {",
        )
        self.add(*(f"    {{{', '.join(self.message(m))}}}," for m in messages))
        self.add(
            "};",
            "const unsigned model_message_count = sizeof(model_messages) / sizeof(model_messages[0]);",
            "",
        )

    def message(self, m):
        base = identifier(m.full_name)
        init = [
            f".name = {c_string(m.name)}",
            f".full_name = {c_string(m.full_name)}",
            f".doc = {c_string(m.doc)}",
            f".cls = {class_id(m.cls)}",
            f".verb = VERB_{m.verb}",
            f".result = &{self.type_of(m.result)}",
            f".roles = {role_mask(m.role)}",
            f".n_params = {len(m.params)}",
            f".n_required = {sum(p.required for p in m.params)}",
            f".errors = {base + '_errors' if m.errors else 'no_errors'}",
        ]
        for key in ("takes_session", "has_async", "removed", "hidden", "pool_internal"):
            if getattr(m, key):
                init.append(f".{key} = true")
        if m.field:
            init.append(f".field = {field_id(m.cls, m.field)}")
        init.append(f".params = {base}_params" if m.params else ".params = no_params")
        if m.members:
            init.append(f".n_members = {len(m.members)}, .members = {base}_members")
        if has_args(m):
            init.append(f".args_size = sizeof({args_struct(m)})")
        if m.has_handler:
            init.append(f".handler = {self.handler[m.full_name]}")
        if m.gap:
            init.append(".gap = true")
        return init

    def add_errors(self):
        errors = self.model.errors.values()
        for e in errors:
            if e.params:
                params = ", ".join(map(c_string, e.params))
                self.add(f"static const char *const {identifier(e.code)}_params[] = {{{params}}};")
        self.add("const struct model_error model_errors[] = {")
        for e in errors:
            params = f"{identifier(e.code)}_params" if e.params else "NULL"
            self.add(f"    {{{c_string(e.code)}, {c_string(e.doc)}, {len(e.params)}, {params}}},")
        self.add("};", "const unsigned model_error_count = sizeof(model_errors) / sizeof(model_errors[0]);")
