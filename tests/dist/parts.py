"""The list of parts of a release against the schema of CycloneDX, and against Cargo.lock: parts.py SBOM CARGO_LOCK"""

import json
import re
import sys

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

text = open(sys.argv[1], encoding="utf-8").read()
problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
if problem is not None:
    sys.exit(f"not CycloneDX 1.6: {str(problem)[:2000]}")
bom = json.loads(text)
lock = open(sys.argv[2], encoding="utf-8").read()
locked = set(re.findall(r'name = "([^"]+)"\nversion = "([^"]+)"', lock))
listed = {(one["name"], one["version"]) for one in bom["components"] if one["purl"].startswith("pkg:cargo/")}
assert listed <= locked, f"not in Cargo.lock: {sorted(listed - locked)}"
# What the program surely has, and what it surely has not: tests and macros.
names = {name for name, _ in listed}
for name in ["serde", "tokio", "rustls", "ring", "rusqlite", "libsqlite3-sys", "parquet", "clap"]:
    assert name in names, f"{name} is not listed"
for name in ["proptest", "criterion", "serde_derive", "cc"]:
    assert name not in names, f"{name} is listed, and is not in the program"
# Each part can be reached from the program.
edges = {one["ref"]: one["dependsOn"] for one in bom["dependencies"]}
seen, todo = set(), [bom["metadata"]["component"]["bom-ref"]]
while todo:
    ref = todo.pop()
    if ref not in seen:
        seen.add(ref)
        todo.extend(edges.get(ref, []))
unreached = {one["bom-ref"] for one in bom["components"]} - seen
assert not unreached, f"nothing depends on {sorted(unreached)}"
print(f"parts: {len(listed)} crates, as CycloneDX 1.6")
