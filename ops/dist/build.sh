#!/usr/bin/env bash
# The program of a release: for x86-64 and glibc 2.31 (Debian 11, Ubuntu 20.04) or newer, the same bytes from any folder.
#
#   ops/dist/build.sh          prints the path of the program, last; compiler and linker say what they say on stderr
#
# An older glibc is linked with zig, which PyPI has as a wheel, in an environment of its own. Folders are renamed in messages of the
# program, and the time of the build is that of the commit.
set -euo pipefail
cd "$(dirname "$0")/../.."
GLIBC=2.31
TARGET=x86_64-unknown-linux-gnu
tools=(cargo-zigbuild==0.24.1 ziglang==0.17.1)
# What cargo itself would take from this machine is not for a release.
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_RUSTFLAGS

env=${MJOLNIR_ZIG:-$HOME/.cache/mjolnir/zig-0.17.1}
if [ ! -e "$env/.complete" ]; then
    echo "installing: ${tools[*]}" >&2
    python3 -m venv --clear "$env" >&2
    "$env/bin/python" -m pip install --quiet --disable-pip-version-check --retries 5 "${tools[@]}" >&2
    touch "$env/.complete"
fi

folder=$PWD
target=$(readlink -m "${CARGO_TARGET_DIR:-target}")
home=$(readlink -m "${CARGO_HOME:-$HOME/.cargo}")
commit=$(rustc -vV | sed -n 's/^commit-hash: //p')
sysroot=$(rustc --print sysroot)
# The last one that fits counts.
renamed=("$home=/cargo" "$sysroot/lib/rustlib/src/rust=/rustc/$commit" "$folder=/mjolnir" "$target=/mjolnir/target")
flags=() c_flags=()
for one in "${renamed[@]}"; do
    flags+=("--remap-path-prefix=$one")
    c_flags+=("$(printf '%q' "-ffile-prefix-map=$one")")
done
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
CARGO_ENCODED_RUSTFLAGS=$(IFS=$'\x1f'; echo "${flags[*]}")
export SOURCE_DATE_EPOCH CARGO_ENCODED_RUSTFLAGS CARGO_INCREMENTAL=0
# A folder may have a blank in its name.
export CC_SHELL_ESCAPED_FLAGS=1 CFLAGS_x86_64_unknown_linux_gnu="${c_flags[*]}"
PATH="$env/bin:$PATH" cargo-zigbuild zigbuild --release --locked --bin runner --target "$TARGET.$GLIBC" ${TIMINGS:+--timings} >&2
echo "$target/$TARGET/release/runner"
