#!/usr/bin/env bash
# The release files as a newcomer meets them: packed from a finished program, installed in a system that has nothing but Debian's
# smallest set, without a network; the tutorial typed there, the units' commands run as the units run them, an upgrade, a removal.
#
#   tests/dist/run.sh PROGRAM [SUITE]          (make dist-test)     SUITE: bookworm, or what the program was linked for
#
# Installs nothing here. Where no such system can be made it says `skipped`, why, and ends with 0; MJOLNIR_CONTAINERS=must makes that an
# error. Whatever it made is gone afterwards, but for the base (see tests/compose/engine.sh).
set -euo pipefail

PROGRAM=$(readlink -f "${1:?usage: tests/dist/run.sh PROGRAM [SUITE]}")
SUITE=${2:-bookworm}
REPO=$(cd "$(dirname "$0")/../.." && pwd)
TEMP=$(mktemp -d "${TMPDIR:-/tmp}/mjolnir-dist.XXXXXX")
ROOT=$TEMP/root
OUT=$TEMP/out

say() { printf '%4ds  %s\n' "$SECONDS" "$*"; }
fail() { printf '%4ds  FAILED: %s\n' "$SECONDS" "$*" >&2; exit 1; }
skip() {
    [ "${MJOLNIR_CONTAINERS:-may}" != must ] || fail "the release files cannot be tested: $*"
    say "skipped: $*"
    exit 0
}
trap 'rm -rf --one-file-system "$TEMP"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# shellcheck source=tests/compose/engine.sh
. "$REPO/tests/compose/engine.sh"

find_tools() {
    [ -x "$PROGRAM" ] || fail "$PROGRAM is not a program: make build"
    [ "$(uname -sm)" = "Linux x86_64" ] || skip "the packages are for Linux on x86-64"
    [ "$(id -u)" = 0 ] || skip "only root can make a system to install in"
    local tool
    for tool in debootstrap unshare chroot ip dpkg-deb; do
        command -v "$tool" > /dev/null || skip "$tool is missing"
    done
    unshare --mount --pid --fork --net --ipc --uts true 2> /dev/null || skip "this machine makes no namespaces"
}

files_of_the_repo() { (cd "$REPO" && if [ -e .git ]; then git ls-files -zco --exclude-standard; else find . -path ./target -prune -o -type f -print0; fi); }

packed_twice_it_is_the_same() {
    say "step: packing, here and in another folder with another umask, time zone and language"
    SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$REPO" log -1 --format=%ct)}
    export SOURCE_DATE_EPOCH
    "$REPO/ops/dist/pack.sh" "$PROGRAM" "$OUT"
    mkdir -p "$TEMP/a/longer name" "$TEMP/again"
    files_of_the_repo | (cd "$REPO" && xargs -0 cp --parents -t "$TEMP/a/longer name")
    (umask 077 && TZ=Asia/Tokyo LC_ALL=C.UTF-8 TMPDIR="$TEMP/again" "$TEMP/a/longer name/ops/dist/pack.sh" "$PROGRAM" "$TEMP/again/out" > /dev/null)
    diff -r "$OUT" "$TEMP/again/out" || fail "packing again gives other bytes"
    rm -rf "$TEMP/a" "$TEMP/again"
    (cd "$OUT" && sha256sum --quiet -c SHA256SUMS) || fail "SHA256SUMS is wrong"
}

too_new_is_refused() {
    ! "$REPO/ops/dist/pack.sh" "$PROGRAM" "$TEMP/refused" 2.4 > /dev/null 2> "$TEMP/said" || fail "a program that wants a newer glibc was packed"
    grep -q 'wants glibc 2\.' "$TEMP/said" || fail "why it was not packed: $(cat "$TEMP/said")"
}

# By the schema of those who made the format, and against cargo's own list.
parts_are_listed() {
    local bom
    bom=$(echo "$OUT"/*.cdx.json)
    if [ -z "${MJOLNIR_PYTHON:-}" ] || ! "$MJOLNIR_PYTHON" -c 'import cyclonedx, jsonschema' 2> /dev/null; then
        [ -z "${CI:-}" ] || fail "the list of parts cannot be checked: cyclonedx-python-lib is missing in MJOLNIR_PYTHON"
        say "skipped: MJOLNIR_PYTHON has no cyclonedx-python-lib[json-validation] to check the list of parts with"
        return 0
    fi
    "$MJOLNIR_PYTHON" "$REPO/tests/dist/parts.py" "$bom" "$REPO/Cargo.lock" || fail "the list of parts"
}

# The blocks of a document, in order: those that are run, or those that a comment marks with these words.
blocks() { # FILE [WORDS]
    awk -v words="${2:-}" '
        /^<!-- not run: / {mark = $0; sub("<!-- not run: ", "", mark); sub(" -->$", "", mark); next}
        /^```sh$/ {inside = 1; next}
        /^```$/ && inside {inside = 0; mark = ""; next}
        inside && mark == words {print; next}
        !inside && /^```/ {mark = ""}' "$REPO/$1"
}

make_system() {
    say "step: Debian's smallest set, $SUITE"
    local kept="$CACHE/base-$SUITE.tar"
    [ -s "$kept" ] || make_base "$kept" "$SUITE"
    mkdir -p "$ROOT"
    tar -xf "$kept" -C "$ROOT"
    mkdir -p "$ROOT/release" "$ROOT/test"
    cp "$OUT"/* "$ROOT/release/"
    blocks docs/TUTORIAL.md > "$ROOT/test/tutorial.sh"
    blocks docs/TUTORIAL.md "it installs" | sed 's/sudo //g' > "$ROOT/test/install.sh"
    blocks ops/README.md "it installs" | sed 's/sudo //g' > "$ROOT/test/services.sh"
    local one
    for one in tutorial install services; do
        [ -s "$ROOT/test/$one.sh" ] || fail "no block for $one.sh in the documents"
    done
    cp "$REPO/tests/dist/inside.sh" "$ROOT/test/"
    newer_package
}

# The same package with a later version.
newer_package() {
    dpkg-deb -R "$OUT"/*.deb "$TEMP/newer"
    sed -i 's/^Version: .*/Version: 999.0/' "$TEMP/newer/DEBIAN/control"
    dpkg-deb --root-owner-group -Zgzip -z1 --build "$TEMP/newer" "$ROOT/test/newer.deb" > /dev/null
    rm -rf "$TEMP/newer"
}

inside() {
    say "step: inside, without a network"
    # shellcheck disable=SC2016
    unshare --mount --pid --fork --kill-child --net --ipc --uts bash -c '
        ip link set lo up
        mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" && mount -t tmpfs tmpfs "$1/run"
        hostname newcomer
        exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C chroot "$1" /bin/bash /test/inside.sh' bash "$ROOT" ||
        fail "inside: see above"
}

find_tools
packed_twice_it_is_the_same
too_new_is_refused
parts_are_listed
make_system
inside
say "passed"
