#!/usr/bin/env bash
# The reference's own check of names, argument counts, records and listed methods, where it is at hand.
set -eu
tool=${XAPID_CONFORMANCE:-$XAPID_SRC/../shared/tools/conformance}
[ -x "$tool" ] || tool=$(dirname "$(git -C "$XAPID_SRC" rev-parse --path-format=absolute --git-common-dir 2>/dev/null || echo /)")/../shared/tools/conformance
if [ ! -f "$tool" ] || [ ! -x "$XAPID_BUILD/xapid/xapid" ]; then
  echo "the conformance tool or xapid is not here"
  exit 77
fi
PYTHONPATH=$XAPID_SRC/tests/xapid exec "$PYTHON" - "$tool" <<'PY'
import subprocess, sys
from daemon import ADDRESS, PASSWORD, Daemon
with Daemon() as d:
    sys.exit(subprocess.run([sys.executable, "-B", sys.argv[1], f"https://{ADDRESS}:{d.port}", "--password", PASSWORD]).returncode)
PY
