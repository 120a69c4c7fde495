#!/usr/bin/env python3
"""scripts/lint finds each thing it is there to find, and nothing in a clean tree."""

import os
import shutil
import subprocess
import sys
import tempfile

SOURCE = os.environ.get("srcdir") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
LINT = os.path.abspath(os.path.join(SOURCE, "scripts", "lint"))
LAYOUT = os.path.abspath(os.path.join(SOURCE, ".clang-format"))

CLEAN = {
    "lib/a.h": "#ifndef A\n#define A\nint a(void);\nint co_a(void (*co_fn)(void));\n#endif\n",
    "lib/a.c": '#include "lib/a.h"\n\n/* a comment that calls co_x() */\nint a(void)\n{\n    return 0;\n}\n\n'
               "int co_a(void (*co_fn)(void))\n{\n    co_fn();\n    return a();\n}\n",
    "xapid/b.c": '#include "lib/a.h"\n\nint b(void)\n{\n    return a() + (int)sizeof "co_x()";\n}\n',
    "tool.sh": "#!/bin/sh\necho hello\n",
}

# What is put over the clean tree, and the one finding that must come of it.
DIRTY = [
    ({"lib/c.c": "int  c;\n"}, "lib/c.c:1: the layout"),
    ({"lib/c.c": '#include "xapid/b.h"\n'}, "lib/c.c:1: lib/ must not include from xapid/"),
    ({"xapid/c.c": '#include <errno.h>\n#include "tests/x.h"\n'}, "xapid/c.c:2: code must not include from tests/"),
    ({"lib/c.c": '#include "a.h"\n'}, 'lib/c.c:1: includes "a.h"'),
    ({"lib/c.h": "int c(size_t n);\n"}, "lib/c.h:1: does not compile alone"),
    ({"lib/c.h": "int c(size_t n);\n", "lib/c.c": '#include <stddef.h>\n\n#include "lib/c.h"\n'},
     "lib/c.h:1: does not compile alone"),
    ({"lib/c.c": "int c(void)\n{\n" + "    c();\n" * 98 + "}\n"}, "lib/c.c:1: c has 101 lines"),
    ({"lib/c.c": "int c;\n" * 801}, "lib/c.c:800: 801 lines"),
    ({"lib/c.c": "int c(void)\n{\n\n    return 1 + co_a(0);\n}\n"}, "lib/c.c:4: c calls co_a"),
    ({"lib/c.c": "int c(struct o *o)\n{\n    return o->co_start();\n}\n"}, "lib/c.c:3: c calls co_start"),
    ({"lib/c.c": "__attribute__((cold)) static int\nc(int (*f)(void), char *x) __attribute__((used))\n{\n"
                 "    if (f())\n        co_a();\n}\n"}, "lib/c.c:5: c calls co_a"),
    ({"tests/c.c": "START_TEST(some_case)\n{\n    ck_assert(co_a() == 0);\n}\nEND_TEST\n"},
     "tests/c.c:3: some_case calls co_a"),
    ({"bad": "#!/bin/bash\necho $1\n"}, "bad:2: "),
]


def lint(files):
    with tempfile.TemporaryDirectory() as folder:
        for path, text in files.items():
            os.makedirs(os.path.join(folder, os.path.dirname(path)), exist_ok=True)
            with open(os.path.join(folder, path), "w", encoding="utf-8") as f:
                f.write(text)
        shutil.copy(LAYOUT, folder)
        env = dict(os.environ, GIT_CONFIG_GLOBAL="/dev/null", GIT_CEILING_DIRECTORIES=os.path.dirname(folder))
        for command in (["git", "init", "-q"], ["git", "add", "-A"]):
            subprocess.run(command, cwd=folder, env=env, check=True)
        run = subprocess.run([sys.executable, LINT, "--srcdir", folder], env=env, stdout=subprocess.PIPE, text=True)
        return run.returncode, run.stdout


def needs_missing():
    return [tool for tool in ("git", "clang-format", "shellcheck") if not shutil.which(tool)]


def main():
    if "XAPID_SANITIZED" in os.environ:
        print("skipped: no C runs here; the ordinary build tries it")
        return 77
    if missing := needs_missing():
        print("skipped: not installed:", " ".join(missing))
        return 77
    failed = 0
    code, out = lint(CLEAN)
    if code != 0 or out:
        print(f"a clean tree: exit code {code}, {out!r}")
        failed += 1
    for extra, expected in DIRTY:
        code, out = lint({**CLEAN, **extra})
        lines = [line for line in out.splitlines() if "layout" not in line or "layout" in expected]
        if code != 1 or len(lines) != 1 or not lines[0].startswith(expected):
            print(f"expected {expected!r}: exit code {code}, {out!r}")
            failed += 1
    print(f"{len(DIRTY) + 1} trees, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
