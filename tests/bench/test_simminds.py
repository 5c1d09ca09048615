"""What all simulated minds share: they say any text at their pace, and meet every fate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from simclient import asking, calm, events, like_one_of, parsed, recorded, until_cut

from bench.simulators import pace
from bench.simulators.conduct import HUGE, Fate
from parlance.actors.thinker.rehearsal import REPLY


def _chat(event: dict[str, Any]) -> Any:
    return "".join(choice["delta"].get("content") or "" for choice in event["choices"])


def _messages(event: dict[str, Any]) -> Any:
    return event.get("delta", {}).get("text", "")


def _gemini(event: dict[str, Any]) -> Any:
    return "".join(part["text"] for one in event["candidates"] for part in one["content"].get("parts", ()))


@dataclass(frozen=True)
class Mind:
    door: str
    path: str
    body: dict[str, Any]
    said: Callable[[dict[str, Any]], Any]
    wire: str
    end: str
    """What the last event has in it."""
    headers: dict[str, str] = field(default_factory=dict)

    async def raw(self, client: httpx.AsyncClient) -> bytes:
        return (await client.post(self.path, json=self.body, headers=self.headers)).content


TURN = [{"role": "user", "content": "hello"}]
PARTS = [{"role": "user", "parts": [{"text": "hello"}]}]
CHAT = {"model": "m", "messages": TURN, "stream": True}
STREAM = "/v1beta/models/m:streamGenerateContent?alt=sse"
VERSION = {"anthropic-version": "2026-10-21"}
MINDS = {
    "openai": Mind("openai", "/v1/chat/completions", CHAT, _chat, "chat", "[DONE]"),
    "azure": Mind("azureopenai", "/openai/deployments/d/chat/completions?api-version=1", CHAT, _chat, "chat", "[DONE]"),
    "anthropic": Mind(
        "anthropic", "/v1/messages", CHAT | {"max_tokens": 9}, _messages, "anthropic", "message_stop", VERSION
    ),
    "gemini": Mind("gemini", STREAM, {"contents": PARTS}, _gemini, "gemini", '"STOP"'),
}


@pytest.fixture(params=MINDS)
def mind(request: pytest.FixtureRequest) -> Mind:
    return MINDS[request.param]


@pytest.mark.parametrize(
    "text", ["", "one", " two\n words ", "\u4f60\u597d\uff0c\u4e16\u754c", "a \U0001f600 <break/> & 'b' \\ \"c\""]
)
async def test_it_says_what_it_is_told_to(mind: Mind, text: str) -> None:
    conduct = calm()
    conduct.text = text
    async with asking(mind.door, conduct) as client:
        told = events(await mind.raw(client))
    assert mind.end in told[-1]
    assert "".join(map(mind.said, parsed(told))) == (text or REPLY)


async def test_its_messages_have_what_the_recorded_ones_have(mind: Mind) -> None:
    async with asking(mind.door, calm()) as client:
        told = parsed(events(await mind.raw(client)))
    assert len(told) >= len(REPLY.split())
    assert [event for event in told if not like_one_of(event, recorded(mind.wire))] == []


@pytest.mark.swift
async def test_it_keeps_its_pace(mind: Mind) -> None:
    conduct = calm()
    conduct.chat_delay, conduct.chat_pace, conduct.text = 0.1, 10.0, "one two three four"
    start = trio.current_time()
    async with asking(mind.door, conduct) as client:
        await mind.raw(client)
    assert trio.current_time() - start == pytest.approx(0.4)


@pytest.mark.parametrize("fate", [Fate.HALF, Fate.TYPES, Fate.HUGE, Fate.EMPTY])
async def test_an_answer_is_spoiled_and_ends_well(mind: Mind, fate: Fate) -> None:
    conduct = calm()
    conduct.fates.append(fate)
    async with asking(mind.door, conduct) as client:
        told = events(await mind.raw(client))
        assert "".join(map(mind.said, parsed(events(await mind.raw(client))))) == REPLY
    assert mind.end in told[-1]
    unreadable = len([data for data in told if data != "[DONE]"]) - len(parsed(told))
    assert unreadable == (fate is Fate.HALF)
    if fate is not Fate.TYPES:
        said = "".join(map(mind.said, parsed(told)))
        assert {Fate.HALF: 100, Fate.HUGE: HUGE, Fate.EMPTY: -1}[fate] < len(said) < HUGE + 1000
        assert bool(said) != (fate is Fate.EMPTY)
    else:
        with pytest.raises(TypeError):
            "".join(mind.said(event) for event in parsed(told))


async def test_it_is_cut_in_the_middle(mind: Mind) -> None:
    conduct = calm()
    conduct.fates.append(Fate.CUT)
    async with asking(mind.door, conduct) as client:
        got = await until_cut(client, mind.path, json=mind.body, headers=mind.headers)
    assert REPLY.startswith("".join(map(mind.said, parsed(events(got)))))
    assert mind.end not in got.decode()


@pytest.mark.swift
async def test_it_stalls_in_the_middle(mind: Mind) -> None:
    conduct = calm()
    conduct.fates.append(Fate.STALL)
    async with asking(mind.door, conduct) as client:
        async with client.stream("POST", mind.path, json=mind.body, headers=mind.headers, timeout=10) as answer:
            with pytest.raises(httpx.ReadTimeout):
                await answer.aread()
        assert answer.status_code == 200


@pytest.mark.parametrize(("fate", "status"), [(Fate.ERROR, 503), (Fate.SILENT, 0)])
@pytest.mark.swift
async def test_it_does_not_answer(mind: Mind, fate: Fate, status: int) -> None:
    conduct = calm()
    conduct.fates.append(fate)
    conduct.statuses = (status,)
    async with asking(mind.door, conduct) as client:
        if status:
            assert (await client.post(mind.path, json=mind.body, headers=mind.headers)).status_code == status
        else:
            with pytest.raises(httpx.ReadTimeout):
                await client.post(mind.path, json=mind.body, headers=mind.headers, timeout=10)
    assert conduct.requests[f"{httpx.URL(mind.path).path} {fate.value}"] == 1


@given(st.text())
def test_the_words_are_the_text(text: str) -> None:
    assert "".join(pace.words(text)) == text


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=9), max_size=3))
def test_arguments_come_in_several_pieces(arguments: dict[str, str]) -> None:
    pieces = pace.fragments(pace.Call(1, "f", arguments))
    assert len(pieces) > 1
    assert all(pieces)
    assert parsed(["".join(pieces)]) == [arguments]
