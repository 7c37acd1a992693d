#!/usr/bin/env python3
"""What a release is made of: the licence texts of all crates that are in the program, and its list of parts (SBOM, CycloneDX).

    contents.py PROGRAM LICENCES SBOM       writes the two files; SOURCE_DATE_EPOCH is their time

Crates and their texts come from the folder of cargo, nothing is fetched. A crate without a text, or with a licence that is not on the
list, ends it with 1. The same program and the same Cargo.lock give the same bytes.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
import time
import uuid
from pathlib import Path

TARGET = "x86_64-unknown-linux-gnu"
# Licences that ask for no more than to be named. `OR` needs one of these, `AND` all.
ACCEPTED = {
    "0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0", "ISC", "MIT", "MIT-0",
    "Unicode-3.0", "Unlicense", "Zlib",
}
TEXT = re.compile(r"(licen[sc]e|copying|copyright|notice|unlicense)", re.IGNORECASE)
# Code of others inside of a crate, with the file that has its version and the one that has its licence.
INSIDE = {
    "libsqlite3-sys": ("sqlite", "blessing", "sqlite3/sqlite3.h", r'#define SQLITE_VERSION +"([0-9.]+)"', None),
    "zstd-sys": ("zstd", "BSD-3-Clause", "Cargo.toml", r'version = "[^"]*\+zstd\.([0-9.]+)"', "zstd/LICENSE"),
}
BLESSING = "SQLite is in the public domain: its authors disclaim copyright to this source code (https://sqlite.org/copyright.html).\n"


def cargo(*words):
    return subprocess.run(["cargo", *words, "--locked", "--offline"], check=True, capture_output=True, text=True).stdout


def expression(licence):
    """As SPDX writes it: crates of old say `MIT/Apache-2.0`."""
    return " OR ".join(part.strip() for part in licence.split("/"))


def accepted(licence):
    choices = [part.strip("() ") for part in licence.split(" OR ")]
    return any(all(one.strip("() ") in ACCEPTED for one in choice.split(" AND ")) for choice in choices)


def crates():
    """The crates that are in the program: no build scripts, no macros, no tests."""
    lines = cargo("tree", "--package", "mjolnir", "--edges", "normal,no-proc-macro", "--target", TARGET, "--prefix", "none", "--format", "{p}")
    names = {tuple(line.split()[:2]) for line in lines.splitlines() if line.strip()}
    metadata = json.loads(cargo("metadata", "--format-version", "1", "--filter-platform", TARGET))
    packages = [one for one in metadata["packages"] if (one["name"], "v" + one["version"]) in names]
    assert len(packages) == len(names), "cargo tree and cargo metadata agree"
    edges = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    return sorted(packages, key=lambda one: (one["name"], one["version"])), edges


def texts(package):
    """Licence files of a crate, by name."""
    folder = Path(package["manifest_path"]).parent
    found = sorted(path for path in folder.iterdir() if path.is_file() and TEXT.match(path.name))
    found += sorted(path for path in folder.glob("LICENSES/*") if path.is_file())
    if package["license_file"]:
        found.append(folder / package["license_file"])
    return {path.name: path.read_text(encoding="utf-8", errors="replace") for path in dict.fromkeys(found)}


def inside(package):
    """Code of others that a crate carries: name, version, licence, text."""
    known = INSIDE.get(package["name"])
    if known is None:
        return None
    name, licence, versioned, pattern, text = known
    folder = Path(package["manifest_path"]).parent
    version = re.search(pattern, (folder / versioned).read_text(encoding="utf-8", errors="replace"))
    if version is None:
        sys.exit(f"contents: {folder / versioned} does not say the version of {name}")
    return name, version[1], licence, (folder / text).read_text(encoding="utf-8") if text else BLESSING


def licences(packages):
    """One text after the other, equal ones once, each under the names of its crates."""
    plain = (Path(__file__).parent / "MIT.txt").read_text(encoding="utf-8")
    of_text, problems = {}, []
    for package in packages:
        name, licence = f"{package['name']} {package['version']}", expression(package["license"] or "")
        if not accepted(licence):
            problems.append(f"{name}: `{licence}` is not on the list of licences")
        found = texts(package)
        if not found and "MIT" in licence:
            found = {"MIT": f"Copyright (c) {', '.join(package['authors']) or 'the authors of ' + package['name']}\n\n{plain}"}
        if not found:
            problems.append(f"{name}: no text of its licence, `{licence}`")
        carried = inside(package)
        if carried:
            found = {**found, f"{carried[0]} {carried[1]}": carried[3]}
        for file, text in found.items():
            lines = "\n".join(line.rstrip() for line in text.replace("\r", "").strip().splitlines())
            of_text.setdefault(" ".join(text.split()), (lines, []))[1].append(f"{name} ({licence}), {file}")
    if problems:
        sys.exit("contents: " + "\ncontents: ".join(problems))
    rust = subprocess.run(["rustc", "--version"], check=True, capture_output=True, text=True).stdout.split()[1]
    head = f"The program contains {len(packages)} crates and the standard library of Rust {rust} (MIT OR Apache-2.0, https://www.rust-lang.org,\n" \
        "copyright the Rust Project Developers). Their licences, each text once, under the names of those that it belongs to.\n"
    line = "=" * 120
    parts = [f"{line}\n{chr(10).join(names)}\n{line}\n\n{text}\n" for text, names in sorted(of_text.values(), key=lambda one: one[1])]
    return head + "\n" + "\n".join(parts), rust


def sbom(program, packages, edges, rust, epoch):
    lock = Path("Cargo.lock").read_text(encoding="utf-8")
    sums = {(name, version): digest for name, version, digest in re.findall(r'name = "([^"]+)"\nversion = "([^"]+)"\n(?:source = "[^"]+"\n)checksum = "([0-9a-f]+)"', lock)}
    refs = {package["id"]: f"pkg:cargo/{package['name']}@{package['version']}".replace("+", "%2B") for package in packages}
    digest = hashlib.sha256(Path(program).read_bytes()).hexdigest()
    components, own = [], None
    for package in packages:
        ref, name, version = refs[package["id"]], package["name"], package["version"]
        one = {
            "type": "library", "bom-ref": ref, "name": name, "version": version, "scope": "required", "purl": ref,
            "licenses": [{"expression": expression(package["license"])}],
        }
        if package["source"] is None:
            own = {**one, "type": "application", "hashes": [{"alg": "SHA-256", "content": digest}]}
            del own["scope"], own["purl"]
            continue
        one["hashes"] = [{"alg": "SHA-256", "content": sums[name, version]}]
        if package["repository"]:
            one["externalReferences"] = [{"type": "vcs", "url": package["repository"].strip()}]
        carried = inside(package)
        if carried:
            purl = f"pkg:generic/{carried[0]}@{carried[1]}"
            licence = {"license": {"id": carried[2]}}
            one["components"] = [{"type": "library", "bom-ref": purl, "name": carried[0], "version": carried[1], "purl": purl, "licenses": [licence]}]
        components.append(one)
    std = f"pkg:generic/rust-std@{rust}"
    components.append({"type": "library", "bom-ref": std, "name": "rust-std", "version": rust, "purl": std, "licenses": [{"expression": "MIT OR Apache-2.0"}]})
    dependencies = []
    for package in packages:
        normal = [one["pkg"] for one in edges[package["id"]]["deps"] if any(kind["kind"] is None for kind in one["dep_kinds"])]
        on = sorted({refs[one] for one in normal if one in refs} | ({std} if package["source"] is None else set()))
        dependencies.append({"ref": refs[package["id"]], "dependsOn": on})
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json", "bomFormat": "CycloneDX", "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, 'sha256:' + digest)}", "version": 1,
        "metadata": {
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch)), "component": own,
            "tools": {"components": [{"type": "application", "name": "ops/dist/contents.py"}]},
        },
        "components": components, "dependencies": dependencies,
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    program, licences_file, sbom_file = (Path(path).resolve() for path in sys.argv[1:])
    os.chdir(Path(__file__).resolve().parents[2])
    packages, edges = crates()
    text, rust = licences(packages)
    licences_file.write_text(text, encoding="utf-8")
    sbom_file.write_text(sbom(program, packages, edges, rust, int(os.environ["SOURCE_DATE_EPOCH"])), encoding="utf-8")


main()
