"""The rehearsal mind: forty words, on time."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from parlance.actors.thinker import rehearsal
from parlance.actors.thinker.port import Line, Token
from parlance.engine.errors import Misconfigured


async def test_forty_words_at_a_hundred_a_second_after_a_tenth(autojump_clock: MockClock) -> None:
    start = trio.current_time()
    times, text = [], ""
    async with rehearsal.make({})().think([Line("caller", "hello")]) as thoughts:
        async for thought in thoughts:
            assert isinstance(thought, Token)
            times.append(trio.current_time() - start)
            text += thought.text
    assert times == pytest.approx([0.1 + n / 100 for n in range(40)])
    assert text == rehearsal.REPLY
    assert text.count(".") == 4


async def test_a_longer_reply_begins_again_and_none_is_none(autojump_clock: MockClock) -> None:
    for words in (0, 45):
        async with rehearsal.make({"words": words})().think([]) as thoughts:
            text = "".join([thought.text async for thought in thoughts if isinstance(thought, Token)])
        assert len(text.split()) == words


def test_each_call_has_a_mind_of_its_own() -> None:
    maker = rehearsal.make({})
    assert maker() is not maker()


def test_wrong_settings_are_named() -> None:
    with pytest.raises(Misconfigured, match=r"pace.*wrds"):
        rehearsal.make({"pace": 0, "wrds": 1})
