"""How Ringover signs its webhooks: three ways to find out whether it has sent a request, and what it said. Pure.

`v1`, the default: the header `X-Ringover-Webhook-Signature` is a JWT, HS512, whose secret is the section's webhook key
(ringover/ringover-webhooks-php, ValidationWebhookEvent; bartick/ringover-webhooks in Go and Node). Its claims are
`{url, payload}`, and the payload in it is what counts, not the body; or they are the message itself. `v3`: base64 of
HMAC-SHA256 over method, URL, body and timestamp, one after the other (one public integration has it so). `hmac`: hex
of HMAC-SHA256 over the body (bartick/ringover-webhooks in Python).
"""

from __future__ import annotations

import hmac
import json
from base64 import b64encode
from collections.abc import Sequence
from math import isfinite
from typing import Any, Literal
from urllib.parse import urlsplit

from jwt import PyJWS, PyJWTError
from jwt.algorithms import HMACAlgorithm

from parlance.actors.media.webhook import Denied, Request, part, same, text

Mode = Literal["v1", "v3", "hmac"]
Envelope = dict[str, Any]
_MILLISECONDS = 1e11
"""A time above this is in milliseconds."""
_PORTS = {"https": 443, "http": 80}


class _Given(HMACAlgorithm):
    """The keys are as long as Ringover makes them (40 signs), whatever RFC 7518 asks of an HS512 key."""

    def check_key_length(self, key: bytes) -> str | None:
        return None


_JWS = PyJWS(algorithms=[])
_JWS.register_algorithm("HS512", _Given(HMACAlgorithm.SHA512))
"""JWS, not JWT: a JWT's claims would be checked against the system's clock."""


def verified(
    request: Request, mode: Mode, keys: Sequence[str], now: float | None, window: float
) -> tuple[Envelope, str]:
    """What Ringover said, and which of the keys it is signed with. Raises `Denied` (401) for what it has not sent,
    and (400) for what it has, and makes no sense. Without `now`, when it was signed does not matter."""
    if not keys:
        raise Denied(401, "keyless", "no webhook key is set for this section")
    if mode == "v1":
        envelope, key = _token(request, keys, now)
    elif mode == "v3":
        envelope, key = _stamped(request, keys, now, window)
    else:
        envelope, key = _bare(request, keys)
    if mode != "v3" and envelope.get("timestamp") is not None:
        _fresh(seconds(envelope["timestamp"]), now, window)
    return envelope, key


def seconds(value: Any) -> float:
    """A time as seconds since 1970, from a number or its text, in seconds or milliseconds; 0 if it is none."""
    try:
        at = float(text(value) or 0)
    except ValueError:
        return 0.0
    if not isfinite(at):
        return 0.0
    return at / 1000 if at > _MILLISECONDS else at


def _fresh(at: float, now: float | None, window: float) -> None:
    if now is not None and abs(now - at) > window:
        raise Denied(401, "expired", f"the request was signed {now - at:.0f} s ago")


def _token(request: Request, keys: Sequence[str], now: float | None) -> tuple[Envelope, str]:
    token = request.headers.get("x-ringover-webhook-signature", "") or request.headers.get("authorization", "")
    token = token.strip()
    if token[:7].lower() == "bearer ":
        token = token[7:].strip()
    if not token:
        raise Denied(401, "unsigned", "there is no X-Ringover-Webhook-Signature")
    for key in keys:
        try:
            claims = _object(_JWS.decode(token, key, algorithms=["HS512"]))
        except (PyJWTError, UnicodeEncodeError):
            continue
        return _message(claims, request, now), key
    raise Denied(401, "signature", "the signature is not of this section's webhook key")


def _message(claims: Envelope, request: Request, now: float | None) -> Envelope:
    """The message in verified claims, which must have been signed for our address."""
    if "url" in claims:
        if not _ours(text(claims["url"]), request.url):
            raise Denied(401, "url", "the request was signed for another address")
    elif "payload" in claims:
        raise Denied(401, "url", "the signed message names no url")
    expiry = claims.get("exp")
    if expiry is not None and now is not None and now > seconds(expiry):
        raise Denied(401, "expired", "the signature has expired")
    payload = claims.get("payload", claims)
    return _object(payload.encode("utf-8", "replace")) if isinstance(payload, str) else _checked(payload)


def _ours(signed: str, url: str) -> bool:
    """Whether both are the same host and path: scheme and query may be lost on the way through a proxy."""
    try:
        one, two = urlsplit(signed), urlsplit(url)
        ports = [part.port or _PORTS.get(part.scheme, 0) for part in (one, two)]
    except ValueError:
        return False
    hosts = bool(one.hostname) and one.hostname == two.hostname
    return hosts and (ports[0] == ports[1] or set(ports) == {80, 443}) and one.path == two.path


def _stamped(request: Request, keys: Sequence[str], now: float | None, window: float) -> tuple[Envelope, str]:
    given = request.headers.get("x-ringover-webhook-signature-v3", "").strip()
    stamp = request.headers.get("x-ringover-request-signature-v3-timestamp", "").strip()
    if not given or not stamp:
        raise Denied(401, "unsigned", "there is no X-Ringover-Webhook-Signature-V3 with its timestamp")
    signed = f"{request.method}{request.url}".encode("utf-8", "replace") + request.body
    signed += stamp.encode("utf-8", "replace")
    for key in keys:
        if same(given, b64encode(hmac.digest(key.encode(), signed, "sha256"))):
            _fresh(seconds(stamp), now, window)
            return _object(request.body), key
    raise Denied(401, "signature", "the signature is not of this section's webhook key")


def _bare(request: Request, keys: Sequence[str]) -> tuple[Envelope, str]:
    given = request.headers.get("x-ringover-signature", "").strip().lower()
    if not given:
        raise Denied(401, "unsigned", "there is no X-Ringover-Signature")
    for key in keys:
        if same(given, hmac.digest(key.encode(), request.body, "sha256").hex()):
            return _object(request.body), key
    raise Denied(401, "signature", "the signature is not of this section's webhook key")


def _object(body: bytes) -> Envelope:
    try:
        return _checked(json.loads(body))
    except (ValueError, RecursionError):
        raise Denied(400, "malformed", "the message is not JSON") from None


def _checked(value: Any) -> Envelope:
    if not isinstance(value, dict) or not isinstance(part(value, "event"), str | None):
        raise Denied(400, "malformed", "the message is not an object with the name of an event")
    return value


def unsigned(request: Request) -> Envelope:
    """The message of a request that Ringover does not sign."""
    return _object(request.body)
