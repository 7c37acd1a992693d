"""A mail server that takes letters for a test: smtp.py PRIVACY CERT KEY OUT. It prints its port, then a line for each letter goes to OUT.

PRIVACY is implicit, starttls or plain. Where there is TLS, only ann with the password s3cr3t may write. A letter to full@example.org is
refused for now, one to none@example.org for good."""

import asyncio
import json
import ssl
import sys
import warnings
from email import message_from_bytes
from email.policy import default

from aiosmtpd.smtp import SMTP, AuthResult

warnings.simplefilter("ignore")
privacy, cert, key, out = sys.argv[1:5]


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address == "full@example.org":
            return "452 4.2.2 the mailbox is full"
        if address == "none@example.org":
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        letter = message_from_bytes(envelope.content, policy=default)
        row = {
            "tls": server.transport.get_extra_info("sslcontext") is not None,
            "user": getattr(session, "auth_data", None),
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "headers": {name: str(value) for name, value in letter.items()},
            "text": letter.get_content(),
        }
        with open(out, "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        return "250 OK"


def who(server, session, envelope, mechanism, data):
    good = (data.login, data.password) == (b"ann", b"s3cr3t")
    return AuthResult(success=good, handled=good, auth_data="ann" if good else None)


async def main():
    context = None
    if privacy != "plain":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)

    def session():
        if privacy == "plain":
            return SMTP(Handler(), hostname="mail.test")
        own = {"authenticator": who, "auth_required": True, "hostname": "mail.test"}
        if privacy == "starttls":
            return SMTP(Handler(), tls_context=context, require_starttls=True, **own)
        return SMTP(Handler(), auth_require_tls=False, **own)

    wrapped = context if privacy == "implicit" else None
    server = await asyncio.get_running_loop().create_server(session, "127.0.0.1", 0, ssl=wrapped)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
