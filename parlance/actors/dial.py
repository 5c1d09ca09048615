"""The way to providers on the network: their addresses and keys, deadlines, and their refusals in the house's words.

An adapter knows its provider's messages; how they get there is in `web` (HTTP) and `websocket`, and what both need is
here. A key goes into a request's header and nowhere else: not into a log, a trace or an error, even if the provider
repeats it.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import SplitResult, urlencode, urlsplit

import trio
from pydantic import Field, model_validator

from parlance.engine.agent import Strict
from parlance.engine.errors import Misconfigured, Overloaded, ProviderError, Rejected, Unreachable
from parlance.engine.secret import Secret

CLOSING = 1.0
"""Seconds for taking leave of a provider; then the connection is dropped."""
LONGEST_PAUSE = 3600.0
"""Seconds: no provider is left alone for longer, whatever it asks for."""

_NO_KEY = "none"
"""Sent where there is no key; a server that wants none ignores it."""
_LONGEST = 200
"""Characters of what a provider said that an error repeats."""
_TRANSPORT = {"http": "http", "https": "http", "ws": "socket", "wss": "socket"}

Patience = Annotated[float, Field(gt=0, le=60)]
Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
"""The name of a variable of the environment."""


class Service(Strict):
    """The settings that all providers on the network have. An adapter gives `url` and `key_env` their defaults."""

    url: str
    key_env: Variable
    """The environment variable that holds the key. Only a service at a `url` of your own may do without one."""
    key_file: Path | None = None
    """A file with the key and nothing else, in place of the variable."""
    connect: Patience = 3.0
    """Seconds for a connection: name, TCP, TLS and, of a WebSocket, the handshake."""
    idle: Patience = 5.0
    """Seconds between two pieces of an answer."""
    warm: Annotated[int, Field(ge=0, le=100)] = 1
    """Connections that are opened before they are needed; 0: none."""
    lifetime: Annotated[float, Field(ge=1, le=86_400)] = 600.0
    """Seconds after which a connection that nobody uses is replaced, less up to a fifth of it, at random."""

    def usual(self) -> str:
        """The provider's own address: there, a key is needed."""
        return str(type(self).model_fields["url"].default)

    @model_validator(mode="after")
    def _reachable(self) -> Service:
        usual = self.usual()
        wanted = [scheme for scheme, kind in _TRANSPORT.items() if kind == _TRANSPORT[urlsplit(usual).scheme]]
        parts = urlsplit(self.url)
        if parts.scheme not in wanted or not _named(parts) or parts.query or parts.fragment:
            raise ValueError(f"url: {self.url!r} is not an address like {usual}")
        key = self._text()
        if self.url == usual and not key:
            raise ValueError(f"no key: set the environment variable {self.key_env}, or `url` of a server without")
        if not (key.isascii() and key.isprintable()):
            where = self.key_file or f"the environment variable {self.key_env}"
            raise ValueError(f"the key in {where} has characters that no key has")
        return self

    def _text(self) -> str:
        if self.key_file is None:
            return os.environ.get(self.key_env, "").strip()
        try:
            return self.key_file.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"key_file: {self.key_file} cannot be read: {error}") from None

    def key(self) -> Secret:
        """The key, read now; empty where there is none."""
        return Secret(self._text())


class Dial:
    """One provider's way out. `name` is what its errors begin with, `scheme` what stands before its key in the header
    `header`, `more` headers that every request has, and `extra` the optional part of parlance it needs.
    """

    def __init__(
        self,
        name: str,
        service: Service,
        *,
        scheme: str = "",
        header: str = "Authorization",
        more: Mapping[str, str] | None = None,
        extra: str = "",
    ) -> None:
        self.name, self.service = name, service
        self.key = service.key() or Secret(_NO_KEY)
        self._header, self._scheme, self._more, self._extra = header, scheme, dict(more or {}), extra

    @property
    def headers(self) -> dict[str, str]:
        """With the key, or `_NO_KEY` in its place; without either for a service that names no variable for one."""
        if not self.service.key_env and self.key.get_secret_value() == _NO_KEY:
            return dict(self._more)
        return {self._header: f"{self._scheme} {self.key.get_secret_value()}".lstrip(), **self._more}

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

    def refusal(self, status: int, text: object, headers: Mapping[str, str] | None = None) -> ProviderError:
        """The error that a response with an HTTP status of 300 or more is; `headers`: with names in lower case."""
        kind: type[ProviderError] = Unreachable if status >= 500 or status == 408 else Rejected
        if status in (429, 503, 529):
            kind = Overloaded
        after = pause(headers or {}) if kind is not Rejected else None
        return kind(self.name, f"{status} {self.brief(text)}", after=after)


def _named(parts: SplitResult) -> bool:
    """Whether an address has a host that can be looked up, and a port that there can be."""
    try:
        return bool((parts.hostname or "").encode("idna")) and parts.port != 0
    except ValueError:
        return False


def pause(headers: Mapping[str, str]) -> float | None:
    """The seconds that `Retry-After` asks for (RFC 9110, 10.2.3), an hour at most; None where it asks for nothing.

    `retry-after-ms` is what OpenAI's services send besides. A date counts from the answer's own `Date`.
    """
    try:
        if told := headers.get("retry-after-ms"):
            seconds = float(told) / 1000
        elif (told := headers.get("retry-after", "")).strip().replace(".", "", 1).isdigit():
            seconds = float(told)
        else:
            then, now = parsedate_to_datetime(told), parsedate_to_datetime(headers.get("date", ""))
            seconds = (then - now).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return None if math.isnan(seconds) else min(max(seconds, 0.0), LONGEST_PAUSE)


def address(url: str, query: Mapping[str, object]) -> str:
    """`url` with a query. A list of values becomes one parameter for each."""
    return f"{url}?{urlencode(query, doseq=True)}"


def root(url: str) -> str:
    """The root of the server at `url`, without the name and password that an address may have."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/"


def complaint(body: bytes | str) -> str:
    """What an error's body says, wherever a provider puts it."""
    try:
        told = json.loads(body)
        told = told.get("error", told.get("detail", told)) if isinstance(told, dict) else told
        if isinstance(told, dict):
            told = next(filter(None, (told.get(at) for at in ("message", "err_msg", "description"))), told)
    except (ValueError, RecursionError):
        told = body.decode(errors="replace") if isinstance(body, bytes) else body
    return str(told)
