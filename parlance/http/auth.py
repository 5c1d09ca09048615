"""Who may use the API: keys, of which the settings have only hashes, their scopes, and how often each may ask.

A key is 32 random bytes. Nobody can guess one, and nobody can go through all of them, so that a plain SHA-256 keeps it
as well as a slow hash would (those exist for passwords, which people choose), and costs a microsecond a request.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import math
import re
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from quart import g, request
from quart_schema import security_scheme

from parlance.engine.errors import Misconfigured
from parlance.http.problem import Problem
from parlance.http.throttle import Throttle
from parlance.persistence.port import Directory

log = logging.getLogger(__name__)

PREFIX = "plk_"
"""What every key begins with, so that one is recognized where it should not be (in a repository, in a log)."""
ADMIN = "admin"
SCOPES = ("calls:read", "calls:write", "calls:place", ADMIN)
"""`admin` has all of them."""
FAILURES = 10
"""Answers of 401 a second to one address; then 429."""
SCHEME = "key"
"""The keys' name in the OpenAPI document."""

Handler = Callable[..., Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Entry:
    """A key in the settings. `hash`: `sha256:` and 64 hexadecimal digits."""

    name: str
    hash: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose key it is."""

    name: str
    scopes: frozenset[str]

    def may(self, scope: str) -> bool:
        return scope in self.scopes or ADMIN in self.scopes


def make() -> tuple[str, str]:
    """A new key and its hash: (for whoever uses it, for the settings)."""
    key = PREFIX + secrets.token_urlsafe(32)
    return key, hashed(key)


def hashed(key: str) -> str:
    return "sha256:" + hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


class Keys:
    """The keys that there are."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        """Raises `Misconfigured` for a hash that is none, a scope that there is not, or a name that comes twice."""
        self._holders: list[tuple[bytes, Holder]] = []
        names: set[str] = set()
        for entry in entries:
            if entry.name in names:
                raise Misconfigured(f"there are two API keys named {entry.name!r}")
            names.add(entry.name)
            if not re.fullmatch(r"sha256:[0-9a-f]{64}", entry.hash):
                raise Misconfigured(f"the API key {entry.name!r} has no hash as `parlance key` makes it (sha256:...)")
            if unknown := set(entry.scopes) - set(SCOPES):
                raise Misconfigured(
                    f"the API key {entry.name!r} has unknown scopes: {', '.join(sorted(unknown))}; "
                    f"there are {', '.join(SCOPES)}"
                )
            self._holders.append((entry.hash.encode(), Holder(entry.name, frozenset(entry.scopes))))

    def __bool__(self) -> bool:
        return bool(self._holders)

    def check(self, authorization: str) -> Holder | None:
        """Whose key an `Authorization` header has (`Bearer plk_...`). Takes as long for every key of that length."""
        scheme, _, key = authorization.partition(" ")
        if scheme.lower() != "bearer":
            return None
        given = hashed(key.strip()).encode()
        found = None
        # Every entry is compared: the time must not tell which one it was.
        for known, holder in self._holders:
            if hmac.compare_digest(known, given):
                found = holder
        return found


class Auth:
    """Guards handlers. `rate` requests a second for each key, `burst` at once."""

    def __init__(self, keys: Keys, directory: Directory, *, rate: float = 50.0, burst: int = 100) -> None:
        self._keys = keys
        self._directory = directory
        self._rate = rate
        self._burst = burst
        self.denied: Counter[str] = Counter()
        """Requests that were not let in, by reason: `key`, `scope`, `rate`, `failures`."""
        self._warning = Throttle(log, "API requests without a valid key")

    def guard(self, scope: str) -> Callable[[Handler], Callable[..., Any]]:
        """A handler's decorator: only for keys with `scope`. Put it outside of what reads the request.

        The handler finds the `Holder` in `quart.g.holder`.
        """

        def decorate(handler: Handler) -> Callable[..., Any]:
            @wraps(handler)
            async def guarded(*arguments: Any, **named: Any) -> Any:
                g.holder = await self.admit(scope)
                return await handler(*arguments, **named)

            return security_scheme([{SCHEME: []}])(guarded)

        return decorate

    async def admit(self, scope: str) -> Holder:
        """Who asks; for handlers that `guard` cannot decorate. Raises `Problem`."""
        holder = self._keys.check(request.headers.get("Authorization", ""))
        if holder is None:
            await self._fail(request.remote_addr or "unknown")
            raise self._unauthorized()
        wait = await self._directory.spend(f"api/{holder.name}", rate=self._rate, burst=self._burst)
        if wait > 0:
            self.denied["rate"] += 1
            raise too_many(f"This key may ask {self._rate:g} times a second.", wait)
        if not holder.may(scope):
            self.denied["scope"] += 1
            raise Problem(403, f"This key has not the scope {scope}.", scope=scope)
        return holder

    async def _fail(self, address: str) -> None:
        """Count and log who has no key; raises 429 for who tries too often."""
        self._warning.note(f"from {address}")
        wait = await self._directory.spend(f"denied/{address}", rate=FAILURES, burst=FAILURES)
        self.denied["failures" if wait > 0 else "key"] += 1
        if wait > 0:
            raise too_many("Too many requests without a valid key came from this address.", wait)

    def _unauthorized(self) -> Problem:
        detail = (
            "Send a valid API key: Authorization: Bearer plk_..."
            if self._keys
            else "No API key is set up here. `parlance key` makes one and says where its hash goes."
        )
        return Problem(401, detail, headers={"WWW-Authenticate": 'Bearer realm="parlance"'})


def too_many(detail: str, wait: float) -> Problem:
    """429, with the seconds after which the next try may work."""
    return Problem(429, detail, headers={"Retry-After": str(max(1, math.ceil(wait)))})


def described() -> dict[str, dict[str, str]]:
    """The keys as the OpenAPI document's security scheme."""
    return {SCHEME: {"type": "http", "scheme": "bearer", "bearer_format": PREFIX + "..."}}
