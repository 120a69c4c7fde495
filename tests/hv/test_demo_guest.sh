#!/bin/bash
# scripts/demo-guest builds the same bytes each time, does nothing when nothing changed, and mends what is broken.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
guest=$XAPID_SRC/scripts/demo-guest

if ! "$guest" "$dir/one" 2>"$dir/err"; then
    echo "skipped: the demo guest cannot be built here: $(tail -n 1 "$dir/err")"
    exit 77
fi
"$guest" "$dir/two"
cmp "$dir/one/initramfs" "$dir/two/initramfs"
cmp "$dir/one/kernel" "$dir/two/kernel"
grep -q console=ttyS0 "$dir/one/cmdline"

before=$(stat -c %i "$dir/one/initramfs")
"$guest" "$dir/one"
[ "$(stat -c %i "$dir/one/initramfs")" = "$before" ]

rm "$dir/one/initramfs"
"$guest" "$dir/one"
cmp "$dir/one/initramfs" "$dir/two/initramfs"

# Two at once for one folder leave a whole one, and nothing besides.
rm -r "$dir/two"
"$guest" "$dir/two" &
"$guest" "$dir/two"
wait $!
cmp "$dir/one/initramfs" "$dir/two/initramfs"
[ "$(ls "$dir/two")" = $'cmdline\ninitramfs\nkernel' ]
! compgen -G "$dir/two/.build.*"
