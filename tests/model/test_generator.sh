#!/bin/sh
# The generator is deterministic, and refuses bad data with the file and the key named.
# shellcheck disable=SC2016 # the dollars are sed's
set -u
source=${srcdir:-.}/model
python=${PYTHON:-python3}
dir=$(mktemp -d) || exit 99
trap 'rm -rf "$dir"' EXIT
failures=0

fail() {
    echo "FAIL: $*"
    failures=$((failures + 1))
}

# A fresh copy of the data, writable also where the sources are not.
fresh() {
    rm -rf "$dir/data"
    mkdir -p "$dir/data/classes"
    cp "$source"/classes/*.toml "$dir/data/classes/"
    cp "$source/errors.toml" "$source/gaps.txt" "$dir/data/"
    chmod -R u+w "$dir/data"
}

generate() {
    "$python" -B "$source/generate.py" --source "$dir/data" --output "$dir/$1" 2>"$dir/stderr"
}

# refuses FILE SED-SCRIPT TEXT...: after the edit the generator fails, naming the file and each text.
refuses() {
    file=$1 script=$2
    shift 2
    fresh
    sed -i "$script" "$dir/data/$file"
    if cmp -s "$dir/data/$file" "$source/$file"; then
        fail "$script changes nothing in $file"
        return
    fi
    if generate out; then
        fail "$script in $file was accepted"
        return
    fi
    for text in "$file" "$@"; do
        grep -qF -- "$text" "$dir/stderr" || fail "$script: no '$text' in: $(cat "$dir/stderr")"
    done
    if grep -q Traceback "$dir/stderr"; then
        fail "$script: a traceback"
    fi
}

fresh
generate one || fail "the real data: $(cat "$dir/stderr")"
generate two || fail "the real data, again"
diff -r "$dir/one" "$dir/two" || fail "two runs differ"

refuses classes/VM.toml 's/^type = "VDI ref"$/type = "VDO ref"/' fields.suspend_VDI "no class 'VDO'"
refuses classes/VM.toml 's/^type = "enum vm_power_state"$/type = "enum nothing"/' fields.power_state "no enum 'nothing'"
refuses classes/VM.toml 's/^type = "bool"$/type = "boolean"/' "'boolean' is not a type"
refuses classes/VM.toml 's/^type = "(string -> string) map"$/type = "(string) map"/' "'key -> value'"
refuses classes/VM.toml 's/^derived = "VIF.VM"$/derived = "VIF.VN"/' fields.VIFs "no stored field 'VIF.VN'"
refuses classes/VM.toml 's/^derived = "VIF.VM"$/derived = "VIF.network"/' fields.VIFs "does not refer to a VM"
refuses classes/VM.toml 's/^derived = "VIF.VM"$/derived = "VBD.VM"/' fields.VIFs "gives a set of VBD"
refuses classes/VM.toml 's/^default = "Halted"$/default = "Asleep"/' fields.power_state.default "'Asleep'"
refuses classes/VM.toml 's/^default = false$/default = 0/' .default "not of type bool"
refuses classes/VM.toml 's/^access = "rw"$/access = "write"/' .access "'write'"
refuses classes/VM.toml 's/^role = "vm-operator"$/role = "operator"/' "'operator' is no role"
refuses classes/VM.toml 's/^\[fields.power_state\]$/[fields.name_label]/' name_label
refuses classes/VM.toml 's/^\[messages.start\(.*\)\]$/[messages.get_uuid\1]/' messages "get_uuid"
refuses classes/VM.toml 's/^name = "VM"$/name = "WM"/' "must be 'VM'"
refuses classes/VM.toml 's/^Halted = ".*"$/Halted = ""/' enums.vm_power_state.Halted "empty"
refuses classes/VM.toml '2s/^doc = .*/doc = " "/' "'doc' is empty"
refuses classes/VM.toml '2d' "'doc' is missing"
refuses classes/VM.toml 's/^persistent = false$/persistant = false/' "'persistant' is not known"
refuses classes/VM.toml 's/"VM_BAD_POWER_STATE"/"VM_BAD_MOOD"/' "no error 'VM_BAD_MOOD'"
refuses classes/VM.toml 's/^\[fields.uuid\]$/[fields.uuid/' classes/VM.toml
refuses classes/VM.toml '2s/^doc = .*/doc = 3/' "'doc' must be text"
refuses classes/VM.toml 's/^\[messages.unpause\(.*\)\]$/[messages."un pause"\1]/' "'un pause' cannot be a name"
refuses classes/VM.toml 's/^default = "OpaqueRef:NULL"$/default = "NULL"/' "not of type"
refuses classes/VBD.toml 's/^write_role = .*//' "write_role is missing"
refuses classes/VTPM.toml 's/^\[enums.vtpm_operations\]$/[enums.vm_operations]/' "enums.vm_operations" "defines it already"
refuses errors.toml '0,/^doc = .*/s///' "'doc' is missing"
refuses gaps.txt '$aVM.fly  no wings' "'VM.fly'"
refuses gaps.txt '$aVM.get_uuid  not written' "'VM.get_uuid'"

[ "$failures" -eq 0 ]
