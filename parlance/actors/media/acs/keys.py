"""The public keys of Call Automation, and the tokens they prove: of callbacks and of media sockets. Pure.

Both carry `Authorization: Bearer` and a JWT signed with RS256, whose key is named by `kid` and found in Azure's key
set; issuer and audience must be right, and the token no older than its kind may be (learn.microsoft.com, "Secure
webhook endpoints and WebSocket connections": five minutes for a callback, 24 hours for a socket). Until the keys have
been learned nothing is believed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import RSAAlgorithm

from parlance.actors.media.acs.settings import Settings
from parlance.actors.media.errand import Errand
from parlance.actors.media.webhook import Denied, listed, part, text

FRESH = 3600.0
"""Seconds after which the keys are fetched again."""
AGAIN = 60.0
"""Seconds between two requests for a key that is not there, or after a refresh that failed."""
FIRST = 5.0
"""The same while there are no keys at all."""
_LONGEST = 16_384
_MOST = 64
_SMALLEST = 2048
"""Bits of a key that is taken (RFC 7518, 3.3)."""
_REASONS: tuple[tuple[type[jwt.PyJWTError], str, str], ...] = (
    (jwt.InvalidIssuerError, "issuer", "the token was issued by somebody else"),
    (jwt.InvalidAudienceError, "audience", "the token is meant for another resource"),
    (jwt.MissingRequiredClaimError, "claims", "the token lacks a claim"),
)


class Keys:
    """Shared by the hooks, which also fetch them, and the media sockets' way in. A `Learner`."""

    def __init__(self, settings: Settings) -> None:
        self.wanted: Callable[[], None] = lambda: None
        self._settings = settings
        self._keys: dict[str, RSAPublicKey] = {}
        self._due = float("-inf")
        self._answered = float("-inf")

    def check(self, authorization: str, now: float, age: float) -> None:
        """Raise `Denied` (401) unless this header proves Azure. `age`: seconds that the token may be old."""
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise Denied(401, "unsigned", "the request carries no token")
        if not self._keys:
            self._missed(now, FIRST)
            raise Denied(401, "no-keys", "the keys of Azure have not been fetched yet")
        self._timely(self._claims(token, now), now, age)

    def _claims(self, token: str, now: float) -> Mapping[str, Any]:
        if len(token) > _LONGEST or not token.isascii():
            raise Denied(401, "signature", "the token is not one")
        try:
            kid = text(jwt.get_unverified_header(token).get("kid"))
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise Denied(401, "signature", "the token is not one") from None
        key = self._keys.get(kid)
        if key is None:
            self._missed(now, AGAIN)
            raise Denied(401, "unknown-key", "the token's key is not among those of Azure")
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=["RS256"],
                issuer=self._settings.issuer,
                audience=self._settings.audience,
                # Times are judged below: the library would read the clock.
                options={"require": ["exp"], "verify_exp": False, "verify_nbf": False, "verify_iat": False},
            )
        except jwt.PyJWTError as error:
            for kind, reason, words in _REASONS:
                if isinstance(error, kind):
                    raise Denied(401, reason, words) from None
            raise Denied(401, "signature", "the token's signature is wrong") from None
        except (ValueError, RecursionError):
            raise Denied(401, "signature", "the token is not one") from None
        return claims

    def _timely(self, claims: Mapping[str, Any], now: float, age: float) -> None:
        leeway = self._settings.leeway
        begun = [_when(claims[name]) for name in ("iat", "nbf") if name in claims]
        late = now > _when(claims["exp"]) + leeway or any(at < now - age - leeway for at in begun)
        if late or any(at > now + leeway for at in begun):
            raise Denied(401, "expired", "the token is not valid now")

    def _missed(self, now: float, pause: float) -> None:
        """A key is not there: fetch them, unless that was done within `pause` seconds."""
        self._due = min(self._due, self._answered + pause)
        if now >= self._due:
            self.wanted()

    def wants(self, now: float) -> Errand | None:
        if now < self._due:
            return None
        return Errand("GET", self._settings.jwks_url, {"Accept": "application/json"}, again=True)

    def learned(self, status: int, body: bytes, now: float) -> None:
        """Azure's key set. Keys that are no longer in it are no longer believed; a bad answer changes nothing."""
        keys = _read(body) if status == 200 else {}
        self._keys = keys or self._keys
        self._answered = now
        self._due = now + (FRESH if keys else AGAIN if self._keys else FIRST)


def _when(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e12 or not isfinite(value):
        raise Denied(401, "claims", "a time in the token is no time")
    return float(value)


def _read(body: bytes) -> dict[str, RSAPublicKey]:
    """The RSA keys for signatures in a key set (RFC 7517); whatever else is in it is passed over."""
    try:
        entries = listed(part(json.loads(body), "keys"))
    except (ValueError, RecursionError):
        return {}
    keys: dict[str, RSAPublicKey] = {}
    for entry in entries[:_MOST]:
        kid = text(part(entry, "kid"))
        if kid and part(entry, "kty") == "RSA" and part(entry, "use") in (None, "sig"):
            key = _key(entry)
            if key is not None and key.key_size >= _SMALLEST:
                keys[kid] = key
    return keys


def _key(entry: dict[str, Any]) -> RSAPublicKey | None:
    """Only the public numbers are taken, whatever else stands beside them."""
    try:
        key = RSAAlgorithm.from_jwk({name: entry[name] for name in ("kty", "n", "e")})
    except (jwt.PyJWTError, ValueError, TypeError, KeyError, AttributeError, OverflowError):
        return None
    return key if isinstance(key, RSAPublicKey) else None
