"""The jitter buffer: what comes out is what was said, in order, whatever the way did to it."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parlance.actors.media.jitter import BACK, MOST, WINDOW, JitterStatistics, Sequencer
from parlance.codecs import mulaw
from parlance.codecs.format import TELEPHONE, Format
from parlance.engine.errors import LineError

FRAME = TELEPHONE.frame
WIDE = Format("pcm16", 16000)


def frame(number: int) -> bytes:
    """A frame that nobody can take for another."""
    return bytes([number % 256]) * FRAME


def stream(rate: float | None, *numbers: int, line: Format = TELEPHONE) -> tuple[Sequencer, list[bytes]]:
    """Frames placed in this order: the buffer, and what came out of each placing."""
    step = 1 if rate is None else rate / 50
    buffer = Sequencer(line, rate=rate)
    return buffer, [buffer.place(number * step, frame(number)) or b"" for number in numbers]


def test_in_order_a_frame_is_handed_on_itself() -> None:
    buffer = Sequencer(TELEPHONE)
    audio = frame(1)
    assert all(buffer.place(number, audio) is audio for number in range(5))
    assert buffer.statistics() == JitterStatistics()


@st.composite
def disordered(draw: st.DrawFn) -> list[int]:
    """Numbers from 0 on of which none is overtaken by more than the window holds."""
    left, out = list(range(draw(st.integers(1, 40)))), []
    while left:
        # The first one that is missing may be overtaken by WINDOW others, all in all.
        ahead = len([number for number in out if number > left[0]])
        out.append(left.pop(draw(st.integers(0, WINDOW)) if ahead < WINDOW and len(left) > WINDOW else 0))
    return out


@given(disordered(), st.sampled_from([None, 1000.0, 8000.0]))
def test_any_disorder_within_the_window_comes_out_in_order(numbers: list[int], rate: float | None) -> None:
    # The first frame says where the stream begins: what was before it is too late.
    numbers = [0, *(number + 1 for number in numbers)]
    buffer, out = stream(rate, *numbers)
    assert b"".join(out) == b"".join(frame(number) for number in sorted(numbers))
    assert buffer.statistics() == JitterStatistics()


@pytest.mark.parametrize("rate", [None, 1000.0])
def test_a_frame_that_does_not_come_is_concealed_once_the_window_is_full(rate: float | None) -> None:
    buffer, out = stream(rate, 0, 1, 3, 4, 5, 6)
    assert [len(part) // FRAME for part in out] == [1, 1, 0, 0, 0, 5], "the hole is as long as what is missing"
    assert out[-1][FRAME:] == b"".join(map(frame, (3, 4, 5, 6)))
    assert buffer.statistics() == JitterStatistics(lost=1, concealed=0.02)
    assert buffer.place(2 if rate is None else 40, frame(2)) is None
    assert buffer.statistics().late == 1


def test_what_conceals_is_the_last_sound_fading_and_then_silence() -> None:
    loud = np.full(160, 8000, "<i2").tobytes()
    buffer = Sequencer(TELEPHONE)
    buffer.place(0, mulaw.encode(loud))
    for number in range(9, 12):
        assert buffer.place(number, frame(number)) is None
    filling = np.abs(np.frombuffer(mulaw.decode((buffer.place(12, frame(12)) or b"")[: 8 * FRAME]), "<i2").astype(int))
    assert filling[0] == pytest.approx(8000, rel=0.05)
    assert (np.diff(filling) <= 0).all(), "it only fades"
    assert filling[240] == pytest.approx(4000, rel=0.1)
    assert not filling[480:].any()


@pytest.mark.parametrize("rate", [None, 1000.0])
def test_a_long_hole_is_silence_that_was_not_sent_nothing_is_filled_and_nothing_waits(rate: float | None) -> None:
    longest = round(MOST * 50)
    buffer, out = stream(rate, 0, *range(longest + 2, longest + 6))
    assert out == [frame(0), *map(frame, range(longest + 2, longest + 6))]
    assert buffer.statistics() == JitterStatistics(jumps=1)
    assert buffer.place(5 if rate is None else 100, frame(5)) is None
    assert buffer.statistics().late == 1, "what was on its way after all is late"
    first = longest - WINDOW + 1
    _, filled = stream(rate, 0, *range(first, first + WINDOW + 1))
    assert [len(part) // FRAME for part in filled] == [1, 0, 0, 0, longest + 1]


def test_messages_of_any_length_may_overtake_each_other_within_the_window() -> None:
    buffer, tenth = Sequencer(TELEPHONE, rate=1000), [bytes([number]) * 800 for number in range(5)]
    out = [buffer.place(100 * number, tenth[number]) or b"" for number in (0, 4, 1, 2, 3)]
    assert out == [tenth[0], b"", tenth[1], tenth[2], tenth[3] + tenth[4]]
    assert buffer.statistics() == JitterStatistics()


@pytest.mark.parametrize("to", [1000, 30, -30])
def test_a_jump_is_suppressed_silence_or_a_new_stream_and_nothing_is_filled(to: int) -> None:
    numbers = [100, 101, 103, 100 + to, 101 + to] if to > 0 else [100, 101, 103, 100 + 2 * to, 101 + 2 * to]
    buffer, out = stream(1000.0, *numbers)
    assert (numbers[3] - numbers[2]) * 0.02 > MOST or (numbers[2] - numbers[3]) * 0.02 > BACK
    assert out[2] == b""
    assert out[3].endswith(frame(103) + frame(numbers[3])), "what waited is not lost"
    assert out[4] == frame(numbers[4])
    assert buffer.statistics().jumps == 1
    assert buffer.statistics().concealed == 0.02, "the hole before it, not the jump"


def test_what_comes_twice_is_heard_once() -> None:
    buffer, out = stream(None, 0, 1, 1, 3, 3, 2, 0)
    assert b"".join(out) == b"".join(map(frame, range(4)))
    assert buffer.statistics() == JitterStatistics(doubled=3)


def test_milliseconds_that_were_rounded_are_no_hole() -> None:
    buffer = Sequencer(TELEPHONE, rate=1000)
    audio = bytes(180)  # 22.5 ms
    out = [buffer.place(round(22.5 * number), audio) for number in range(50)]
    assert all(part is audio or part == audio for part in out)
    assert buffer.statistics() == JitterStatistics()


def test_messages_may_have_any_length() -> None:
    buffer = Sequencer(WIDE, rate=1000)
    assert buffer.place(0, bytes(640)) is not None
    assert buffer.place(60, bytes(1280)) is None
    assert len(buffer.place(20, bytes(1280)) or b"") == 2560
    assert buffer.statistics() == JitterStatistics()


def test_what_waits_can_be_had_at_the_end() -> None:
    buffer, _ = stream(None, 0, 2, 3)
    assert buffer.flush()[FRAME:] == frame(2) + frame(3)
    assert buffer.flush() == b""
    assert buffer.place(77, frame(7)) == frame(7), "and the next position begins a new stream"


@pytest.mark.parametrize("position", [float("nan"), float("inf"), -float("inf"), 10**400, 2**63])
def test_what_is_no_position_is_an_error_of_the_line(position: float) -> None:
    buffer = Sequencer(TELEPHONE)
    with pytest.raises(LineError):
        buffer.place(position, frame(1))
    assert buffer.place(2**63 - 1025, frame(1)) == frame(1)


def test_a_message_without_audio_is_nothing_where_positions_are_times() -> None:
    buffer, _ = stream(1000.0, 0)
    assert buffer.place(20, b"") is None
    assert buffer.place(20, frame(1)) == frame(1)
    assert buffer.statistics() == JitterStatistics()


@pytest.mark.parametrize(
    "order", [(1, 2, 3, 4), (2, 1, 3, 4), (1, 3, 2, 4), (3, 2, 1, 4)], ids=lambda order: "".join(map(str, order))
)
def test_a_numbered_message_without_audio_is_no_hole(order: tuple[int, ...]) -> None:
    buffer, _ = stream(None, 0)
    out = [buffer.place(number, b"" if number == 2 else frame(number)) for number in order]
    assert b"" not in out, "there is audio, or there is none yet"
    assert b"".join(part or b"" for part in out) == frame(1) + frame(3) + frame(4)
    assert buffer.statistics() == JitterStatistics()


def test_a_hole_after_a_message_without_audio_is_filled_with_the_last_sound() -> None:
    buffer = Sequencer(TELEPHONE)
    loud = mulaw.encode(np.full(160, 8000, "<i2").tobytes())
    out = [buffer.place(number, audio) for number, audio in ((0, loud), (1, b""), *((n, loud) for n in range(3, 7)))]
    assert len(out[-1] or b"") == 5 * FRAME
    assert (out[-1] or b"")[:1] == loud[:1]


def test_a_stream_may_begin_with_a_message_without_audio() -> None:
    buffer = Sequencer(TELEPHONE)
    assert [buffer.place(number, audio) for number, audio in ((7, b""), (8, frame(8)))] == [None, frame(8)]


@pytest.mark.parametrize("base", [2**53, 2**60, 2**62])
@pytest.mark.parametrize("rate", [8000.0, 1e9])
def test_positions_of_64_bits_are_counted_exactly(base: int, rate: float) -> None:
    buffer, step = Sequencer(TELEPHONE, rate=rate), round(rate / 50)
    numbers = [0, 1, 3, 2, *range(4, 60)]
    out = [buffer.place(base + step * number, frame(number)) or b"" for number in numbers]
    assert b"".join(out) == b"".join(map(frame, range(60)))
    assert buffer.statistics() == JitterStatistics()


@given(
    st.lists(st.tuples(st.floats() | st.integers(), st.binary(max_size=400)), max_size=30),
    st.sampled_from([None, 1000.0]),
)
def test_no_position_breaks_it_and_no_more_comes_out_than_came_in_and_was_concealed(
    placed: list[tuple[float, bytes]], rate: float | None
) -> None:
    buffer = Sequencer(TELEPHONE, rate=rate)
    out = 0
    for position, audio in placed:
        with suppress(LineError):
            out += len(buffer.place(position, audio) or b"")
    out += len(buffer.flush())
    assert out <= sum(len(audio) for _, audio in placed) + round(buffer.statistics().concealed * 8000 + 8)
