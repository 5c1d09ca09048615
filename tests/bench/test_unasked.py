"""What an agent does that nobody has asked for is found, and what it is asked for is not blamed."""

from __future__ import annotations

from typing import Any

import pytest
from records import REPLY, answered, barge_in, call, concluded, play, turn

from bench.measure.record import Record, Said


def unasked(*records: Record, **more: Any) -> tuple[int, int]:
    turns = concluded(*records, **more)["turns"]
    return turns["unasked_clears"], turns["unasked_sound"]


def test_an_answer_and_a_barge_in_and_a_cough_are_asked_for() -> None:
    assert unasked(*answered()) == (0, 0)
    assert unasked(barge_in(0.075)) == (0, 0)
    record, ear = call(turn(1.0), Said("cough", 4.3, 4.54))
    play(ear, 3.1, 1.26)
    ear.clear(4.37)
    play(ear, 5.0, REPLY - 1.27)
    assert unasked(record) == (0, 0)


def test_a_clear_without_an_utterance_is_counted_and_the_hole_after_it_is_a_gap() -> None:
    record, ear = call(turn(1.0))
    play(ear, 3.1, 1.2)
    ear.clear(4.25)
    play(ear, 6.25, REPLY - 1.15)
    found = concluded(record)
    assert found["turns"]["unasked_clears"] == 1
    assert found["gaps"] == {"count": 1, "worst_ms": pytest.approx(2000, abs=0.2)}


def test_a_clear_and_silence_is_counted_and_cuts_the_reply_short() -> None:
    record, ear = call(turn(1.0))
    play(ear, 3.1, 1.2)
    ear.clear(4.25)
    found = concluded(record)["turns"]
    assert found | {"unasked_clears": 1, "cut_short": 1, "failed": 1} == found


def test_an_utterance_that_the_end_cut_off_asks_for_a_clear_too() -> None:
    record, ear = call(turn(1.0))
    play(ear, 3.1, REPLY)
    ear.clear(8.1)
    assert unasked(record, end=9.0) == (1, 0)
    record.talking = 8.0
    assert unasked(record, end=9.0) == (0, 0)


@pytest.mark.parametrize("at", [0.2, 1.4, 9.0])
def test_sound_without_a_turn_is_counted(at: float) -> None:
    record, ear = call(turn(1.0))
    if at < 3:
        play(ear, at, 0.6)
    play(ear, 3.1, REPLY)
    if at > 3:
        play(ear, at, 0.6)
    assert unasked(record) == (0, 1)


def test_the_tail_of_a_reply_and_a_reply_that_froze_are_no_unasked_sound() -> None:
    record, ear = call(turn(1.0))
    play(ear, 3.1, 0.95 * REPLY)
    play(ear, 3.1 + REPLY + 0.5, 0.05 * REPLY)
    assert unasked(record) == (0, 0)
    record, ear = call(turn(1.0))
    play(ear, 3.1, 1.2)
    play(ear, 8.0, REPLY - 1.2)
    assert unasked(record) == (0, 0)


def test_an_utterance_of_which_the_server_heard_the_end_may_be_answered() -> None:
    record, ear = call()
    play(ear, 3.1, REPLY)
    assert unasked(record) == (0, 1)
    record.partial = [turn(1.0)]
    assert unasked(record) == (0, 0)
