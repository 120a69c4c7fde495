#!/usr/bin/env python3
"""Make the generated C files (or, with --pages, the browsable reference) from the data files in this folder."""

import argparse
import sys
from pathlib import Path

from generator import headers
from generator.check import BadModel
from generator.load import load_model
from generator.tables import Tables


def write_if_changed(path, text):
    """Write text to path unless it is there already, so that an unchanged header causes no rebuild."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = text.encode("utf-8")
    if not path.exists() or path.read_bytes() != data:
        path.write_bytes(data)


def c_files(model):
    for make in (
        headers.ids,
        headers.row_structs,
        headers.args,
        headers.errors,
        headers.setters,
        headers.handlers,
    ):
        header = make(model)
        yield header.path, header.text()
    yield "model/tables.gen.c", Tables(model).text()
    yield "xapid/handlers.gen.c", headers.handler_table(model)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--source", type=Path, default=Path(__file__).parent, help="the folder of the data files"
    )
    parser.add_argument("--output", type=Path, required=True, help="the top of the build tree")
    parser.add_argument("--pages", action="store_true", help="write OUTPUT/doc/api instead of C")
    options = parser.parse_args()
    try:
        model = load_model(options.source)
    except BadModel as problem:
        sys.exit(f"generate.py: {problem}")
    if options.pages:
        from generator.pages import pages as files
    else:
        files = c_files
    for path, text in files(model):
        write_if_changed(options.output / path, text)


if __name__ == "__main__":
    main()
