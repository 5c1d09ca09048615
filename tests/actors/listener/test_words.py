"""The listener and the words of its ear: those that come, come late or never, and what a new ear is given again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from pen import BEAT, DELAY, Pen, Room, room

from parlance.actors.listener.actor import PREROLL
from parlance.actors.listener.port import Heard
from parlance.actors.listener.utterance import KEEP, joined
from parlance.engine.effort import ProviderFailed
from parlance.engine.errors import Unreachable


async def test_the_final_words_end_the_turn_with_the_times_of_the_caller(autojump_clock: object) -> None:
    pen = Pen()
    async with room(pen) as house:
        await house.utter(1.0)
        assert house.desk.told == []
        await house.pass_time(0.1)
        pen.say(1, "  good morning ")
        await house.pass_time(0.1)
    assert house.desk.told == [("said", 1, "good morning")]
    stopped, decided, told = house.desk.times
    assert decided - stopped == pytest.approx(DELAY, abs=BEAT)
    assert told - decided == pytest.approx(0.12, abs=2 * BEAT)


async def test_interim_words_are_told_when_they_change(autojump_clock: object) -> None:
    pen = Pen()
    async with room(pen) as house:
        house.began()
        for text in ("good", "good", " ", "good morning"):
            pen.say(1, text, final=False)
            await house.pass_time(0.1)
    assert house.desk.told == [("words", 1, "good"), ("words", 1, "good morning")]


async def test_interim_words_that_dangle_keep_the_turn_open(autojump_clock: object) -> None:
    pen = Pen()
    async with room(pen) as house:
        house.began()
        await house.pass_time(0.5)
        pen.say(1, "i would like to", final=False)
        house.ended()
        await house.pass_time(1.1)
        assert ("end", 1) not in pen.log
        await house.pass_time(0.2)
        assert ("end", 1) in pen.log


MISSED = ProviderFailed("ear", "pen", "pen: no final words within 2 s of the end of the turn: those that came count")


def settled(house: Room) -> list[Any]:
    """What was told but for interim words."""
    return [event for event in house.desk.told if isinstance(event, ProviderFailed) or event[0] != "words"]


@pytest.mark.parametrize(
    ("interim", "outcome"), [("", [("unheard", 1, 1.0)]), ("good morning", [MISSED, ("said", 1, "good morning")])]
)
async def test_a_transcript_that_never_comes_is_waited_for_no_longer_than_its_limit(
    interim: str, outcome: list[Any], autojump_clock: object
) -> None:
    pen = Pen()
    async with room(pen, limit=2.0) as house:
        await house.pass_time(3 * BEAT)
        house.began()
        await house.pass_time(0.5)
        if interim:
            pen.say(1, interim, final=False)
        await house.pass_time(0.64)
        house.ended()
        await house.pass_time(DELAY - 0.2 + BEAT)
        assert settled(house) == []
        await house.pass_time(1.9)
        assert settled(house) == []
        await house.pass_time(0.2)
        assert settled(house) == outcome
        pen.say(1, "too late")
        pen.say(1, "far too late", final=False)
        await house.pass_time(5.0)
    assert settled(house) == outcome, "what comes late is ignored"
    assert ("words", 1, "far too late") not in house.desk.told


async def test_an_empty_transcript_says_how_long_the_caller_was_heard(autojump_clock: object) -> None:
    pen = Pen()
    async with room(pen) as house:
        await house.utter(1.0)
        pen.say(1, "  ")
        await house.pass_time(0.1)
    assert house.desk.told == [("unheard", 1, 1.0)]


async def test_many_utterances_and_an_ear_that_answers_late_and_never_for_another(autojump_clock: object) -> None:
    pen = Pen()
    async with room(pen, limit=6.0) as house:
        for number in range(1, 9):
            await house.utter(0.2)
            if number > 2:
                pen.say(number - 2, f"words {number - 2}")
        pen.say(7, "words 7")
        pen.say(8, "words 8")
        pen.say(8, "words 8 again")
        pen.say(99, "nobody's words")
        await house.pass_time(5.0)
    assert house.desk.told == [("said", number, f"words {number}") for number in range(1, 9)]


async def test_a_new_ear_in_mid_utterance_is_given_the_utterance_again(autojump_clock: object) -> None:
    pen = Pen()
    async with room(pen) as house:
        await house.pass_time(1.0)
        house.began()
        await house.pass_time(0.5)
        pen.breaks = "anything"
        await house.pass_time(0.1)
        before = len(pen.log)
        await house.pass_time(0.4)
        house.ended()
        await house.pass_time(DELAY)
        pen.say(1, "good morning")
        await house.pass_time(0.1)
    assert pen.opened == 2
    assert [str(error) for error in house.failed] == ["pen: it is empty"]
    assert ("begin", 1) in pen.log[before - 2 :]
    again = pen.log.index(("begin", 1), 1)
    frames = pen.frames(again)
    assert frames[0] == 50 - PREROLL, "from its beginning, and nothing from before it"
    assert frames == list(range(frames[0], frames[0] + len(frames)))
    assert pen.log[-1] == ("end", 1)
    assert house.desk.told == [("said", 1, "good morning")]


async def test_a_new_ear_gets_the_last_two_seconds_of_a_long_utterance(autojump_clock: object) -> None:
    pen = Pen()
    async with room(pen) as house:
        house.began()
        await house.pass_time(10.0)
        pen.breaks = "anything"
        await house.pass_time(0.1)
        await house.pass_time(0.1)
    again = pen.log.index(("begin", 1), 1)
    first = next(what for verb, what in pen.log[again:] if verb == "audio")
    assert len(first) == KEEP


async def test_an_ear_that_fails_when_it_is_asked_for_the_words_is_asked_again(autojump_clock: object) -> None:
    pen = Pen()
    pen.breaks = "end"
    async with room(pen) as house:
        await house.utter(0.5)
        assert house.failed
        await house.pass_time(0.1)
        assert pen.verbs() == [("begin", 1), ("end", 1)] * 2
        pen.say(1, "good morning")
        await house.pass_time(0.1)
    assert house.desk.told == [("said", 1, "good morning")]


async def test_a_new_ear_does_not_hear_one_utterance_in_another(autojump_clock: object) -> None:
    pen = Pen()
    async with room(pen) as house:
        await house.utter(0.3)
        first_ended = house.next
        await house.pass_time(0.4)
        house.began()
        await house.pass_time(0.3)
        pen.breaks = "anything"
        await house.pass_time(0.1)
        await house.pass_time(0.3)
    again = pen.log[pen.log.index(("begin", 1), 1) :]
    verbs = [entry for entry in again if entry[0] != "audio"]
    assert verbs == [("begin", 1), ("end", 1), ("begin", 2)], "both are still waited for"
    split = again.index(("begin", 2))
    of_first = [number for verb, what in again[:split] if verb == "audio" for number in what]
    of_second = [number for verb, what in again[split:] if verb == "audio" for number in what]
    assert max(of_first) < first_ended <= min(of_second)


async def test_an_ear_that_stops_by_itself_has_failed(autojump_clock: object) -> None:
    pen = Pen()
    async with room(pen) as house:
        await house.pass_time(0.1)
        pen.stop()
        await house.pass_time(0.1)
        assert pen.opened == 2
        assert "stopped listening" in str(house.failed[0])
        await house.utter(0.5)
        pen.say(1, "good morning")
        await house.pass_time(0.1)
    assert house.desk.told == [("said", 1, "good morning")]


async def test_an_ear_that_fails_by_itself_says_why(autojump_clock: object) -> None:
    class Breaking(Pen):
        """One that fails in a task of its own, as a reader of a socket does."""

        @asynccontextmanager
        async def open(self, told: Callable[[Heard], None]) -> AsyncIterator[Pen]:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.read)
                async with super().open(told) as hearing:
                    yield hearing
                nursery.cancel_scope.cancel()

        async def read(self) -> None:
            await trio.sleep(1.0 if self.opened == 1 else 1000.0)
            raise Unreachable("pen", "the socket has closed")

    pen = Breaking()
    async with room(pen) as house:
        await house.pass_time(0.5)
        house.began()
        await house.pass_time(1.0)
        assert [str(error) for error in house.failed] == ["pen: the socket has closed"]
        house.ended()
        await house.pass_time(DELAY)
        pen.say(1, "good morning")
    assert pen.verbs() == [("begin", 1), ("begin", 1), ("end", 1)]
    assert house.desk.told == [("said", 1, "good morning")]


async def test_what_an_ear_that_failed_had_heard_of_a_long_utterance_is_kept(autojump_clock: object) -> None:
    pen = Pen()
    async with room(pen) as house:
        house.began()
        await house.pass_time(4.0)
        pen.say(1, "i would like to make an appointment on", final=False)
        await house.pass_time(0.1)
        pen.breaks = "anything"
        await house.pass_time(0.3)
        house.ended()
        await house.pass_time(DELAY * 4)
        pen.say(1, "appointment on monday")
        await house.pass_time(0.1)
    assert house.desk.told[-1] == ("said", 1, "i would like to make an appointment on monday")


@pytest.mark.parametrize(
    ("before", "after", "whole"),
    [
        ("", "  good morning", "  good morning"),
        ("good", "", "good"),
        ("one two", "three", "one two three"),
        ("one two", "two three", "one two three"),
        ("one two", "one two", "one two"),
        ("no no no", "no no yes", "no no no yes"),
    ],
)
def test_words_that_two_ears_heard_are_not_said_twice(before: str, after: str, whole: str) -> None:
    assert joined(before, after) == whole
