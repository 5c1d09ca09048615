"""The ledger of a reply of which parts were muted: what was heard is what was sent and no silence in its place."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parlance.actors.media.playout import Playout
from parlance.actors.media.span import Span
from parlance.codecs.format import TELEPHONE

WORDS = "One two three four five six seven eight nine ten."


def perform(changes: list[tuple[int, str]], *, clears: bool, seconds: int = 3) -> tuple[bytes, Playout, float]:
    """A reply of two phrases, and what happens in which beat; what an ear without delay has heard, and the time."""
    playout = Playout(TELEPHONE, lead=0.3, batch=0.1, marks=False, clears=clears)
    playout.stage(1)
    half = seconds * 4000
    for phrase in (1, 2):
        playout.phrase(WORDS)
        playout.add(bytes([phrase]) * half)
    playout.complete()
    heard, buffer, held = bytearray(), bytearray(), False
    beat = 0
    while beat < 1000 and not playout.played(beat / 50):
        now = beat / 50
        for at, change in changes:
            if at != beat:
                continue
            if change == "hold":
                playout.hold(now)
            elif change == "release":
                playout.release()
            cleared = change == "hold" if change in ("hold", "release") else playout.mute(change == "mute", now)
            if cleared and clears:
                buffer.clear()
        held = playout.held
        while (due := playout.due(now)) is not None:
            buffer += due[0]
        if held and beat > max(at for at, _ in changes):
            playout.release()
        heard += buffer[:160]
        del buffer[:160]
        beat += 1
    # What cannot be thrown away is heard, however late.
    heard += buffer if not clears else b""
    return bytes(heard), playout, beat / 50


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 160), st.sampled_from(["mute", "unmute", "hold", "release"])), min_size=1, max_size=8
    ),
    st.booleans(),
)
def test_what_was_heard_is_what_came_to_the_ear(changes: list[tuple[int, str]], clears: bool) -> None:
    heard, playout, now = perform(changes, clears=clears)
    spoken = len(heard.replace(b"\xff", b""))
    told = playout.finish(now)
    # The ear here takes whole frames, and the clock counts samples.
    assert told.seconds * 8000 == pytest.approx(spoken, abs=160 * len(changes))
    assert told.complete == (told.seconds >= 3.0)
    assert len(told.text) <= 2 * len(WORDS) + 1
    assert set(told.text.split()) <= set(WORDS.split())
    if told.complete:
        assert told.text == f"{WORDS} {WORDS}"


def test_nothing_is_skipped_when_the_agent_is_muted_and_unmuted_at_once() -> None:
    heard, playout, now = perform([(50, "mute"), (50, "unmute")], clears=True)
    assert len(heard.replace(b"\xff", b"")) == 24000
    assert playout.finish(now).complete


@pytest.mark.parametrize(
    ("gaps", "heard", "words"),
    [
        ([], 100, "one two three four"),
        ([], 50, "one two"),
        ([(0, 100)], 100, ""),
        ([(0, 40)], 100, "three four"),
        ([(0, 50)], 100, "four"),
        ([(50, 100)], 100, "one two"),
        ([(30, 60)], 100, "one four"),
        ([(0, 20), (80, 100)], 100, "two three"),
        ([(60, 200)], 200, "one two"),
    ],
)
def test_the_words_of_a_phrase_with_gaps(gaps: list[tuple[int, int]], heard: int, words: str) -> None:
    assert Span("one two three four", 0, 100, 100).heard(heard, 100, gaps) == words
