"""How things of the model are called in C."""

import re

KEYWORDS = set(
    """auto break case char const continue default do double else enum extern float for goto if inline int long
register restrict return short signed sizeof static struct switch typedef union unsigned void volatile while
linux unix asm typeof bool true false""".split()
)


def identifier(text):
    """text with everything that C does not allow in a name made an underscore."""
    name = re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_")
    if name in KEYWORDS:
        name += "_"
    return f"_{name}" if name[:1].isdigit() else name


def class_prefix(name):
    return name.lower()


def class_id(name):
    return f"CLASS_{name.upper()}"


def field_id(cls, name):
    return f"{cls.upper()}_F_{identifier(name).upper()}"


def enum_name(name):
    return name.lower()


def enum_value(enum, value):
    return f"{enum.upper()}_{identifier(value).upper()}"


def message_function(m):
    return f"{class_prefix(m.cls)}_{m.name.lower()}"


def args_struct(m):
    return f"struct {message_function(m)}_args"


def c_string(text):
    """A C string literal."""
    if text is None:
        return "NULL"
    out = []
    for byte in text.encode("utf-8"):
        ch = chr(byte)
        if ch in '"\\':
            out.append("\\" + ch)
        elif ch == "\n":
            out.append("\\n")
        elif 32 <= byte < 127:
            out.append(ch)
        else:
            out.append(f"\\{byte:03o}")
    return '"' + "".join(out).replace("??", "?\\?") + '"'


def c_type(t, stored=True):
    """The C type of a value of type t, with the space before a name that follows."""
    plain = {
        "STRING": "const char *",
        "INT": "int64_t ",
        "DATETIME": "int64_t ",
        "FLOAT": "double ",
        "BOOL": "bool ",
        "REF": "struct ref ",
        "SET": "const struct set *",
        "MAP": "const struct map *",
        "RECORD": "const struct wire *",
    }
    return f"enum {enum_name(t.target)} " if t.kind == "ENUM" else plain[t.kind]


def union_member(t):
    """The member of union value that holds a value of type t."""
    return {
        "STRING": "s",
        "INT": "i",
        "DATETIME": "i",
        "ENUM": "i",
        "FLOAT": "f",
        "BOOL": "b",
        "REF": "r",
        "SET": "set",
        "MAP": "map",
    }[t.kind]


def by_size(items):
    """items (anything with a type) ordered so that a struct of them has no holes."""
    rank = {"ENUM": 1, "BOOL": 2}
    return sorted(items, key=lambda item: rank.get(item.type.kind, 0))
