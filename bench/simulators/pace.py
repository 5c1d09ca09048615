"""How the answers of simulated services go out: at their pace, with their fate."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import trio

from bench.simulators.conduct import HUGE, STALL, Conduct, Cut, Fate
from bench.simulators.door import Answer

_WORD = re.compile(r"\s*\S+(?:\s+\Z)?|\s+\Z")
_FRAGMENT = 6
_DATA = b"data: "

OVERLOADED = 529
PROMPT = 20
"""Tokens that every prompt has."""
PIECE = 0.1
"""Seconds of audio that voices send at a time."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reply:
    """A streamed answer: server-sent events as they go over the wire."""

    head: bytes
    """What goes out with the first piece."""
    pieces: Sequence[bytes]
    """An event for each word, or for each fragment of a tool call's arguments."""
    tail: bytes
    event: Callable[[Any], bytes]
    """The event that carries this text; what is no text makes it one of the wrong types."""
    complaint: bytes = b""
    """Said before a cut, if `OVERLOADED` is among the statuses of errors."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a tool; `number` counts from 1 in one `Conduct`."""

    number: int
    name: str
    arguments: dict[str, Any]


def words(text: str) -> list[str]:
    """`text` in pieces of a word each; together they are the text."""
    return _WORD.findall(text)


def fragments(call: Call) -> list[str]:
    """The arguments as JSON, in two pieces at least."""
    text = json.dumps(call.arguments, ensure_ascii=False)
    size = min(_FRAGMENT, len(text) // 2)
    return [text[at : at + size] for at in range(0, len(text), size)]


def chosen(conduct: Conduct, fate: Fate, declared: Collection[str]) -> Call | None:
    """The next call of `Conduct.tools`, if this request declares its tool."""
    if fate is Fate.EMPTY or not conduct.tools or conduct.tools[0][0] not in declared:
        return None
    name, arguments = conduct.tools.popleft()
    conduct.requests["tool call"] += 1
    return Call(conduct.requests["tool call"], name, arguments)


def event(message: Mapping[str, Any], name: str = "", newline: bytes = b"\n") -> bytes:
    """A server-sent event of JSON, in UTF-8 as it is."""
    head = b"event: " + name.encode() + newline if name else b""
    return head + _DATA + json.dumps(message, ensure_ascii=False).encode() + newline * 2


async def think(answer: Answer, fate: Fate, conduct: Conduct, reply: Reply) -> None:
    """Send a mind's reply after `chat_delay`, at `chat_pace`."""
    start = trio.current_time() + conduct.late(conduct.chat_delay)
    complain = OVERLOADED in conduct.statuses
    await stream(answer, fate, reply, start=start, speed=conduct.chat_pace, complain=complain)


async def stream(
    answer: Answer, fate: Fate, reply: Reply, *, start: float, speed: float = 1e9, complain: bool = False
) -> None:
    """Send `reply` from `start` on, `speed` pieces a second."""
    await trio.sleep_until(start)
    answer.begin("text/event-stream")
    pieces = _spoiled(reply, fate)
    sent = 0
    while sent < len(pieces):
        await trio.sleep_until(start + sent / speed)
        due = max(sent + 1, int((trio.current_time() - start) * speed) + 1)
        await answer.piece((b"" if sent else reply.head) + b"".join(pieces[sent:due]))
        sent = due
        if fate is Fate.CUT and complain and reply.complaint:
            await answer.piece(reply.complaint)
        await broken(fate)
    await answer.piece((b"" if sent else reply.head) + reply.tail)
    await answer.end()


async def ponder(conduct: Conduct, said: int) -> None:
    """The time of a mind's answer that comes whole, of so many pieces."""
    await trio.sleep(conduct.late(conduct.chat_delay) + said / conduct.chat_pace)


async def whole(answer: Answer, fate: Fate, text: str, message: Callable[[Any], Mapping[str, Any]]) -> None:
    """Send an answer that is one JSON object: `message` with this text in it."""
    wrong: dict[Fate, Any] = {Fate.TYPES: 7, Fate.HUGE: "x" * HUGE if fate is Fate.HUGE else "", Fate.EMPTY: ""}
    body = message(wrong.get(fate, text))
    if fate not in (Fate.CUT, Fate.STALL, Fate.HALF):
        await answer.whole(200, body)
        return
    data = json.dumps(body).encode()
    answer.begin("application/json")
    await answer.piece(data[: len(data) // 2])
    await broken(fate)
    await answer.end()


def spoken(pieces: Iterable[T], conduct: Conduct) -> Iterator[tuple[float, T]]:
    """Each piece of audio, and when it is due: the first now."""
    start = trio.current_time()
    for number, piece in enumerate(pieces):
        yield start + number * PIECE / conduct.tts_pace, piece


async def broken(fate: Fate, stop: trio.Event | None = None) -> None:
    """What happens in the middle of an answer; it stalls until it is told to stop, or goes on. Raises `Cut`."""
    if fate is Fate.CUT:
        raise Cut
    if fate is Fate.STALL:
        await stopped(stop, trio.current_time() + STALL)


async def stopped(stop: trio.Event | None, until: float) -> bool:
    """Wait until then, or until it is told to stop; which of them it was."""
    if stop is None:
        await trio.sleep_until(until)
        return False
    with trio.move_on_at(until):
        await stop.wait()
    return stop.is_set()


def _spoiled(reply: Reply, fate: Fate) -> Sequence[bytes]:
    """The events of an answer that has words, the second of them spoiled if that is its fate."""
    if fate is Fate.EMPTY:
        return []
    if fate not in (Fate.HALF, Fate.TYPES, Fate.HUGE):
        return reply.pieces
    pieces = list(reply.pieces)
    at = min(1, len(pieces) - 1)
    if fate is Fate.HALF:
        head, _, data = pieces[at].partition(_DATA)
        end = b"\r\n\r\n" if data.endswith(b"\r\n") else b"\n\n"
        pieces[at] = head + _DATA + data[: len(data) // 2] + end
    else:
        pieces[at] = reply.event(7 if fate is Fate.TYPES else "x" * HUGE)
    return pieces
