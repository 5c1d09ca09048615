"""What the server under test is set up with for a carrier, and what that carrier's callers and webhooks then show.

All of it is made up for one run. Azure's keys are served on this machine, by the bench itself.
"""

from __future__ import annotations

import json
import secrets
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from bench.plan import Row

PUBLIC = "https://bench.example"
"""Where carriers are told to find the server; nobody goes there."""
NUMBER = "+33100000002"
"""Ours: the one that the webhooks' calls are made to."""
ISSUER, RESOURCE, KID = "https://issuer.example", "a resource", "bench"
DAY = 86_400


@dataclass(frozen=True, slots=True)
class Account:
    """`settings`: of the server, as its TOML file has them; none: it needs none. `token` and `bearer` let sockets in,
    `keys` sign webhooks, by carrier."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    token: str = ""
    bearer: str = ""
    keys: Mapping[str, str] = field(default_factory=dict)

    @property
    def toml(self) -> str:
        """The settings file."""
        return "\n".join(_tables(self.settings))


@contextmanager
def account(row: Row) -> Iterator[Account]:
    """What `row` needs. Twilio's sockets need nothing, while no webhooks come: then they are taken from anybody."""
    if row.server != "parlance" or (row.carrier == "twilio" and not row.webhooks):
        yield Account()
        return
    token = secrets.token_urlsafe()
    # As long as RFC 7518 wants the key of an HS512.
    keys = {name: secrets.token_urlsafe(64) for name in ("ringover", "twilio")} if row.webhooks else {}
    carriers: dict[str, dict[str, Any]] = {row.carrier: {"media_token": token}}
    if keys:
        carriers.setdefault("ringover", {})["webhook_key"] = keys["ringover"]
        carriers.setdefault("twilio", {})["auth_token"] = keys["twilio"]
    settings: dict[str, Any] = {"public_url": PUBLIC, "carriers": carriers}
    if keys:
        settings["numbers"] = [{"number": NUMBER, "carrier": name, "agent": "rehearsal"} for name in keys]
    if row.carrier != "acs":
        yield Account(settings, token, keys=keys)
        return
    key = rsa.generate_private_key(65537, 2048)
    with _serving(key) as url:
        carriers["acs"] |= {
            "connection_string": f"endpoint={PUBLIC};accesskey={b64encode(secrets.token_bytes(32)).decode()}",
            "audience": RESOURCE,
            "incoming_secret": secrets.token_urlsafe(),
            "issuer": ISSUER,
            "jwks_url": url,
        }
        yield Account(settings, token, _signed(key), keys)


@contextmanager
def _serving(key: rsa.RSAPrivateKey) -> Iterator[str]:
    """The address of the key set. A thread serves it: it is asked for once, before the callers come."""
    public = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    body = json.dumps({"keys": [{**public, "kid": KID, "use": "sig"}]}).encode()

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = Thread(target=partial(server.serve_forever, poll_interval=0.1))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/keys"
        finally:
            server.shutdown()
            thread.join()


def _signed(key: rsa.RSAPrivateKey) -> str:
    """What Azure's media sockets bring."""
    now = int(datetime.now(UTC).timestamp())
    claims = {"iss": ISSUER, "aud": RESOURCE, "iat": now, "nbf": now, "exp": now + DAY}
    return jwt.encode(claims, key, algorithm="RS256", headers={"kid": KID})


def _tables(settings: Mapping[str, Any], path: str = "") -> list[str]:
    """The lines of a TOML document. JSON's strings and numbers are TOML's, too."""
    plain = [f"{name} = {json.dumps(value)}" for name, value in settings.items() if isinstance(value, str | int)]
    lines = [*([f"[{path}]"] if path and plain else []), *plain]
    for name, value in settings.items():
        below = f"{path}.{name}" if path else name
        if isinstance(value, dict):
            lines += _tables(value, below)
        elif isinstance(value, list):
            for item in value:
                lines += [f"[[{below}]]", *_tables(item)]
    return lines
