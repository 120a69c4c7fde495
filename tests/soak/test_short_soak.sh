#!/bin/sh
# The soak in short: what grows with every start shows within a hundred.
exec "${PYTHON:-python3}" "${XAPID_SRC:-.}/tests/soak/soak.py" --sim 200 --qemu 0 --no-backup
