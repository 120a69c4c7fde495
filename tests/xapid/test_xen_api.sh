#!/usr/bin/env bash
# The npm client xen-api, as Xen Orchestra uses it, over JSON-RPC and XML-RPC.
set -eu
here=$XAPID_SRC/tests/clients/xen-api
if [ ! -x "$XAPID_BUILD/xapid/xapid" ] || ! command -v npm >/dev/null || ! command -v node >/dev/null; then
  echo "xapid, npm or node is not here"
  exit 77
fi
# Installed in the build tree, once for each lock file.
client=$XAPID_BUILD/tests/clients/xen-api.run
mkdir -p "$client"
exec 9>"$client/lock"
flock 9
cp "$here/package.json" "$here/package-lock.json" "$here/client.mjs" "$client/"
if ! cmp -s "$here/package-lock.json" "$client/installed"; then
  if ! (cd "$client" && npm ci --ignore-scripts --no-audit --no-fund) >"$client/npm.log" 2>&1; then
    tail -n 5 "$client/npm.log"
    echo "npm could not install the client"
    exit 77
  fi
  cp "$here/package-lock.json" "$client/installed"
fi
flock -u 9
PYTHONPATH=$XAPID_SRC/tests/xapid exec "$PYTHON" -B - "$client/client.mjs" <<'PY'
import os, subprocess, sys
from daemon import ADDRESS, PASSWORD, Daemon
with Daemon() as d:
    env = {**os.environ, "XAPI_URL": f"https://{ADDRESS}:{d.port}", "XAPI_USER": "root", "XAPI_PASSWORD": PASSWORD}
    sys.exit(subprocess.run(["node", sys.argv[1]], env=env).returncode)
PY
