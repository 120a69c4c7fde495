EXTRA_DIST += scripts/lint scripts/gdb/fibers.py
