#!/usr/bin/env bash
# Release files of a finished program: a tarball for /usr/local, a Debian package, the list of parts, and their sums.
#
#   ops/dist/pack.sh PROGRAM OUT [GLIBC]      refuses a program that wants a newer glibc than GLIBC
#
# Compiles nothing and fetches nothing; wants binutils, dpkg-deb, python3 and the crates of Cargo.lock. The same program and commit give
# the same bytes, in any folder: every time in them is that of the commit (or SOURCE_DATE_EPOCH).
set -euo pipefail
PROGRAM=$(readlink -f "${1:?usage: ops/dist/pack.sh PROGRAM OUT [GLIBC]}")
OUT=$(readlink -m "${2:?usage: ops/dist/pack.sh PROGRAM OUT [GLIBC]}")
GLIBC_MAX=${3:-}
cd "$(dirname "$0")/../.."
HERE=ops/dist
export LC_ALL=C TZ=UTC
umask 022

die() { echo "pack: $*" >&2; exit 1; }
for tool in objdump readelf strip dpkg-deb python3 cargo gzip; do
    command -v "$tool" > /dev/null || die "$tool is missing (Debian: binutils, dpkg-dev, python3; cargo from rustup)"
done
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2> /dev/null || true)}
[ -n "$SOURCE_DATE_EPOCH" ] || die "this is not a git clone, so that the time of the release is not known: set SOURCE_DATE_EPOCH"
export SOURCE_DATE_EPOCH
VERSION=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)
MAINTAINER="Mjolnir <mjolnir@example.invalid>"

TEMP=$(mktemp -d "${TMPDIR:-/tmp}/mjolnir-pack.XXXXXX")
trap 'rm -rf "$TEMP"' EXIT

# The newest version of glibc that a symbol of the program asks for.
glibc_of() { objdump -T "$1" | grep -oE 'GLIBC_[0-9]+(\.[0-9]+)+' | cut -d_ -f2 | sort -uV | tail -n 1; }
not_newer() { [ "$(printf '%s\n' "$1" "$2" | sort -V | tail -n 1)" = "$2" ]; }

GLIBC=$(glibc_of "$PROGRAM")
[ -n "$GLIBC" ] || die "$PROGRAM is not a program that uses glibc"
[ -z "$GLIBC_MAX" ] || not_newer "$GLIBC" "$GLIBC_MAX" || die "$PROGRAM wants glibc $GLIBC, and $GLIBC_MAX is what there is: ops/dist/build.sh builds for it"
case $(readelf -h "$PROGRAM" | awk '/Machine:/ {print $NF}') in X86-64) ;; *) die "$PROGRAM is not for x86-64" ;; esac

put() { install -D -m "${3:-644}" "$1" "$2"; }      # FROM TO [MODE]
say_into() { mkdir -p "$(dirname "$1")"; "$TEMP/runner" "${@:2}" > "$1"; }
zip_all() { find "$1" -type f -exec gzip -9n {} +; }

strip --strip-all --remove-section=.comment -o "$TEMP/runner" "$PROGRAM"
chmod 755 "$TEMP/runner"

# What both have, below a prefix: the program, its manual, completions, documents, licences.
lay_out() { # PREFIX
    put "$TEMP/runner" "$1/bin/runner" 755
    say_into "$1/share/man/man1/runner.1" man
    local verb
    for verb in $("$TEMP/runner" --help | awk '/^Commands:/ {on = 1; next} on && /^$/ {exit} on && /^  [a-z]/ && $1 != "help" {print $1}'); do
        say_into "$1/share/man/man1/runner-$verb.1" man "$verb"
    done
    say_into "$1/share/bash-completion/completions/runner" completions bash
    say_into "$1/share/fish/vendor_completions.d/runner.fish" completions fish
    local doc
    for doc in *.md docs/*.md docs/*/*.png ops/README.md ops/export_model.py; do put "$doc" "$1/share/doc/mjolnir/$doc"; done
    put "$TEMP/licences.txt" "$1/share/doc/mjolnir/licences.txt"
    put "$TEMP/sbom" "$1/share/doc/mjolnir/mjolnir.cdx.json"
}

tarball() {
    local name=mjolnir-$VERSION-x86_64-linux
    local tree=$TEMP/tar/$name unit
    lay_out "$tree"
    say_into "$tree/share/zsh/site-functions/_runner" completions zsh
    put LICENSE "$tree/share/doc/mjolnir/LICENSE"
    put "$HERE/mjolnir.env" "$tree/share/doc/mjolnir/mjolnir.env"
    for unit in mjolnir mjolnir-scheduler; do
        unit_for /usr/local "ops/$unit.service" "$tree/lib/systemd/system/$unit.service"
    done
    tar -C "$TEMP/tar" --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --format=ustar -cf - "$name" | gzip -9n > "$OUT/$name.tar.gz"
}

# A unit that calls the program where it is, and names the documents where they are.
unit_for() { # PREFIX FROM TO
    mkdir -p "$(dirname "$3")"
    sed -e "s|/usr/local/bin/|$1/bin/|" -e "s|file:///srv/mjolnir/|file://$1/share/doc/mjolnir/|" "$2" > "$3"
}

deb() {
    local tree=$TEMP/deb unit needs="libc6 (>= $GLIBC), passwd" name
    lay_out "$tree/usr"
    say_into "$tree/usr/share/zsh/vendor-completions/_runner" completions zsh
    zip_all "$tree/usr/share/man"
    gzip -9n "$tree/usr/share/doc/mjolnir/licences.txt"
    put "$HERE/mjolnir.env" "$tree/etc/mjolnir.env" 600
    for unit in mjolnir mjolnir-scheduler; do
        unit_for /usr "ops/$unit.service" "$tree/usr/lib/systemd/system/$unit.service"
    done
    put "$HERE/debian/lintian-overrides" "$tree/usr/share/lintian/overrides/mjolnir"
    copyright > "$tree/usr/share/doc/mjolnir/copyright"
    printf 'mjolnir (%s) stable; urgency=medium\n\n  * Release %s; docs/DECISIONS.md says why it is as it is.\n\n -- %s  %s\n' \
        "$VERSION" "$VERSION" "$MAINTAINER" "$(date -R -d "@$SOURCE_DATE_EPOCH")" | gzip -9n > "$tree/usr/share/doc/mjolnir/changelog.gz"
    ! readelf -d "$TEMP/runner" | grep -q 'libgcc_s\.so\.1' || needs+=", libgcc-s1"
    mkdir -p "$tree/DEBIAN"
    for name in postinst prerm; do put "$HERE/debian/$name" "$tree/DEBIAN/$name" 755; done
    echo /etc/mjolnir.env > "$tree/DEBIAN/conffiles"
    (cd "$tree" && find usr etc -type f -print0 | sort -z | xargs -0 md5sum) | grep -v ' etc/' > "$tree/DEBIAN/md5sums"
    control "$needs" "$(find "$tree/usr" "$tree/etc" -type f -printf '%s\n' | awk '{kib += int(($1 + 1023) / 1024)} END {print kib}')" > "$tree/DEBIAN/control"
    find "$tree" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
    dpkg-deb --root-owner-group -Zxz --threads-max=1 --build "$tree" "$OUT/mjolnir_${VERSION}_amd64.deb" > /dev/null
}

control() { # NEEDS KIB
    cat << END
Package: mjolnir
Version: $VERSION
Architecture: amd64
Maintainer: $MAINTAINER
Installed-Size: $2
Depends: $1
Recommends: ca-certificates
Section: misc
Priority: optional
Description: paper trading loop and backtest that are provably the same
 One program, runner, executes jobs written in TOML: a live paper loop that
 writes one decision per bar whatever happens, a backtest that replays those
 bars through the same code, and a proof that both ledgers are equal byte for
 byte. Strategies are rules as text. Bars come from eleven venues, from files,
 or from a seed. Nothing is traded for real.
 .
 Units for systemd are installed, and none is enabled or started.
END
}

copyright() {
    printf 'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: mjolnir\n'
    printf 'Comment: The program contains crates of others: licences.txt.gz beside this file has\n their licences, mjolnir.cdx.json the list of them.\n\n'
    printf 'Files: *\nCopyright: 2026 the authors of Mjolnir\nLicense: Expat\n'
    sed -e '/^$/s/^/./' -e 's/^/ /' "$HERE/MIT.txt"
}

mkdir -p "$OUT"
rm -f "$OUT"/mjolnir[-_]"$VERSION"* "$OUT/SHA256SUMS"
python3 "$HERE/contents.py" "$TEMP/runner" "$TEMP/licences.txt" "$TEMP/sbom"
tarball
deb
put "$TEMP/sbom" "$OUT/mjolnir-$VERSION.cdx.json"
(cd "$OUT" && sha256sum mjolnir[-_]"$VERSION"* > SHA256SUMS)
echo "packed: mjolnir $VERSION for glibc $GLIBC and newer, $(stat -c %s "$TEMP/runner" | awk '{printf "%.1f MiB", $1 / 1048576}') stripped"
cat "$OUT/SHA256SUMS"
