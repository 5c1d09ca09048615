"""The rehearsal ear: the same words, on time."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from parlance.actors.listener import rehearsal
from parlance.actors.listener.port import Heard
from parlance.engine.errors import Misconfigured


async def test_interim_then_final_at_their_times(autojump_clock: MockClock) -> None:
    async with rehearsal.make({"text": "one two three"}).open() as hearing:
        words = aiter(hearing.words())
        start = trio.current_time()
        await hearing.begin(4)
        assert await anext(words) == Heard(4, "one two", final=False)
        assert trio.current_time() - start == pytest.approx(0.1)
        await trio.sleep(1)
        await hearing.end(4)
        assert await anext(words) == Heard(4, "one two three", final=True)
        assert trio.current_time() - start == pytest.approx(1.15)


async def test_nothing_comes_after_the_final(autojump_clock: MockClock) -> None:
    async with rehearsal.make({"delay": 0.01}).open() as hearing:
        words = aiter(hearing.words())
        await hearing.begin(1)
        await hearing.end(1)
        assert (await anext(words)).final
        with trio.move_on_after(10) as scope:
            await anext(words)
        assert scope.cancelled_caught


async def test_a_waiting_listener_hears_what_begins_later(autojump_clock: MockClock) -> None:
    heard: list[tuple[float, bool]] = []

    async def collect(hearing: rehearsal.RehearsalHearing) -> None:
        heard.extend([(round(trio.current_time() - start, 3), words.final) async for words in hearing.words()])

    start = trio.current_time()
    async with trio.open_nursery() as nursery:
        async with rehearsal.make({}).open() as hearing:
            nursery.start_soon(collect, hearing)
            await trio.sleep(1)
            await hearing.begin(1)
            await trio.sleep(1)
            await hearing.end(1)
            await trio.sleep(1)
    assert heard == [(1.1, False), (2.05, True)]


def test_wrong_settings_are_named() -> None:
    with pytest.raises(Misconfigured, match=r"delay.*txt"):
        rehearsal.make({"delay": -1, "txt": ""})
