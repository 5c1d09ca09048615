"""What stands in for Azure in its tests: keys made here, tokens signed by hand, and the requests it would send."""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256, HashAlgorithm

from parlance.actors.media.acs.hooks import CALLBACKS, Hooks
from parlance.actors.media.acs.keys import Keys
from parlance.actors.media.acs.settings import Settings
from parlance.actors.media.webhook import Addresses, Denied, News, Offer, Refusal, Request, Welcome

NOW = 1_767_225_600.0
SECRET = "a-secret-of-the-subscription"
AUDIENCE = "6aeaee8c-8285-46d0-b018-493a75a1faca"
ISSUER = "https://acscallautomation.communication.azure.com"
HOST = "house.communication.azure.com"
ACCESS = b"the resource's access key, 32 bytes"
PUBLIC = "https://calls.example"

OWN = rsa.generate_private_key(65537, 2048)
STRANGE = rsa.generate_private_key(65537, 2048)


def settings(**changes: Any) -> Settings:
    return Settings(
        **{
            "connection_string": f"endpoint=https://{HOST}/;accesskey={b64encode(ACCESS).decode()}",
            "audience": AUDIENCE,
            "incoming_secret": SECRET,
            **changes,
        }
    )


def coded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def jwk(key: rsa.RSAPrivateKey, kid: str, **changes: Any) -> dict[str, Any]:
    numbers = key.public_key().public_numbers()
    size = (key.key_size + 7) // 8
    modulus, exponent = numbers.n.to_bytes(size, "big"), numbers.e.to_bytes(3, "big")
    return {"kty": "RSA", "use": "sig", "kid": kid, "n": coded(modulus), "e": coded(exponent), **changes}


def jwks(*keys: dict[str, Any]) -> bytes:
    return json.dumps({"keys": keys}).encode()


def token(
    key: rsa.RSAPrivateKey = OWN,
    head: dict[str, Any] | None = None,
    signature: bytes | None = None,
    digest: HashAlgorithm | None = None,
    **claims: Any,
) -> str:
    """Signed as RFC 7515 and RFC 7518 (3.3) say. None takes a claim away."""
    header = {"alg": "RS256", "typ": "JWT", "kid": "one", **(head or {})}
    content = {"iss": ISSUER, "aud": AUDIENCE, "iat": NOW, "nbf": NOW, "exp": NOW + 300, **claims}
    content = {name: value for name, value in content.items() if value is not None}
    words = f"{coded(json.dumps(header).encode())}.{coded(json.dumps(content).encode())}"
    signature = key.sign(words.encode(), padding.PKCS1v15(), digest or SHA256()) if signature is None else signature
    return f"{words}.{coded(signature)}"


def keys() -> Keys:
    """Keys that have been fetched."""
    fetched = Keys(settings())
    fetched.learned(200, jwks(jwk(OWN, "one")), NOW)
    return fetched


def hooks(**changes: Any) -> Hooks:
    return Hooks(settings(**changes), Addresses(PUBLIC), keys())


class Desk:
    """A reception that writes down what it is told."""

    def __init__(self, answer: Welcome | Refusal | None = None) -> None:
        self.offers: list[Offer] = []
        self.news: list[News] = []
        self._answer = answer or Welcome("call-1", "receptionist", "ticket-1")

    def offered(self, offer: Offer) -> Welcome | Refusal:
        self.offers.append(offer)
        return self._answer

    def told(self, news: News) -> None:
        self.news.append(news)


def callback(body: Any, *, bearer: str | None = None, query: str = "call=call-1&party=4%3A%2B33600000001") -> Request:
    headers = {"authorization": f"Bearer {token() if bearer is None else bearer}"}
    return Request("POST", f"{PUBLIC}{CALLBACKS}?{query}", headers, json.dumps(body).encode())


def event(name: str, **data: Any) -> dict[str, Any]:
    return {
        "id": "event-1",
        "source": "calling/callConnections/conn-1",
        "type": f"Microsoft.Communication.{name}",
        "specversion": "1.0",
        "datacontenttype": "application/json",
        "time": "2026-01-01T00:00:01.5000000+00:00",
        "subject": "calling/callConnections/conn-1",
        "data": {"callConnectionId": "conn-1", "serverCallId": "server-1", "correlationId": "corr-1", **data},
    }


def denied(hooks: Hooks, request: Request, now: float = NOW) -> tuple[int, str]:
    with pytest.raises(Denied) as caught:
        hooks.verify(request, now)
    return caught.value.status, caught.value.reason
