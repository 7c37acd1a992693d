"""Validates TOML files against a JSON Schema, as an editor does. Prints a JSON object: file and what is wrong with it."""

import json
import sys
import tomllib

from jsonschema import Draft202012Validator

schema, *files = sys.argv[1:]
with open(schema, "rb") as file:
    rules = json.load(file)
Draft202012Validator.check_schema(rules)
validator = Draft202012Validator(rules, format_checker=Draft202012Validator.FORMAT_CHECKER)
wrong = {}
for name in files:
    with open(name, "rb") as file:
        wrong[name] = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(tomllib.load(file))]
json.dump(wrong, sys.stdout)
