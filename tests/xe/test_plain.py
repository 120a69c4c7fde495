#!/usr/bin/env -S python3 -B
"""The commands that are data: what each calls and prints, held against plain-calls.txt.

A line of that file is a command line, the calls it makes (without reads and the session's own) and its output, with a tab
between them. <PIF> and <PIF2> stand for the uuid of a PIF among the arguments and for its reference among the calls. After
a change of xe/commands, "test_plain.py --record" writes the lines anew; read them before they count.
"""

import json
import shlex
import sys
import tempfile
import tomllib
import unittest
from pathlib import Path

from fake_server import ApiError, FakeServer
from world import HOST, MODEL, POOL, SOURCE, SR, WEB, Case, fill, ref, uuid

EXPECTED = SOURCE / "tests" / "xe" / "plain-calls.txt"
COMMANDS = {name: spec for path in sorted((SOURCE / "xe" / "commands").glob("*.toml"))
            for name, spec in tomllib.loads(path.read_text()).items()}
MESSAGES = {path.stem: tomllib.loads(path.read_text()) for path in (SOURCE / "model" / "classes").glob("*.toml")}
CHOSEN = {"vm": "vm=web1", "host": "host=alpha", "sr": "sr=Local"}
READS = ("get_by_uuid", "get_uuid", "get_all", "get_all_records", "get_all_records_where", "get_record", "get_servertime",
         "get_this_host", "get_default_SR", "login_with_password", "slave_local_login_with_password", "logout",
         "local_logout", "from", "get", "get_untagged_PIF")
TEXT = "line 1\nline 2\n"


def named():
    """The uuid of every object that lines may name."""
    found = {"POOL": POOL, "HOST": HOST, "WEB": WEB, "LOCAL": SR}
    for n, cls in enumerate(sorted(c for c, fields in MODEL.classes.items() if "uuid" in fields)):
        found[cls] = uuid(f"0f{n:02x}", 1)
        found[cls + "2"] = uuid(f"0f{n:02x}", 2)
    return found


NAMED = named()


class Answers(dict):
    """Answers of the server to everything that is no read: a value of the result's type. Notes the calls."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __contains__(self, method):
        return method.split(".")[-1] not in READS and not method.startswith("Async.") and method != "task.destroy"

    def __getitem__(self, method):
        return lambda *params: self.note(method, params)

    def note(self, method, params):
        self.seen.append([method, *params])
        cls, message = method.split(".")
        spec = next(({"result": s.get("result", "")} for s in COMMANDS.values() if s["call"] == method and "signature" in s),
                    MESSAGES.get(cls, {}).get("messages", {}).get(message, {}))
        kind = f"{cls} ref" if message == "create" else spec.get("result", "")
        return sample(kind)


def sample(kind):
    if kind.endswith(" ref"):
        return ref(NAMED[kind[:-4]])
    if kind.endswith(" ref set"):
        return [ref(NAMED[kind[:-8]]), ref(NAMED[kind[:-8] + "2"])]
    if kind.endswith("map"):
        return {"key": "value", "other": "thing"}
    if kind.endswith("set"):
        return ["one", "two"]
    return {"int": "7", "bool": True, "float": 1.5}.get(kind, "answer")


def hide(text, names):
    for name, found in names.items():
        text = text.replace(found, f"<{name}>")
    return text


class Plain(Case):
    def run_line(self, line, folder):
        """The calls and the output of one command line."""
        self.server.answers, self.server.calls = Answers(), []
        show = {"{file}": folder + "/file"}
        words = shlex.split(line)
        for name, value in {**{f"<{n}>": u for n, u in NAMED.items()}, **show}.items():
            words = [w.replace(name, value) for w in words]
        out, err = self.xe(*words)
        self.assertEqual(err, "", line)
        seen = [["Async." + c[0] if "Async." + c[0] in self.server.calls else c[0], *c[1:]] for c in self.server.answers.seen]
        calls = hide(json.dumps(seen), {n: ref(u) for n, u in NAMED.items()})
        return f"{line}\t{calls}\t{json.dumps(hide(out, NAMED))}"

    def prepare(self):
        for name, found in NAMED.items():
            cls = name.removesuffix("2")
            if cls in self.server.tables and ref(found) not in self.server.tables[cls]:
                self.server.add(cls, uuid=found)
        self.server.tables["VLAN"][ref(NAMED["VLAN"])]["untagged_PIF"] = ref(NAMED["PIF"])

    def test_every_command_makes_the_calls_written_down(self):
        self.prepare()
        lines = EXPECTED.read_text().splitlines()
        self.assertEqual({line.split()[0] for line in lines} ^ set(COMMANDS), set(), "not in the file, or too much")
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "file").write_text(TEXT)
            for line in lines:
                with self.subTest(line.split()[0]):
                    self.assertEqual(self.run_line(line.split("\t")[0], folder), line)


class Refusals(Case):
    def test_words_that_the_type_does_not_have_are_refused_with_those_it_has(self):
        self.fails("Error: 'sideways' is no value for mode; it is one of None, DHCP, Static\n", "pif-reconfigure-ip",
                   "uuid=" + self.server.add("PIF", uuid=uuid("00f1")).removeprefix("OpaqueRef:"), "mode=sideways")

    def test_words_are_known_in_any_case_and_with_either_dash(self):
        self.xe("vm-group-create", "name-label=g", "placement=Anti-Affinity")
        self.assertEqual([g["placement"] for g in self.server.tables["VM_group"].values()], ["anti_affinity"])

    def test_numbers_sizes_and_truth_values_are_read_strictly(self):
        self.fails("Error: 'many' is not a number for new-vcpus\n", "vm-vcpu-hotplug", "vm=web1", "new-vcpus=many")
        self.fails("Error: '-1' is not a size for memory\n", "vm-memory-set", "vm=web1", "memory=-1")
        self.fails("Error: '1.5x' is not a number for multiplier\n", "vm-memory-shadow-multiplier-set", "vm=web1",
                   "multiplier=1.5x")
        self.fails("Error: 'perhaps' is not a truth value for value\n", "pool-set-update-sync-enabled", "value=perhaps")

    def test_files_that_are_missing_or_no_texts_are_refused(self):
        self.fails("Error: Cannot read /nonexistent/x\n", "pool-crl-install", "filename=/nonexistent/x")
        self.fails("Error: Cannot read /\n", "vm-call-plugin", "vm-uuid=" + WEB, "plugin=p", "fn=f", "args:a:file=/")
        with tempfile.NamedTemporaryFile() as file:
            file.write(b"a\0b")
            file.flush()
            self.fails(f"Error: {file.name} is not a text\n", "pool-crl-install", "filename=" + file.name)

    def test_what_must_be_forced_is_not_done_without(self):
        made = self.server.add("VTPM", uuid=uuid("00f2"))
        _, err = self.xe("vtpm-destroy", "uuid=" + uuid("00f2"), code=1)
        self.assertIn("Use --force", err)
        self.assertIn(made, self.server.tables["VTPM"])

    def test_what_the_server_lacks_is_passed_on(self):
        def refuse(*args):
            raise ApiError("NOT_IMPLEMENTED", "host.dmesg")

        self.server.answers["host.dmesg"] = refuse
        _, err = self.xe("host-dmesg", code=1)
        self.assertIn("host.dmesg", err)

    def test_several_objects_give_a_line_each(self):
        self.server.add("host", uuid=uuid("00f3"), name_label="beta")
        self.server.answers["host.compute_free_memory"] = lambda host: "1" if host == ref(HOST) else "2"
        self.prints("2\n1\n", "host-compute-free-memory", "--multiple")
        self.prints("2,1\n", "host-compute-free-memory", "--multiple", "--minimal")


# ---- recording ----

def kinds_of(spec):
    cls, message = spec["call"].split(".")
    if "record" in spec:
        return [MESSAGES[cls]["fields"][f]["type"] for f in spec["record"]]
    if "signature" in spec:
        return spec["signature"]
    known = MESSAGES[cls].get("messages", {}).get(message)
    return [p["type"] for p in known.get("params", {}).values()] if known else [f"{cls} ref"]


def argument(item, kind, n):
    """A word that gives this item, the n-th, a value that no other has, or "" when none can."""
    reader, _, rest = item.partition(" ")
    name = (rest or item).split("=")[0]
    if name in ("username", "password"):  # xe takes these for the login
        return ""
    if not rest:
        reader = ""
    if name in ("@", "") or reader == "keys":
        return f"{rest.split(',')[0]}=v" if reader == "keys" else ""
    if name.endswith(":"):
        return f"{name}k=v {name}f:file={{file}}" if reader == "files" else f"{name}k=v"
    if reader in ("file", "basename"):
        return f"{name}={{file}}"
    if kind.endswith(" ref"):
        return f"{name}=<{kind[:-4]}{'2' if name == 'vdi-to-uuid' else ''}>"
    if kind.endswith(" ref set"):
        return f"{name}=<{kind[:-8]}>,<{kind[:-8]}2>"
    if kind.startswith("enum"):
        word = kind.split()[1]
        return f"{name}={next(iter(next(c['enums'][word] for c in MESSAGES.values() if word in c.get('enums', {}))))}"
    if reader == "size":
        return f"{name}={n + 1}MiB"
    return f"{name}=" + {"int": str(n + 3), "bool": "true", "float": f"{n}.5", "string set": "a,b"}.get(kind, f"'the {name}'")


def lines_for(name, spec):
    """The command with all its arguments, and with only those it must have where that is less."""
    items = list(spec["record"].values()) if "record" in spec else spec.get("args", [])
    start = [name] + ([CHOSEN[spec["on"]]] if "on" in spec else []) + (["--force"] if "must_force" in spec else [])
    pairs = list(zip(items, kinds_of(spec)))
    few = [(i, k) for i, k in pairs if "=" not in i and not i.endswith(":") and not i.startswith("keys ")]
    lines = []
    for chosen in (pairs, few) if len(few) < len(pairs) else (pairs,):
        words = dict.fromkeys(w for w in (argument(i, k, n) for n, (i, k) in enumerate(chosen)) if w)
        words = {w.split("=")[0] if not w.split("=")[0].count(":") else w: w for w in reversed(list(words))}
        lines.append(" ".join([*start, *reversed(words.values())]))
    if "forced" in spec:
        lines.append(lines[0] + " --force")
    return lines


def record():
    case = Plain()
    case.server = FakeServer(MODEL)
    fill(case.server)
    case.prepare()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "file").write_text(TEXT)
        text = "".join(case.run_line(line, folder) + "\n" for name in sorted(COMMANDS) for line in lines_for(name, COMMANDS[name]))
    EXPECTED.write_text(text)


if __name__ == "__main__":
    if "--record" in sys.argv:
        record()
    else:
        unittest.main()
