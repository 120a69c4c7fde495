#!/usr/bin/env python3
"""The generator is deterministic, and refuses bad data with the file and the key named."""

import filecmp
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

if "XAPID_SANITIZED" in os.environ:
    print("skipped: no C runs here; the ordinary build tries it")
    sys.exit(77)

SOURCE = Path(os.environ.get("XAPID_SRC") or Path(__file__).parents[2]) / "model"
sys.dont_write_bytecode = True
sys.path.insert(0, str(SOURCE))
from generator import load  # noqa: E402
from generator.check import BadModel  # noqa: E402

VM, VBD, VTPM = "classes/VM.toml", "classes/VBD.toml", "classes/VTPM.toml"

# File, pattern of what is replaced, by what, and what the refusal says besides the file's name. All that fits is replaced.
REFUSED = [
    (VM, r'^type = "VDI ref"$', 'type = "VDO ref"', "fields.suspend_VDI", "no class 'VDO'"),
    (VM, r'^type = "enum vm_power_state"$', 'type = "enum nothing"', "fields.power_state", "no enum 'nothing'"),
    (VM, r'^type = "bool"$', 'type = "boolean"', "'boolean' is not a type"),
    (VM, r'^type = "\(string -> string\) map"$', 'type = "(string) map"', "'key -> value'"),
    (VM, r'^derived = "VIF\.VM"$', 'derived = "VIF.VN"', "fields.VIFs", "no stored field 'VIF.VN'"),
    (VM, r'^derived = "VIF\.VM"$', 'derived = "VIF.network"', "fields.VIFs", "does not refer to a VM"),
    (VM, r'^derived = "VIF\.VM"$', 'derived = "VBD.VM"', "fields.VIFs", "gives a set of VBD"),
    (VM, r'^default = "Halted"$', 'default = "Asleep"', "fields.power_state.default", "'Asleep'"),
    (VM, r'^default = false$', 'default = 0', ".default", "not of type bool"),
    (VM, r'^access = "rw"$', 'access = "write"', ".access", "'write'"),
    (VM, r'^role = "vm-operator"$', 'role = "operator"', "'operator' is no role"),
    (VM, r'^\[fields\.power_state\]$', '[fields.name_label]', "name_label"),
    (VM, r'^\[messages\.start(.*)\]$', r'[messages.get_uuid\1]', "messages", "get_uuid"),
    (VM, r'^name = "VM"$', 'name = "WM"', "must be 'VM'"),
    (VM, r'^Halted = ".*"$', 'Halted = ""', "enums.vm_power_state.Halted", "empty"),
    (VM, r'\A(.*\n)doc = .*', r'\1doc = " "', "'doc' is empty"),
    (VM, r'\A(.*\n)doc = .*\n', r'\1', "'doc' is missing"),
    (VM, r'^persistent = false$', 'persistant = false', "'persistant' is not known"),
    (VM, r'"VM_BAD_POWER_STATE"', '"VM_BAD_MOOD"', "no error 'VM_BAD_MOOD'"),
    (VM, r'^\[fields\.uuid\]$', '[fields.uuid', VM),
    (VM, r'\A(.*\n)doc = .*', r'\1doc = 3', "'doc' must be text"),
    (VM, r'^\[messages\.unpause(.*)\]$', r'[messages."un pause"\1]', "'un pause' cannot be a name"),
    (VM, r'^default = "OpaqueRef:NULL"$', 'default = "NULL"', "not of type"),
    (VBD, r'^write_role = .*', '', "write_role is missing"),
    (VTPM, r'^\[enums\.vtpm_operations\]$', '[enums.vm_operations]', "enums.vm_operations", "defines it already"),
    ("errors.toml", r'\A([\s\S]*?)^doc = .*', r'\1', "'doc' is missing"),
    ("gaps.txt", r'\Z', "VM.fly  no wings\n", "'VM.fly'"),
    ("gaps.txt", r'\Z', "VM.get_uuid  not written\n", "'VM.get_uuid'"),
]


def parse_once(known={}):
    """The loader's parser, for which the files that stay as they are need not be parsed for each case."""
    def parse(f):
        data = f.read()
        if data not in known:
            known[data] = tomllib.loads(data.decode())
        return known[data]

    return parse


def generate(data, output):
    """As the build does it; what it says when it fails."""
    done = subprocess.run([sys.executable, "-B", SOURCE / "generate.py", "--source", data, "--output", output],
                          stderr=subprocess.PIPE, text=True)
    assert (done.returncode == 0) == (done.stderr == ""), done
    return done.stderr


def same_files(one, two):
    """Which there are, when those of the folders are the same."""
    names = [sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()) for folder in (one, two)]
    assert names[0] == names[1], names
    assert filecmp.cmpfiles(one, two, names[0], shallow=False) == (names[0], [], []), names
    return names[0]


def refusal(data):
    try:
        load.load_model(data)
    except BadModel as problem:
        return str(problem)
    raise AssertionError("was accepted")


def check_refused(data, file, pattern, by, *texts):
    path = data / file
    good = path.read_text()
    bad = re.sub(pattern, by, good, flags=re.M)
    assert bad != good, "changes nothing"
    path.write_text(bad)
    said = refusal(data)
    for text in (file, *texts):
        assert text in said, f"no {text!r} in: {said}"
    path.write_text(good)


def main():
    with tempfile.TemporaryDirectory(prefix="xapid-generator-") as folder:
        folder = Path(folder)
        data = folder / "data"
        (data / "classes").mkdir(parents=True)
        for path in [*SOURCE.glob("classes/*.toml"), SOURCE / "errors.toml", SOURCE / "gaps.txt"]:
            shutil.copyfile(path, data / path.relative_to(SOURCE))
        for output in ("one", "two"):
            assert generate(data, folder / output) == ""
        assert "model/tables.gen.c" in same_files(folder / "one", folder / "two")

        load.tomllib.load = parse_once()
        for case in REFUSED:
            try:
                check_refused(data, *case)
            except AssertionError as problem:
                raise AssertionError(f"{case[1]} in {case[0]}: {problem}") from None
        load.load_model(data)  # all is as it was

        (data / VM).write_text("name = 3\n")
        said = generate(data, folder / "none")
        assert said.startswith("generate.py: ") and VM in said and said.count("\n") == 1, said
        assert not (folder / "none").exists()


if __name__ == "__main__":
    main()
