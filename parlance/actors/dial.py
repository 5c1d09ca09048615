"""The way to providers on the network: their addresses and keys, deadlines, and their refusals in the house's words.

An adapter knows its provider's messages; how they get there is in `web` (HTTP) and `websocket`, and what both need is
here. A key goes into a request's header and nowhere else: not into a log, a trace or an error, even if the provider
repeats it.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import SplitResult, urlencode, urlsplit

import trio
from pydantic import Field, ValidationInfo, model_validator

from parlance.actors.verdict import verdict
from parlance.engine.agent import Strict
from parlance.engine.agent import Variable as Variable
from parlance.engine.errors import Misconfigured, Missing, ProviderError, Rejected, Unreachable
from parlance.engine.secret import Secret

CLOSING = 1.0
"""Seconds for taking leave of a provider; then the connection is dropped."""
LONGEST_PAUSE = 3600.0
"""Seconds: no provider is left alone for longer, whatever it asks for."""

_NO_KEY = "none"
"""Sent where there is no key; a server that wants none ignores it."""
_LONGEST = 200
"""Characters of what a provider said that an error repeats."""
_SCHEMES = {"https": ("https", "http"), "http": ("https", "http"), "wss": ("wss", "ws")}
"""Over TLS and without, by the scheme of a provider's usual address."""
_WRAPPED = re.compile(r"""(?i)(export\s+)?[A-Z_][A-Z0-9_]*=[^=]|["']|.*["']$|(bearer|token|basic)\s""")
"""A name or a scheme before a key, or quotes around it."""

Patience = Annotated[float, Field(gt=0, le=60)]


class Service(Strict):
    """The settings that all providers on the network have. An adapter gives `url` and `key_env` their defaults."""

    url: str
    key_env: Variable
    """The environment variable that holds the key. Unless the agent's file names it, or a `key_file`, the key goes to
    the provider's own domain only, over TLS.
    """
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
        """The provider's own address."""
        return str(type(self).model_fields["url"].default)

    # No message repeats an address or a key that is wrong: it may hold a secret.

    @model_validator(mode="after")
    def _reachable(self, info: ValidationInfo) -> Service:
        """With `keys: False` in the validation's context, the key need not be there."""
        usual, parts = self.usual(), _split(self.url)
        secure, plain = _SCHEMES[urlsplit(usual).scheme]
        if parts is None:
            raise ValueError(f"url: is not an address like {usual}")
        if parts.scheme not in (secure, plain):
            raise ValueError(f"url: must begin with {secure}:// (or {plain}://)")
        if "@" in parts.netloc:
            raise ValueError("url: must be without a name and password: a key is named by key_env or key_file")
        if parts.query or parts.fragment:
            raise ValueError("url: must end before its ? or #")
        if self._trusted() and (info.context or {}).get("keys", True):
            self._check(self._text())
        return self

    def key(self) -> Secret:
        """The key, read now; empty where there is none, and where none is to go."""
        return Secret(self._text() if self._trusted() else "")

    def origin(self) -> str:
        """Where the key comes from, and whether there is one; empty: none is sent."""
        if not self._trusted():
            return ""
        try:
            self._check(self._text())
        except ValueError:
            # A key that stands there by mistake is not a file's name.
            return f"{'key_file' if self.key_file else self.key_env} (not set)"
        return str(self.key_file or self.key_env)

    def _trusted(self) -> bool:
        """Whether a key goes to `url`: one that the agent's file names does, any other only to the provider itself."""
        if "key_env" in self.model_fields_set or self.key_file is not None:
            return bool(self.key_env or self.key_file)
        usual, parts = urlsplit(self.usual()), urlsplit(self.url)
        # Without the first of three labels or more: `api.eu.example.com` is `api.example.com`'s.
        domain = re.sub(r"^[^.]+\.(?=.*\.)", "", usual.hostname or "")
        own = re.fullmatch(rf"([a-z0-9-]+\.)*{re.escape(domain)}", parts.hostname or "")
        return parts.scheme == usual.scheme and own is not None

    def _text(self) -> str:
        if self.key_file is None:
            return os.environ.get(self.key_env, "").strip()
        try:
            return self.key_file.read_text("utf-8-sig").strip()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
            raise ValueError(f"key_file: the file that it names cannot be read: {reason}") from None

    def _check(self, key: str) -> None:
        """Raises `ValueError` for what is no key."""
        # Without an underscore it may be a key.
        variable = self.key_env if "_" in self.key_env else "that key_env names"
        where = self.key_file or f"the environment variable {variable}"
        if not key and self.key_file:
            raise ValueError(f"key_file: {where} is empty")
        if not key:
            ways = f"set {where}, or name a file with it in `key_file`"
            raise ValueError(f"no key: {ways} (a server at a `url` of your own needs none)")
        if _WRAPPED.match(key):
            raise ValueError(f"{where} must hold the key alone: no name before it, no quotes around it")
        if not (key.isascii() and key.isprintable()):
            raise ValueError(f"the key in {where} has characters that no key has")


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
        """A package that only this provider needs. Raises `Missing`."""
        try:
            return import_module(name)
        except ImportError:
            raise Missing(self.name, name.replace("_", "-"), self._extra) from None

    @contextmanager
    def environment(self) -> Iterator[None]:
        """`Misconfigured` for what a client cannot use of the environment: proxies and certificates."""
        try:
            yield
        except (OSError, ImportError, ValueError) as error:
            what = "the proxy or the certificates that the environment names cannot be used"
            raise Misconfigured(f"{self.name}: {what}: {error}") from None

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
        after = pause(headers or {})
        kind = verdict(text, status, again=after is not None)
        hint = ""
        if status == 401 and self.key.get_secret_value() == _NO_KEY:
            hint = f" (no key was sent: name one with {'key_env or key_file' if self.service.key_env else 'key_env'})"
        return kind(self.name, f"{status} {self.brief(text)}{hint}", after=after if kind is not Rejected else None)


def _split(url: str) -> SplitResult | None:
    """An address with a host that can be looked up and a port that there can be; None for anything else."""
    if not url.isprintable() or " " in url or "\\" in url:
        return None
    try:
        parts = urlsplit(url)
        return parts if (parts.hostname or "").encode("idna") and parts.port != 0 else None
    except ValueError:
        return None


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


def secure(url: str) -> bool:
    """Whether it is asked over TLS."""
    return urlsplit(url).scheme in ("https", "wss")


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
