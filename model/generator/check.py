"""Checks of the data files, which name the file, the key and what is wrong."""

import re

from .model import ROLES

# What each key of the files holds, wherever it stands ("params" differs, and is checked where it is read).
SHAPES = {
    **dict.fromkeys(("name", "doc", "state", "type", "access", "derived", "result"), str),
    **dict.fromkeys(
        (
            "stored",
            "persistent",
            "field_messages",
            "internal",
            "hidden",
            "pool_internal",
            "plain",
            "handler",
            "async",
        ),
        bool,
    ),
    **dict.fromkeys(("verbs", "removed", "errors"), list),
    **dict.fromkeys(("create", "destroy", "enums", "fields", "messages"), dict),
}


class BadModel(Exception):
    """The data is wrong; str() says file, key and what."""


def check_shape(file, where, key, value):
    """Refuse a value that is not of the kind its key has everywhere."""
    if (wanted := SHAPES.get(key)) is None:
        return
    if type(value) is not wanted or (wanted is list and not all(isinstance(x, str) for x in value)):
        what = {str: "text", bool: "true or false", list: "a list of texts", dict: "a table"}[wanted]
        raise BadModel(f"{file}: {where}: '{key}' must be {what}")


def check_names(file, where, names):
    for name in names:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name, re.ASCII):
            raise BadModel(f"{file}: {where}: '{name}' cannot be a name")


def take(file, where, table, **known):
    """The values of table by the names of known, which gives defaults; ... marks what must be there."""
    if not isinstance(table, dict):
        raise BadModel(f"{file}: {where}: a table is wanted")
    for key, value in table.items():
        if key not in known:
            raise BadModel(f"{file}: {where}: '{key}' is not known here")
        check_shape(file, where, key, value)
    for key, default in known.items():
        if default is ... and key not in table:
            raise BadModel(f"{file}: {where}: '{key}' is missing")
    if "doc" in known:
        check_doc(file, where, table.get("doc", known["doc"]))
    return {key: table.get(key, default) for key, default in known.items()}


def check_doc(file, where, doc):
    if not isinstance(doc, str) or not doc.strip():
        raise BadModel(f"{file}: {where}: 'doc' is empty")


def check_role(file, where, role):
    if role in ("anyone", "local-root") or role in ROLES:
        return
    if isinstance(role, list) and role and all(r in ROLES or r == "client-cert" for r in role):
        return
    raise BadModel(f"{file}: {where}: {role!r} is no role")
