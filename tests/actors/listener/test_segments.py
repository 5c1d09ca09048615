"""Segments of a stream, and whose words they are."""

from __future__ import annotations

from parlance.actors.listener.port import Heard
from parlance.actors.listener.segments import Segment, Segments


def interim(start: float, stop: float, text: str) -> Segment:
    return Segment(start, stop, text, final=False)


def final(start: float, stop: float, text: str, *, paused: bool = False, asked: bool = False) -> Segment:
    return Segment(start, stop, text, True, paused, asked)


def test_interims_replace_each_other_and_finals_add_up() -> None:
    segments = Segments()
    segments.begin(1, 0.0)
    assert segments.add(interim(0, 0.5, "I")) == Heard(1, "I", False)
    assert segments.add(interim(0, 1.0, "I would")) == Heard(1, "I would", False)
    assert segments.add(final(0, 1.5, "I would like")) == Heard(1, "I would like", False)
    assert segments.add(interim(1.5, 2.0, "to go")) == Heard(1, "I would like to go", False)
    assert segments.end(1, 2.5) is None
    assert segments.add(final(1.5, 2.5, "to go home.", asked=True)) == Heard(1, "I would like to go home.", True)
    assert segments.give_up(1) is None


def test_a_segment_belongs_to_the_utterance_whose_audio_it_is_of() -> None:
    segments = Segments()
    segments.begin(1, 0.0)
    segments.end(1, 2.0)
    segments.begin(2, 2.0)
    assert segments.add(interim(2.0, 3.0, "second")) == Heard(2, "second", False)
    assert segments.add(final(0.0, 2.0, "first", asked=True)) == Heard(1, "first", True)
    assert segments.end(2, 3.5) is None
    assert segments.add(final(2.0, 3.5, "second one", asked=True)) == Heard(2, "second one", True)


def test_what_comes_after_an_utterance_is_over_is_nobody_s() -> None:
    segments = Segments()
    segments.begin(1, 0.0)
    segments.add(interim(0, 1, "so far"))
    segments.end(1, 2.0)
    assert segments.give_up(1) == Heard(1, "so far", True)
    assert segments.give_up(1) is None
    segments.begin(2, 2.0)
    assert segments.add(final(0.0, 2.0, "so far, so good", asked=True)) is None
    assert segments.add(interim(2.0, 2.5, "next")) == Heard(2, "next", False)


def test_an_empty_answer_at_the_very_end_settles_the_utterance() -> None:
    segments = Segments()
    segments.begin(1, 0.0)
    segments.add(final(0, 2.0, "all of it"))
    segments.end(1, 2.0)
    assert segments.add(final(2.0, 2.0, "", asked=True)) == Heard(1, "all of it", True)


def test_a_pause_that_the_service_heard_makes_words_final_before_they_are_asked_for() -> None:
    segments = Segments()
    segments.begin(1, 0.0)
    segments.add(final(0, 1.8, "yes please", paused=True))
    assert segments.end(1, 2.0) == Heard(1, "yes please", True)


def test_a_pause_is_no_end_if_words_or_much_audio_came_after_it() -> None:
    spoke = Segments()
    spoke.begin(1, 0.0)
    spoke.add(final(0, 1.8, "yes please", paused=True))
    spoke.add(interim(1.8, 1.9, "and"))
    assert spoke.end(1, 2.0) is None
    long = Segments()
    long.begin(1, 0.0)
    long.add(final(0, 1.0, "yes please", paused=True))
    assert long.end(1, 2.0) is None
    assert long.add(final(1.0, 2.0, "", paused=True)) == Heard(1, "yes please", True)
