#!/usr/bin/env python3
"""Turns xe/records/*.toml, xe/words.toml and xe/gaps.txt into the const tables of xe/records.gen.c.

A record file says for one class of the datamodel which parameters the xe commands of it show:

    class = "VBD"                     the class
    [commands.vbd]                    one table a command prefix
      where = '...'                   filter given to get_all_records_where ("true" when absent)
      keep = "name"                   co_keep_name() decides besides which records count
      standard = true                 the -list command stands in the short help
      default = [...]                 parameters shown without params=
    [params]
      name = "path"                   read-only, the value at the path
      name = { is = "path", ... }     with options, below

A path is a field, or references followed by a field of what they point at ("SR.uuid"); over a set of references it
gives a set. Options: access (RO RW SRO SRW MRO MRW, as shown); fn (co_show_fn() makes the value); call (a message
whose result is the value; a path then starts at the result); hosts (that field of all hosts, when they agree); of (the
class whose references a set of strings holds); else (shown for a null reference); words (table of words.toml); join;
expensive, hidden, deprecated, caseless; set (true or the message), add, remove (the messages), rewrite (add and remove
by reading and setting the whole), set_key, set_map, clear (messages).
"""

import argparse
import re
import sys
import tomllib
from pathlib import Path

OPTIONS = {"is", "access", "fn", "call", "hosts", "of", "else", "words", "join", "expensive", "hidden", "deprecated",
           "caseless", "set", "add", "remove", "rewrite", "set_key", "set_map", "clear"}
ACCESS = {"RO", "RW", "SRO", "SRW", "MRO", "MRW"}
KINDS = {"string": "TEXT", "int": "INT", "float": "FLOAT", "bool": "BOOL", "datetime": "DATE"}
FLAGS = ("expensive", "hidden", "deprecated", "caseless", "rewrite")


class Bad(Exception):
    pass


def load(path):
    with open(path, "rb") as f:
        return tomllib.load(f)


def c_string(s):
    if s is None:
        return "NULL"
    return '"' + s.replace("\\", "\\\\").replace('"', '\\"') + '"'


def c_name(s):
    return re.sub(r"\W", "_", s)


class Param:
    """One parameter, checked against the datamodel."""

    def __init__(self, model, cls, name, spec):
        spec = {"is": spec} if isinstance(spec, str) else spec
        for key in spec:
            if key not in OPTIONS:
                raise Bad(f"{name}: '{key}' is not known")
        self.name, self.spec, self.cls = name, spec, cls
        self.access = spec.get("access", "RO")
        if self.access not in ACCESS:
            raise Bad(f"{name}: access '{self.access}'")
        self.steps, self.type, self.first = self.walk(model)
        self.kind = KINDS.get(self.element(self.type), "TEXT")
        self.values = bool(self.steps) and self.steps[-1][0] == "current_operations"

    def walk(self, model):
        """The steps (field, class its references lead to), the type of the last, the class of the first references."""
        spec, steps = self.spec, []
        if "fn" in spec or "hosts" in spec:
            at, path = "host", spec.get("hosts", "").split(".") if "hosts" in spec else []
        else:
            at, path = self.cls, spec["is"].split(".") if "is" in spec else []
        kind = "string"
        if "call" in spec:
            owner, message = spec["call"].split(".")
            known = model[owner]["messages"][message]
            kind, self.takes_self = known.get("result", "string"), bool(known.get("params"))
            if path:
                at = self.target(kind)
        first = None
        for i, field in enumerate(path):
            if field not in model[at]["fields"]:
                raise Bad(f"{self.name}: {at} has no field {field}")
            kind = model[at]["fields"][field]["type"]
            last = i == len(path) - 1
            target = None if last else self.target(kind)
            first = first or target
            steps.append((field, target))
            at = target
        return steps, kind, first

    def target(self, kind):
        """The class that references of this type lead to."""
        match = re.search(r"(\w+) ref(?: set)?\)?(?: map| set)?$", kind.split("->")[-1].strip())
        if match:
            return match.group(1)
        if "of" in self.spec:
            return self.spec["of"]
        raise Bad(f"{self.name}: {kind} is no reference")

    @staticmethod
    def element(kind):
        kind = kind.split("->")[-1].replace(" map", "").replace(")", "").strip()
        return kind.removesuffix(" set").strip()

    def message(self, key, default):
        given = self.spec.get(key)
        return default if given is None or given is True else given

    def setters(self):
        field = self.steps[0][0] if self.steps and "call" not in self.spec else self.name.replace("-", "_")
        found = {}
        if self.access == "RW" or self.spec.get("set"):
            found["set"] = self.message("set", f"{self.cls}.set_{field}")
        if self.access == "MRW":
            found["add"] = self.message("add", f"{self.cls}.add_to_{field}")
            found["remove"] = self.message("remove", f"{self.cls}.remove_from_{field}")
        if self.access == "SRW":
            found["add"] = self.message("add", f"{self.cls}.add_{field}")
            found["remove"] = self.message("remove", f"{self.cls}.remove_{field}")
        for key in ("set_key", "set_map", "clear"):
            if key in self.spec:
                found[key] = self.spec[key]
        if self.spec.get("rewrite"):
            found["set_map" if self.access[0] == "M" else "set"] = f"{self.cls}.set_{field}"
        return found

    def label(self):
        mark = self.access.rjust(3)
        return f"{self.name} ({mark})" + (" [DEPRECATED]" if self.spec.get("deprecated") else "")

    def c(self):
        spec = self.spec
        flags = [f"REC_{f.upper()}" for f in FLAGS if spec.get(f)]
        if self.access[0] in "SM":
            flags.append({"S": "REC_SET", "M": "REC_MAP"}[self.access[0]])
        if self.values:
            flags.append("REC_VALUES")
        out = [f".name = {c_string(self.name)}", f".label = {c_string(self.label())}"]
        if flags:
            out.append(".flags = " + " | ".join(flags))
        if self.steps:
            steps = ", ".join(f"{{{c_string(f)}, {c_string(t)}}}" for f, t in self.steps)
            out.append(f".path = (const struct rec_step[]){{{steps}, {{NULL, NULL}}}}")
        if self.kind != "TEXT":
            out.append(f".kind = REC_{self.kind}")
        if "fn" in spec:
            out.append(f".show = co_show_{spec['fn']}")
        if "call" in spec:
            out.append(f".call = {c_string(spec['call'])}")
            if self.takes_self:
                out.append(".call_self = true")
            if self.steps:
                out.append(f".call_class = {c_string(self.target_of_call)}")
        if "hosts" in spec:
            out.append(".of_hosts = true")
        for key, member in (("else", "missing"), ("join", "join")):
            if key in spec:
                out.append(f".{member} = {c_string(spec[key])}")
        if "words" in spec:
            out.append(f".words = words_{spec['words']}")
        for key, message in self.setters().items():
            out.append(f".{key} = {c_string(message)}")
        if self.first and self.setters() and len(self.steps) == 2:
            out.append(f".set_class = {c_string(self.first)}")
        return "    {" + ", ".join(out) + "},\n"

    @property
    def target_of_call(self):
        return self.call_class


def read_class(model, path):
    data = load(path)
    cls = data["class"]
    if cls not in model:
        raise Bad(f"no class {cls}")
    params = []
    for name, spec in data["params"].items():
        param = Param(model, cls, name, spec)
        if "call" in param.spec and param.steps:
            owner, message = param.spec["call"].split(".")
            param.call_class = param.target(model[owner]["messages"][message]["result"])
        params.append(param)
    for prefix, command in data["commands"].items():
        for name in command["default"]:
            if name not in data["params"]:
                raise Bad(f"{prefix}: default names the unknown parameter {name}")
    return cls, data["commands"], params


def write_words(words, used):
    out = ""
    for name, table in words.items():
        if name not in used:
            raise Bad(f"words.toml: nothing uses {name}")
        rows = "".join(f"    {{{c_string(k)}, {c_string(v)}}},\n" for k, v in table.items())
        out += f"static const struct rec_word words_{name}[] = {{\n{rows}    {{NULL, NULL}},\n}};\n\n"
    return out


def write_tables(model, source):
    words = load(source / "words.toml")
    classes, used, functions, keeps, body = [], set(), set(), set(), ""
    for path in sorted((source / "records").glob("*.toml")):
        try:
            cls, commands, params = read_class(model, path)
        except (Bad, KeyError) as problem:
            raise Bad(f"{path}: {problem}") from None
        table = "params_" + c_name(path.stem)
        body += f"static const struct rec_param {table}[] = {{\n" + "".join(p.c() for p in params) + "};\n\n"
        used |= {p.spec["words"] for p in params if "words" in p.spec}
        functions |= {p.spec["fn"] for p in params if "fn" in p.spec}
        for prefix, command in commands.items():
            defaults = ", ".join(c_string(d) for d in command["default"])
            keep = command.get("keep")
            if keep:
                keeps.add(keep)
            classes.append((prefix, f"    {{.name = {c_string(prefix)}, .api = {c_string(cls)}, "
                            f".where = {c_string(command.get('where', 'true'))}, .params = {table}, "
                            f".n_params = {len(params)}, .defaults = (const char *const[]){{{defaults}, NULL}}, "
                            f".standard = {str(command.get('standard', False)).lower()}"
                            + (f", .keep = keep_{keep}" if keep else "") + "},\n"))
    missing = used - words.keys()
    if missing:
        raise Bad(f"words.toml lacks {', '.join(sorted(missing))}")
    out = "/* Made by xe/generate.py. */\n#include \"xe/record.h\"\n#include \"xe/show.h\"\n\n"
    out += write_words(words, used) + body
    out += "const struct rec_class rec_classes[] = {\n" + "".join(c for _, c in sorted(classes)) + "};\n"
    out += f"const unsigned rec_class_count = {len(classes)};\n\n"
    out += write_gaps(source / "gaps.txt")
    return out


def write_gaps(path):
    names = [line.split()[0] for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")]
    if names != sorted(set(names)):
        raise Bad(f"{path}: not sorted, or a name stands there twice")
    rows = "".join(f"    {c_string(n)},\n" for n in names)
    return f"const char *const xe_gaps[] = {{\n{rows}    NULL,\n}};\n"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    model = {}
    for path in args.model.glob("classes/*.toml"):
        data = load(path)
        model[data["name"]] = {"fields": data.get("fields", {}), "messages": data.get("messages", {})}
    try:
        text = write_tables(model, args.source)
    except Bad as problem:
        sys.exit(f"xe/generate.py: {problem}")
    args.output.write_text(text)


main()
