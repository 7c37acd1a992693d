"""Settings of the lab: it listens inside its container, and lets nobody in without the token of .env."""

import os
import sys

TOKEN_CHARS_MIN = 16

token = os.environ.get("JUPYTER_TOKEN", "")
if len(token) < TOKEN_CHARS_MIN:
    sys.exit(
        f"JUPYTER_TOKEN has {len(token)} characters, and {TOKEN_CHARS_MIN} are the least: "
        "put a random one into .env, such as the output of `openssl rand -hex 24`"
    )

c = get_config()  # noqa: F821 (Jupyter puts it there)
c.IdentityProvider.token = token
c.PasswordIdentityProvider.hashed_password = ""
# All addresses of the container. On the host the port is published on JUPYTER_BIND_ADDR alone, 127.0.0.1 unless told otherwise.
c.ServerApp.ip = "0.0.0.0"
c.ServerApp.port = 8888
c.ServerApp.port_retries = 0
c.ServerApp.open_browser = False
c.ServerApp.root_dir = "/box"
c.ServerApp.allow_root = False
