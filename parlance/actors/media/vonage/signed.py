"""Vonage's signed webhooks: a JWT in `Authorization`, over a hash of what was sent. Pure.

HS256 with the account's signature secret; claims `iat`, `jti`, `iss`, `api_key`, `application_id`, `payload_hash`.
The hash is SHA-256, in hex, of the body, or of a GET request's query as a JSON object without spaces, in its order
(Vonage's support page on verifying voice webhooks).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import jwt

from parlance.actors.media.vonage.settings import Settings
from parlance.actors.media.webhook import Denied, Request, same

_CLOCKLESS = {name: False for name in ("verify_exp", "verify_iat", "verify_nbf", "verify_aud", "verify_iss")}
"""PyJWT would look at the system's clock; the times are checked here, against the time we are given."""


def checked(request: Request, settings: Settings, now: float) -> None:
    """Raise `Denied` unless Vonage has signed this, for this application, and not long ago."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Denied(401, "unsigned", "the request is not signed")
    secret = settings.signature_secret.get_secret_value()
    try:
        claims = jwt.decode(token.strip(), secret, algorithms=["HS256"], options=_CLOCKLESS)  # type: ignore[arg-type]
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise Denied(401, "signature", "the signature is not Vonage's") from None
    _ours(claims, settings)
    _timely(claims, now, settings.tolerance)
    said = claims.get("payload_hash")
    hashes = [hashlib.sha256(form).hexdigest() for form in _forms(request)]
    if not isinstance(said, str) or not any([same(said.lower(), known) for known in hashes]):
        raise Denied(401, "signature", "the signature is of something else than what was sent")


def _ours(claims: Mapping[str, Any], settings: Settings) -> None:
    """One secret may be an account's, with many applications."""
    for name, expected in (("application_id", settings.application_id), ("api_key", settings.api_key)):
        if expected and name in claims and claims[name] != expected:
            raise Denied(401, "signature", f"the request was signed for another {name}")


def _timely(claims: Mapping[str, Any], now: float, tolerance: float) -> None:
    at = claims.get("iat")
    if isinstance(at, bool) or not isinstance(at, int | float):
        raise Denied(401, "signature", "the signature does not say when it was made")
    if not now - tolerance <= at <= now + tolerance:
        raise Denied(401, "expired", "the request was signed too long before or after now")


def _forms(request: Request) -> Iterator[bytes]:
    """What the hash may be of: the bytes as they came, or the same JSON without spaces."""
    if request.method.upper() == "GET" and not request.body:
        query = request.query
        yield _compact(query)
        # What whoever set up the application has put into the address is not Vonage's to sign.
        yield _compact({name: value for name, value in query.items() if name != "agent"})
        return
    yield request.body
    try:
        yield _compact(json.loads(request.body))
    except (ValueError, RecursionError):
        return


def _compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")
