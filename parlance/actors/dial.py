"""The way to providers on the network: their addresses and keys, deadlines, and their refusals in the house's words.

An adapter knows its provider's messages; how they get there is in `web` (HTTP) and `websocket`, and what both need is
here. A key goes into a request's header and nowhere else: not into a log, a trace or an error, even if the provider
repeats it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Annotated, Any
from urllib.parse import urlencode, urlsplit

import trio
from pydantic import Field, SecretStr, model_validator

from parlance.engine.agent import Strict
from parlance.engine.errors import Misconfigured, Overloaded, ProviderError, Rejected, Unreachable

CLOSING = 1.0
"""Seconds for taking leave of a provider; then the connection is dropped."""

_NO_KEY = "none"
"""Sent where there is no key; a server that wants none ignores it."""
_LONGEST = 200
_TRANSPORT = {"http": "http", "https": "http", "ws": "socket", "wss": "socket"}

Patience = Annotated[float, Field(gt=0, le=60)]


class Service(Strict):
    """The settings that all providers on the network have. An adapter gives `url` and `key_env` their defaults."""

    url: str
    key_env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
    """The environment variable that holds the key. Only a service at a `url` of your own may do without one."""
    connect: Patience = 3.0
    """Seconds for a connection: name, TCP, TLS and, of a WebSocket, the handshake."""
    idle: Patience = 5.0
    """Seconds between two pieces of an answer."""

    @model_validator(mode="after")
    def _reachable(self) -> Service:
        usual = type(self).model_fields["url"].default
        wanted = [scheme for scheme, kind in _TRANSPORT.items() if kind == _TRANSPORT[urlsplit(usual).scheme]]
        parts = urlsplit(self.url)
        if parts.scheme not in wanted or not parts.hostname or parts.query or parts.fragment:
            raise ValueError(f"url: {self.url!r} is not an address like {usual}")
        key = os.environ.get(self.key_env, "").strip()
        if self.url == usual and not key:
            raise ValueError(f"no key: set the environment variable {self.key_env}, or `url` of a server without")
        if not (key.isascii() and key.isprintable()):
            raise ValueError(f"the key in the environment variable {self.key_env} has characters that no key has")
        return self


class Dial:
    """One provider's way out. `name` is what its errors begin with, `scheme` what stands before its key."""

    def __init__(self, name: str, service: Service, *, scheme: str, extra: str) -> None:
        self.name, self.service = name, service
        self.key = SecretStr(os.environ.get(service.key_env, "").strip() or _NO_KEY)
        self._scheme, self._extra = scheme, extra

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"{self._scheme} {self.key.get_secret_value()}"}

    def library(self, name: str) -> Any:
        """A package that only this provider needs. Raises `Misconfigured`, which says how to get it."""
        try:
            return import_module(name)
        except ImportError:
            package = name.replace("_", "-")
            raise Misconfigured(f"{self.name} needs {package}: pip install 'parlance[{self._extra}]'") from None

    def brief(self, text: object) -> str:
        """Enough of what a provider said to know what it meant, and never the key."""
        line, key = " ".join(str(text).split()), self.key.get_secret_value()
        line = line.replace(key, "***") if key != _NO_KEY else line
        return line if len(line) <= _LONGEST else line[: _LONGEST - 3] + "..."

    def lost(self, kind: type[ProviderError], error: BaseException) -> ProviderError:
        """A lost connection as an error of ours. What has no words of its own has a cause that does, mostly."""
        reason: BaseException | None = error
        while reason is not None and not str(reason):
            reason = reason.__cause__ or reason.__context__
        return kind(self.name, f"connection lost: {self.brief(reason or type(error).__name__)}")

    @contextmanager
    def by(self, until: float, late: str) -> Iterator[None]:
        """`Unreachable` with the words `late` if it takes longer than `until`."""
        try:
            with trio.fail_at(until):
                yield
        except trio.TooSlowError:
            raise Unreachable(self.name, late) from None

    def refusal(self, status: int, text: object) -> ProviderError:
        """The error that a response with an HTTP status of 400 or more is."""
        kind: type[ProviderError] = Unreachable if status >= 500 or status == 408 else Rejected
        if status in (429, 503, 529):
            kind = Overloaded
        return kind(self.name, f"{status} {self.brief(text)}")


def address(url: str, query: Mapping[str, object]) -> str:
    """`url` with a query. A list of values becomes one parameter for each."""
    return f"{url}?{urlencode(query, doseq=True)}"


def complaint(body: bytes | str) -> str:
    """What an error's body says, wherever a provider puts it."""
    try:
        told = json.loads(body)
        told = told.get("error", told) if isinstance(told, dict) else told
        if isinstance(told, dict):
            told = next(filter(None, (told.get(at) for at in ("message", "err_msg", "description"))), told)
    except ValueError:
        told = body.decode(errors="replace") if isinstance(body, bytes) else body
    return str(told)
