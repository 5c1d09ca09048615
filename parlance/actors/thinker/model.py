"""What the protocols of language models have in common: the history in turns, calls of tools that come in pieces. Pure.

A wire turns a history into a request, and the data of one server-sent event after another into thoughts. What is wrong
with an event is a `ValueError`; what a service says itself is a `Complaint`. Who does the I/O makes provider errors of
them.
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from parlance.actors.thinker.port import Ask, Entry, Spent, Thought, Token, Tool, Use
from parlance.actors.verdict import verdict
from parlance.engine.errors import ProviderError, Withheld
from parlance.engine.text import encodable

OPENING = "(The call begins.)"
"""The first line of the caller for services that want one, where the agent has spoken first."""

WAITING = "(The caller waits for an answer.)"
"""The last line of the caller, where the agent has spoken last."""

MADE = "made-"
"""What ids begin with that were made here, for calls of tools that came without one."""
Name = Callable[[], str]
"""Makes such an id: unique in a call of the telephone."""

_ODD = re.compile(r"[^a-zA-Z0-9_-]")
_LONGEST = 64
_LONGEST_ID = 40
_DEEPEST = 50
"""Levels of values in each other that arguments may have, themselves the first."""


class Wire(Protocol):
    """One service's protocol, for one agent."""

    def request(self, history: Sequence[Entry], tools: Sequence[Tool]) -> dict[str, Any]:
        """The body of the request, for JSON."""

    def reply(self, name: Name) -> Reply:
        """What reads the answer to one request."""


class Complaint(Exception):
    """The service says that something is wrong; `kind` is whose turn it is."""

    def __init__(self, kind: type[ProviderError], message: object) -> None:
        super().__init__(str(message or "an error without a message"))
        self.kind = kind


class Reply(ABC):
    """The answer to one request, event by event."""

    def __init__(self) -> None:
        self.finished = False
        """The reply is whole: what may follow is how much it has cost."""
        self.done = False
        """Nothing follows any more."""
        self.said = False
        """There were words, or a tool was asked for."""
        self.idle = False
        """The last event was there to be there: it does not show that the service is at work."""
        self.denied = ""
        """Why the service has not said more, where it did not want to."""
        self.spent: Spent | None = None

    def read(self, data: str) -> list[Thought]:
        """The data of one event. Raises `ValueError` for what is none of this protocol, and `Complaint`."""
        whole = self.finished
        try:
            event = json.loads(data)
            if error := event.get("error") or (event.get("object") == "error" and event):
                raise _complaint(error)
            thoughts = self._take(event)
        except (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError, Complaint) as error:
            if whole:
                # Nothing that follows spoils what was said.
                self.done = True
                return []
            if isinstance(error, ValueError | Complaint):
                raise
            raise ValueError(f"no such event: {data[:100]}") from None
        self.said = self.said or bool(thoughts)
        return thoughts

    def end(self) -> list[Thought]:
        """The stream has ended. Raises `ValueError` if that was too early, and `Complaint` where nothing was said
        because the service did not want to.
        """
        if not self.finished:
            raise ValueError("the answer broke off in the middle")
        if self.denied and not self.said:
            raise Complaint(Withheld, self.denied)
        return [self.spent] if self.spent else []

    @abstractmethod
    def _take(self, event: dict[str, Any]) -> list[Thought]:
        """What one event says. Raises whatever reading what is not there raises."""


@dataclass(slots=True)
class _Call:
    id: str
    name: str = ""
    arguments: str = ""

    def ends_before(self, id: str, name: str, arguments: str) -> bool:
        """Whether a piece with this name begins another call."""
        if id and self.id:
            return id != self.id
        return name != self.name or bool(arguments.strip() and _whole(self.arguments))


class Calls:
    """Calls of tools whose names and arguments come in pieces."""

    def __init__(self, name: Name) -> None:
        self._name = name
        self._at: dict[object, _Call] = {}
        self._all: list[_Call] = []

    def add(self, at: object, id: object, name: object, arguments: object) -> None:
        """A piece of the call with the index `at`. Some services give each call the same index, and some each piece
        another id: a name with a new id is a new call, and one with more arguments after whole ones.
        """
        told, named, more, call = text(id), text(name), _piece(arguments), self._at.get(at)
        if call is None or (named and call.ends_before(told, named, more)):
            call = self._at[at] = _Call(told)
            self._all.append(call)
        call.id = call.id or told
        call.name = call.name or named
        call.arguments += more

    def more(self, at: object, arguments: object) -> None:
        """More of the arguments of the call with the index `at`, if there is one."""
        if call := self._at.get(at):
            call.arguments += text(arguments)

    def whole(self) -> list[Thought]:
        """All of them, in order. Raises `ValueError` for arguments that are no JSON object."""
        found: list[Thought] = [
            Ask(call.id or self._name(), call.name, arguments(call.arguments)) for call in self._all
        ]
        self._at, self._all = {}, []
        return found


def _piece(arguments: object) -> str:
    """Text; some services send an object."""
    return json.dumps(arguments) if isinstance(arguments, dict) else text(arguments)


def _whole(told: str) -> bool:
    try:
        return told.endswith("}") and arguments(told) is not None
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side said, or the agent asked for, without a word of the other's between."""

    who: str
    text: str
    uses: tuple[Use, ...] = ()


def turns(history: Sequence[Entry], *, opening: bool = False) -> list[Turn]:
    """The history: the agent's words stand with the uses of tools that follow them, and lines of one side are one.

    `opening`: the first turn has to be the caller's, as Anthropic, Gemini and many local models' templates want it.
    The last always is, or has results of tools: where something was said for the agent in between, the caller's
    question is still open.
    """
    found: list[Turn] = []
    for entry in history:
        last = found[-1] if found else None
        if isinstance(entry, Use):
            # Results come from anywhere, and may have what UTF-8 has not.
            entry = replace(entry, result=text(entry.result))
            # What a service wants back comes with the first use of a reply.
            if last and last.who == "agent" and not (last.uses and entry.opaque.partition(":")[2]):
                found[-1] = Turn("agent", last.text, (*last.uses, entry))
            else:
                found.append(Turn("agent", "", (entry,)))
        elif words := text(entry.text).strip():
            if last and last.who == entry.who and not last.uses:
                found[-1] = Turn(entry.who, f"{last.text} {words}")
            else:
                found.append(Turn(entry.who, words))
    if opening and (not found or found[0].who == "agent"):
        found.insert(0, Turn("caller", OPENING))
    if not found or (found[-1].who == "agent" and not found[-1].uses):
        found.append(Turn("caller", WAITING))
    return found


def text(value: object) -> str:
    """`value` if it is text, made encodable; nothing if it is nothing. Raises `ValueError`."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"{str(value)[:60]!r} where there should be text")
    return encodable(value)


def tokens(value: object) -> list[Thought]:
    """Words of the reply, if there are any. Raises `ValueError`."""
    words = text(value)
    return [Token(words)] if words else []


def arguments(told: str) -> dict[str, Any]:
    """A call's arguments, as JSON; nothing is none. Raises `ValueError`."""
    try:
        found = json.loads(told) if told.strip() else {}
    except (ValueError, RecursionError):
        found = told
    return sound(found)


def sound(told: object) -> dict[str, Any]:
    """A call's arguments, if they can be sent back as JSON: no NaN, no half characters, not nested without an end.
    Raises `ValueError`.
    """
    try:
        if isinstance(told, dict):
            _shallow(told, _DEEPEST)
            json.dumps(told, ensure_ascii=False, allow_nan=False).encode()
            return told
    except ValueError:
        pass
    raise ValueError(f"arguments that are no JSON object: {str(told)[:100]}")


def _shallow(value: object, deepest: int) -> None:
    """Raises `ValueError` if values stand in each other on more than `deepest` levels."""
    if deepest == 0:
        raise ValueError("nested too deep")
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _shallow(inner, deepest - 1)


def safe(name: str) -> str:
    """A name of a tool, or an id, as every service takes it: models invent some with other characters."""
    return _ODD.sub("_", name)[:_LONGEST] or "_"


def short(id: str) -> str:
    """An id as OpenAI takes it, which counts its characters. Long ones differ at their ends."""
    return id[-_LONGEST_ID:]


def count(usage: Mapping[str, Any], *names: str) -> int:
    """The sum of these numbers, of those that are there."""
    told = [usage.get(name) for name in names]
    return sum(number for number in told if isinstance(number, int) and number > 0)


def _complaint(error: Any) -> Complaint:
    """An error within a stream. Its code is a number with some services, a name with others."""
    about = error if isinstance(error, dict) else {"message": error}
    code, kind, told = (about.get(name) for name in ("code", "type", "message"))
    return Complaint(verdict(told, code, f"{code} {kind}"), told)
