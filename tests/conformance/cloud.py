"""The carriers' side of HTTP on this machine: Azure's key set, tokens signed with its key, and whatever requests
parlance makes, answered with 200 and kept.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import jwt
import trio
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

ISSUER = "https://acscallautomation.communication.azure.com"
AUDIENCE = "a-resource"
KID = "conformance"


@cache
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def pem() -> str:
    return (
        key()
        .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        .decode()
    )


def bearer(now: float, **changes: Any) -> str:
    """Azure's token for a media socket."""
    claims = {"iss": ISSUER, "aud": AUDIENCE, "iat": int(now), "nbf": int(now), "exp": int(now) + 3600, **changes}
    return jwt.encode(claims, key(), algorithm="RS256", headers={"kid": KID})


@dataclass
class Cloud:
    port: int = 0
    asked: list[str] = field(default_factory=list)
    """The first line of each request, but for those of the keys."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.port = listeners[0].socket.getsockname()[1]
        task_status.started()
        await trio.serve_listeners(self._answer, listeners)

    async def _answer(self, stream: trio.SocketStream) -> None:
        async with stream:
            head = b""
            while b"\r\n\r\n" not in head:
                some = await stream.receive_some(65536)
                if not some:
                    return
                head += some
            first = head.split(b"\r\n", 1)[0].decode()
            if " /keys " in first:
                public = json.loads(RSAAlgorithm.to_jwk(key().public_key()))
                body = json.dumps({"keys": [{**public, "kid": KID, "use": "sig"}]}).encode()
            else:
                self.asked.append(first)
                body = b"{}"
            answer = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            await stream.send_all(f"{answer}Connection: close\r\n\r\n".encode() + body)
