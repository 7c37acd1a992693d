#!/usr/bin/env bash
# Whether a release is the same bytes wherever it is built: HEAD is built and packed in two folders with names of other lengths.
#
#   ops/dist/twice.sh [DIR]         twice a cold build; 6 GB in DIR (a temporary folder, gone afterwards)
set -euo pipefail
cd "$(dirname "$0")/../.."
if [ -n "${1:-}" ]; then mkdir -p "$1"; dir=$(cd "$1" && pwd); else dir=$(mktemp -d) && trap 'rm -rf "$dir"' EXIT; fi
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
for folder in one "another folder/far/below"; do
    mkdir -p "$dir/$folder"
    git archive HEAD | tar -x -C "$dir/$folder"
    program=$(CARGO_TARGET_DIR=$dir/$folder/target "$dir/$folder/ops/dist/build.sh" | tail -n 1)
    "$dir/$folder/ops/dist/pack.sh" "$program" "$dir/$folder/target/dist" 2.31
done
if ! diff -r "$dir/one/target/dist" "$dir/another folder/far/below/target/dist"; then
    echo "dist-check: another folder gives other bytes" >&2
    exit 1
fi
echo "dist-check: two folders, the same bytes"
