"""The `openai` mind: any service that speaks OpenAI's chat completions, streamed. pip install 'parlance[openai]'.

The package's client does the HTTP (httpx2 over anyio, which runs on Trio; read in openai 3.52). Its retries are
switched off, because they would sleep through a caller's patience, and so are its time-outs: deadlines are Trio's. The
events of a stream are read here, because the package's reader leaves asynchronous generators to the garbage collector.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from importlib import import_module
from ssl import SSLError
from types import ModuleType
from typing import Annotated, Any

import trio
from pydantic import Field, SecretStr, field_validator, model_validator

from parlance.actors.thinker.port import Line, Thought, Token
from parlance.actors.thinker.sse import Events
from parlance.engine.agent import Agent, Strict
from parlance.engine.errors import Garbled, Misconfigured, Overloaded, ProviderError, Rejected, Unreachable
from parlance.engine.faults import checked

NAME = "openai"
KEY = "OPENAI_API_KEY"
_TAIL = 0.1
"""Seconds for the end of a body after the end of the answer."""
_CLOSING = 1.0
"""Seconds for closing a stream: it only has to give a connection back, or to drop it."""
_LONGEST = 200
_NO_KEY = "none"
"""The client insists on a key; a server that wants none ignores it."""


class Settings(Strict):
    model: Annotated[str, Field(min_length=1)]
    base_url: str | None = None
    """Where the service is, up to and including `/v1`; default: the package's own."""
    key_env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] = KEY
    """The environment variable that holds the key. A service at `base_url` may do without one."""
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    max_tokens: Annotated[int, Field(ge=1, le=100_000)] | None = None
    first: Annotated[float, Field(gt=0, le=60)] = 8.0
    """Seconds from the request to the first event of the stream, connecting included."""
    idle: Annotated[float, Field(gt=0, le=60)] = 10.0
    """Seconds between two events."""

    @field_validator("base_url")
    @classmethod
    def _web(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError(f"{value!r} is not an address that begins with http:// or https://")
        return value

    @model_validator(mode="after")
    def _has_key(self) -> Settings:
        key = os.environ.get(self.key_env, "").strip()
        if self.base_url is None and not key:
            raise ValueError(f"no key: set the environment variable {self.key_env}, or `base_url` of a server without")
        if not (key.isascii() and key.isprintable()):
            raise ValueError(f"the key in the environment variable {self.key_env} has characters that no key has")
        return self

    def key(self) -> SecretStr:
        return SecretStr(os.environ.get(self.key_env, "").strip() or _NO_KEY)


class Minds:
    """Makes the minds of one agent's calls, which share one pool of connections."""

    def __init__(self, package: ModuleType, settings: Settings, prompt: str) -> None:
        self.package = package
        self.settings = settings
        self.prompt = prompt
        self.key = settings.key()
        self.lost = _lost(package)
        self.client = package.AsyncOpenAI(
            api_key=self.key.get_secret_value(),
            base_url=settings.base_url,
            max_retries=0,
            timeout=None,
            # Given, because the package's own default reaches for asyncio when it is garbage collected.
            http_client=package.DefaultAsyncHttpxClient(timeout=None),
        )

    def __call__(self) -> OpenAIMind:
        return OpenAIMind(self)

    async def aclose(self) -> None:
        """Close the connections. Minds made before cannot think any more."""
        await self.client.close()


def _lost(package: ModuleType) -> tuple[type[Exception], ...]:
    """What reading may raise when the connection is lost. openai 2 stands on httpx, openai 3 on httpx2."""
    library = import_module(package.DefaultAsyncHttpxClient.__mro__[1].__module__.partition(".")[0])
    return (library.RequestError, library.StreamError, SSLError, import_module("anyio").EndOfStream)


class OpenAIMind:
    """One call's mind. It remembers nothing: the history is all it is told."""

    def __init__(self, minds: Minds) -> None:
        self._minds, self._settings = minds, minds.settings

    @asynccontextmanager
    async def think(self, history: Sequence[Line]) -> AsyncIterator[AsyncIterator[Thought]]:
        async with aclosing(self._thoughts(history)) as thoughts:
            yield thoughts

    def committed(self, heard: str, complete: bool) -> None:
        """The history tells."""

    def _request(self, history: Sequence[Line]) -> dict[str, Any]:
        prompt = self._minds.prompt.strip()
        messages = [{"role": "system", "content": prompt}] if prompt else []
        roles = {"caller": "user", "agent": "assistant"}
        messages += [{"role": roles[line.who], "content": line.text} for line in history]
        optional = {"temperature": self._settings.temperature, "max_tokens": self._settings.max_tokens}
        chosen = {name: value for name, value in optional.items() if value is not None}
        return {"model": self._settings.model, "messages": messages, "stream": True, **chosen}

    async def _thoughts(self, history: Sequence[Line]) -> AsyncGenerator[Thought, None]:
        settings = self._settings
        until, late = trio.current_time() + settings.first, f"no words within {settings.first:g} s"
        with self._mapped(Unreachable), _deadline(until, late):
            chat = self._minds.client.chat.completions.with_raw_response
            response = (await chat.create(**self._request(history))).http_response
        chunks, events = response.aiter_bytes(), Events()
        finished = done = False
        try:
            with self._mapped(Garbled):
                while not done:
                    with _deadline(until, late):
                        chunk = await anext(chunks, None)
                    if chunk is None:
                        break
                    for data in events.feed(chunk):
                        until = trio.current_time() + settings.idle
                        late = f"no more words within {settings.idle:g} s"
                        if done := data == "[DONE]":
                            break
                        text, last = _read(data)
                        finished = finished or last
                        if text:
                            yield Token(text)
                # A connection can be used again only if its last answer was read to the end.
                with trio.move_on_after(_TAIL):
                    while await anext(chunks, None) is not None:
                        pass
        finally:
            await _leave(response, chunks, self._minds.lost)
        if not finished:
            raise Garbled(NAME, "the answer broke off in the middle")

    @contextmanager
    def _mapped(self, lost: type[ProviderError]) -> Iterator[None]:
        """Foreign exceptions as ours; `lost` is what a lost connection means at this point."""
        openai = self._minds.package
        try:
            yield
        except openai.APIStatusError as error:
            raise _refusal(error.status_code)(NAME, f"{error.status_code} {self._brief(error.message)}") from error
        except openai.APIConnectionError as error:
            raise lost(NAME, f"connection lost: {self._brief(error.__cause__ or error)}") from error
        except self._minds.lost as error:
            raise lost(NAME, f"connection lost: {self._brief(error)}") from error
        except _Complaint as error:
            raise error.kind(NAME, self._brief(error)) from error
        except (ValueError, openai.OpenAIError) as error:
            raise Garbled(NAME, f"not the stream of a chat completion: {self._brief(error)}") from error

    def _brief(self, text: object) -> str:
        """Enough of what a service said to know what it meant. Some repeat the key they were given."""
        line, key = " ".join(str(text).split()), self._minds.key.get_secret_value()
        line = line.replace(key, "***") if key != _NO_KEY else line
        return line if len(line) <= _LONGEST else line[: _LONGEST - 3] + "..."


async def _leave(response: Any, chunks: AsyncGenerator[bytes, None], lost: tuple[type[Exception], ...]) -> None:
    """End the stream now, wherever it is.

    A body is read through generators within generators. Left suspended, the inner ones would be found by the garbage
    collector; so they are driven to their end, which in a cancelled scope is the first place where they wait.
    """
    with trio.CancelScope() as scope:
        scope.cancel()
        with suppress(*lost):
            while await anext(chunks, None) is not None:
                pass
    with trio.move_on_after(_CLOSING, shield=True):
        await chunks.aclose()
        await response.aclose()


@contextmanager
def _deadline(until: float, late: str) -> Iterator[None]:
    try:
        with trio.fail_at(until):
            yield
    except trio.TooSlowError:
        raise Unreachable(NAME, late) from None


def _refusal(status: int) -> type[ProviderError]:
    if status in (429, 503, 529):
        return Overloaded
    return Unreachable if status >= 500 or status == 408 else Rejected


class _Complaint(Exception):
    """An error inside the stream: there is no status for it, only its code and type."""

    def __init__(self, error: Any) -> None:
        about = error if isinstance(error, dict) else {"message": error}
        super().__init__(str(about.get("message") or "an error without a message"))
        kind = f"{about.get('code')} {about.get('type')}"
        self.kind: type[ProviderError] = Unreachable
        if "rate_limit" in kind or "overloaded" in kind:
            self.kind = Overloaded
        elif any(word in kind for word in ("invalid", "not_found", "auth")):
            self.kind = Rejected


def _read(data: str) -> tuple[str, bool]:
    """Text of one event, and whether it is the last with any. Raises `ValueError` for what is no chunk at all.

    Other choices than the first, tool calls and reasoning are not spoken.
    """
    event = json.loads(data)
    if isinstance(event, dict) and event.get("error"):
        raise _Complaint(event["error"])
    try:
        if not (choices := event["choices"]):
            return "", False
        text, reason = choices[0].get("delta", {}).get("content"), choices[0].get("finish_reason")
    except (TypeError, KeyError, AttributeError):
        raise ValueError(f"an event without choices: {data}") from None
    if text is not None and not isinstance(text, str):
        raise ValueError(f"content that is not text: {data}")
    return text or "", reason is not None


def make(settings: dict[str, Any], agent: Agent) -> Minds:
    """A maker of one mind per call; its `aclose` closes the connections that they share. Raises `Misconfigured`."""
    whose = f"agent {agent.name}: mind {NAME}"
    chosen = checked(Settings, settings, whose)
    try:
        package = import_module("openai")
    except ImportError:
        raise Misconfigured(f"{whose} needs openai: pip install 'parlance[openai]'") from None
    return Minds(package, chosen, agent.prompt)
