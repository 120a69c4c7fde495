"""The model's types, parsed from the reference's way of writing them: "VM ref set", "(string -> int) map"."""

import re
import time
from dataclasses import dataclass

SCALARS = {
    "void": "VOID",
    "string": "STRING",
    "int": "INT",
    "float": "FLOAT",
    "bool": "BOOL",
    "datetime": "DATETIME",
}

# Records that are no class of the model: one whose class is only known at run time, and event.from's result.
LOOSE_RECORDS = ("<class> record", "an event batch")


class BadType(ValueError):
    pass


@dataclass(frozen=True)
class Type:
    name: str
    kind: str  # the C enumerator without KIND_
    target: str = ""  # class of a reference or record, name of an enum
    key: "Type" = None
    elem: "Type" = None

    def holds(self, *kinds):
        """True when this type or a part of it is of one of the kinds."""
        return self.kind in kinds or any(t.holds(*kinds) for t in (self.key, self.elem) if t)

    def parts(self):
        return [t for t in (self.key, self.elem) if t]


def _split_map(text):
    """The key and value types inside "(k -> v)"."""
    depth = 0
    for i, ch in enumerate(text):
        depth += {"(": 1, ")": -1}.get(ch, 0)
        if depth == 0 and text.startswith(" -> ", i):
            return text[:i], text[i + 4 :]
    raise BadType(f"'{text}' is not of the form 'key -> value'")


def parse_type(text, classes, enums):
    """The Type that text names; BadType when it names none. classes and enums are the known names."""

    def parse(t):
        if t in SCALARS:
            return Type(t, SCALARS[t])
        if t in LOOSE_RECORDS:
            return Type(t, "RECORD")
        for suffix, kind in ((" set", "SET"), (" option", "OPTION")):
            if t.endswith(suffix):
                return Type(t, kind, elem=parse(t[: -len(suffix)]))
        if t.startswith("(") and t.endswith(") map"):
            key, elem = _split_map(t[1 : -len(") map")])
            return Type(t, "MAP", key=parse(key), elem=parse(elem))
        for suffix, kind in ((" ref", "REF"), (" record", "RECORD")):
            if t.endswith(suffix):
                if (name := t[: -len(suffix)]) not in classes:
                    raise BadType(f"there is no class '{name}'")
                return Type(t, kind, target=name)
        if t.startswith("enum "):
            if t[5:] not in enums:
                raise BadType(f"there is no enum '{t[5:]}'")
            return Type(t, "ENUM", target=t[5:])
        raise BadType(f"'{t}' is not a type")

    if not isinstance(text, str):
        raise BadType("a type is text")
    return parse(text)


def _is_datetime(text):
    try:
        time.strptime(text, "%Y%m%dT%H:%M:%SZ")
    except ValueError:
        return False
    return True


_REF = re.compile(r"OpaqueRef:(NULL|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})")


def default_problem(t, value):
    """Why value, as TOML gives it, is not of type t; None when it is."""
    want = {
        "STRING": str,
        "INT": int,
        "FLOAT": float,
        "BOOL": bool,
        "DATETIME": str,
        "ENUM": str,
        "REF": str,
        "SET": list,
        "MAP": dict,
    }.get(t.kind)
    if want is None or type(value) is not want:
        return f"{value!r} is not of type {t.name}"
    if (t.kind == "DATETIME" and not _is_datetime(value)) or (t.kind == "REF" and not _REF.fullmatch(value)):
        return f"{value!r} is not of type {t.name}"
    if t.kind == "SET":
        return next(filter(None, (default_problem(t.elem, v) for v in value)), None)
    if t.kind == "MAP":
        return next(filter(None, (default_problem(t.elem, v) for v in value.values())), None)
    return None
