#!/usr/bin/env python3
"""Turns xe/commands/*.toml into the const tables of xe/commands.gen.c and holds them against the datamodel.

    [pif-reconfigure-ip]                a command
    call = "PIF.reconfigure_ip"         the message
    args = ["uuid", "mode", "IP="]      what its parameters are made of, in their order
    help = "..."                        one sentence

Items of args: NAME is a required argument, NAME=VALUE an optional one and its default, =VALUE always this; "NAME:" is
a map (name:key=value); "@" the object that the selectors chose. The parameter's type says how the text is read: a
reference from a uuid (default "" none, "@pool", "@host": the one called), a set from a list with commas, and so on. A
word before NAME reads it in another way: "size" (with a unit), "file" (its content), "basename", "files" (a map whose
name:key:file=path are contents), "keys" (a map of the arguments named, with commas between them, that are given).

Other keys: record (instead of args, for create: field = item); on ("vm", "host", "sr": takes their selectors); select
(among "domains", "templates", "one"); prints ("uuid" of what came, "lines", "note", "bytes", "table"); then (a getter:
its value of the result is printed); forced (the message with --force); must_force (what --force is needed for); async;
hidden, standard, local (as for the verbs in C); also (optional arguments without meaning); signature, result (types,
for messages that the datamodel keeps to itself).
"""

import argparse
import re
import sys
import tomllib
from pathlib import Path

KEYS = {"call", "args", "help", "record", "on", "select", "prints", "then", "forced", "must_force", "async", "hidden",
        "standard", "local", "also", "signature", "result"}
KINDS = {"string": "TEXT", "int": "INT", "bool": "BOOL", "float": "FLOAT", "(string -> string) map": "MAP",
         "string set": "SET"}
READERS = {"size": ("int", "SIZE"), "file": ("string", "FILE"), "basename": ("string", "BASENAME"),
           "files": ("(string -> string) map", "FILE_MAP"), "keys": ("(string -> string) map", "KEYS")}
PRINTS = {"uuid": "UUIDS", "lines": "LINES", "note": "NOTE", "bytes": "BYTES", "table": "TABLE"}
SELECT = {"domains": "SELECT_CONTROL_DOMAINS", "templates": "SELECT_TEMPLATES", "one": "SELECT_ONE"}


class Bad(Exception):
    pass


def c_string(s):
    if s is None:
        return "NULL"
    return '"' + s.replace("\\", "\\\\").replace('"', '\\"') + '"'


def reference(kind):
    """The class that a reference type, or a set of references, leads to."""
    match = re.fullmatch(r"(\w+) ref(?: set)?", kind)
    return match.group(1) if match else None


class Item:
    """One item of args or record, for a parameter of this type."""

    def __init__(self, item, kind, enums, field=None):
        self.field, self.words, self.cls, self.otherwise = field, None, None, None
        word, _, rest = item.partition(" ")
        reader = word if word in READERS and rest else None
        if reader:
            item = rest
        self.selected = item == "@"
        self.is_map = item.endswith(":")
        name, equals, default = item.partition("=")
        self.name = None if self.selected else name.removesuffix(":") or None
        if equals:
            self.otherwise = default
        self.kind = self.read_as(reader, kind, enums)
        if self.is_map != (self.kind in ("MAP", "FILE_MAP")) and self.name:
            raise Bad(f"{item}: a map is named with a colon, and only that")

    def read_as(self, reader, kind, enums):
        if reader:
            if READERS[reader][0] != kind:
                raise Bad(f"{self.name}: {reader} for a {kind}")
            return READERS[reader][1]
        if reference(kind):
            self.cls = reference(kind)
            return "SELECTED" if self.selected else "REFS" if kind.endswith(" set") else "REF"
        match = re.fullmatch(r"enum (\w+)( set)?", kind)
        if match:
            self.words = list(enums[match.group(1)])
            if self.otherwise and self.otherwise not in self.words:
                raise Bad(f"{self.name}: {self.otherwise} is not in {kind}")
            return "SET" if match.group(2) else "ENUM"
        if self.selected or kind not in KINDS:
            raise Bad(f"{self.name}: a {kind} cannot be made of an argument")
        return KINDS[kind]

    @property
    def required(self):
        return self.name is not None and self.otherwise is None and not self.is_map and self.kind != "KEYS"

    def c(self):
        out = [f".kind = PLAIN_{self.kind}"]
        for key in ("name", "otherwise", "cls", "field"):
            if getattr(self, key) is not None:
                out.append(f".{key} = {c_string(getattr(self, key))}")
        if self.kind == "ENUM":
            out.append(".words = (const char *const[]){" + ", ".join(map(c_string, self.words)) + ", NULL}")
        return "{" + ", ".join(out) + "}"


class Command:
    def __init__(self, model, name, spec):
        unknown = set(spec) - KEYS
        if unknown:
            raise Bad(f"'{unknown.pop()}' is not known")
        self.name, self.spec, self.model = name, spec, model
        self.cls, self.message = spec["call"].split(".")
        if "record" in spec:
            self.items = self.fields()
            self.result = f"{self.cls} ref"
        else:
            kinds, self.result = self.signature(spec["call"])
            self.items = self.pair(spec.get("args", []), kinds)
        if "then" in spec:
            self.result = self.getter(spec["then"])
        if "forced" in spec:
            self.signature(spec["forced"])
        if spec.get("prints") == "uuid" and not reference(self.result):
            raise Bad(f"{self.result} has no uuid")

    def signature(self, call):
        """The types of a message's parameters, those that may be left out marked, and of its result."""
        cls, message = call.split(".")
        known = self.model.get(cls, {}).get("messages", {}).get(message)
        if "signature" in self.spec:
            if known:
                raise Bad(f"the datamodel knows {call}: no signature is needed")
            return [(kind, False) for kind in self.spec["signature"]], self.spec.get("result", "")
        if message == "destroy" and not known:
            return [(f"{cls} ref", False)], ""
        if not known:
            raise Bad(f"no message {call}")
        params = known.get("params", {})
        return [(p["type"], "default" in p) for p in params.values()], known.get("result", "")

    def pair(self, items, kinds):
        needed = sum(1 for _, optional in kinds if not optional)
        if not needed <= len(items) <= len(kinds):
            raise Bad(f"{self.spec['call']} takes {needed} to {len(kinds)} parameters, not {len(items)}")
        return [Item(item, kind, self.enums()) for item, (kind, _) in zip(items, kinds)]

    def fields(self):
        known = self.model[self.cls]["fields"]
        return [Item(item, known[field]["type"], self.enums(), field) for field, item in self.spec["record"].items()]

    def enums(self):
        return {name: words for c in self.model.values() for name, words in c.get("enums", {}).items()}

    def getter(self, call):
        cls, message = call.split(".")
        return self.model[cls]["fields"][message.removeprefix("get_")]["type"]

    def arguments(self, required):
        also = [] if required else self.spec.get("also", [])
        names = [i.name + (":" if i.is_map else "") for i in self.items if i.name and i.required == required] + also
        if not required and ("forced" in self.spec or "must_force" in self.spec):
            names.append("force")
        names = list(dict.fromkeys(names))
        return c_string(",".join(names)) if names else "NULL"

    def flags(self):
        names = [f"CMD_{f.upper()}" for f in ("standard", "hidden", "local") if self.spec.get(f)]
        if "on" in self.spec:
            names.append("CMD_" + self.spec["on"].upper())
        return " | ".join(names) or "0"

    def c_plain(self):
        spec = self.spec
        out = [f".method = {c_string(spec['call'])}"]
        for key, member in (("forced", "forced_method"), ("must_force", "must_force"), ("then", "then")):
            if key in spec:
                out.append(f".{member} = {c_string(spec[key])}")
        if self.items:
            items = ",\n        ".join(i.c() for i in self.items)
            out.append(f".args = (const struct plain_arg[]){{\n        {items}}}")
            out.append(f".n_args = {len(self.items)}")
        if "prints" in spec:
            out.append(f".print = PLAIN_PRINT_{PRINTS[spec['prints']]}")
        if spec.get("prints") == "uuid":
            out.append(f".prints_class = {c_string(reference(self.result))}")
        if "select" in spec:
            out.append(".select = " + " | ".join(SELECT[s] for s in spec["select"]))
        if spec.get("async"):
            out.append(".async = true")
        return "&(const struct plain){" + ", ".join(out) + "}"

    def c(self):
        return (f"    {{.name = {c_string(self.name)}, .required = {self.arguments(True)}, "
                f".optional = {self.arguments(False)},\n     .help = {c_string(self.spec['help'])}, "
                f".flags = {self.flags()}, .run = co_plain,\n     .plain = {self.c_plain()}}},\n")


def write_table(model, source):
    commands = {}
    for path in sorted((source / "commands").glob("*.toml")):
        with open(path, "rb") as f:
            data = tomllib.load(f)
        for name, spec in data.items():
            try:
                if name in commands:
                    raise Bad("is there twice")
                commands[name] = Command(model, name, spec)
            except (Bad, KeyError) as problem:
                raise Bad(f"{path}: {name}: {problem}") from None
    out = "/* Made by xe/generate_commands.py. */\n#include \"xe/plain.h\"\n#include \"xe/select.h\"\n\n"
    out += "const struct command plain_commands[] = {\n"
    out += "".join(commands[name].c() for name in sorted(commands)) + "};\n"
    return out + f"const unsigned plain_command_count = {len(commands)};\n"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    model = {}
    for path in args.model.glob("classes/*.toml"):
        with open(path, "rb") as f:
            data = tomllib.load(f)
        model[data["name"]] = data
    try:
        text = write_table(model, args.source)
    except Bad as problem:
        sys.exit(f"xe/generate_commands.py: {problem}")
    args.output.write_text(text)


main()
