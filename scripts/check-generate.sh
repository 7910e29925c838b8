#!/usr/bin/env bash
# Generates bpf/ once more, in a directory aside, and compares: what is committed
# must be what the sources give.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

# Inside the module, so that go finds the pinned generator.
mkdir -p bin
aside=$(mktemp -d "$PWD/bin/generate.XXXXXX")
trap 'rm -rf "$aside"' EXIT
cp bpf/*.c bpf/*.h bpf/generate.go "$aside"
(cd "$aside" && "${GO:-go}" generate .)

status=0
for file in "$aside"/*_bpf*.go "$aside"/*_bpf*.o; do
	if ! cmp -s "$file" "bpf/$(basename "$file")"; then
		echo "bpf/$(basename "$file") is not what its sources give: run 'make generate'" >&2
		status=1
	fi
done
exit $status
