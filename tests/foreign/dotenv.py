"""Reads a JSON list of texts on stdin and prints what python-dotenv makes of each: names and values."""

import io
import json
import sys

# This file has the name of the module.
del sys.path[0]

from dotenv import dotenv_values  # noqa: E402

texts = json.load(sys.stdin)
# Compose reads the file without its byte order mark, and fills in references later.
read = [dotenv_values(stream=io.StringIO(text.removeprefix("\ufeff")), interpolate=False) for text in texts]
json.dump(read, sys.stdout)
