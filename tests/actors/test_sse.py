"""Events of a stream, however it was cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parlance.actors.sse import MOST, Events


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: a\n\ndata:b\n\n", ["a", "b"]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", ["a", "b"]),
        (b"data: a\r\rdata: b\r\r\n", ["a", "b"]),
        (b"data: a\ndata: b\n\n", ["a\nb"]),
        (b": comment\nid: 4\nevent: x\ndata:  a \n\n\n\n", [" a "]),
        (b"data\n\n", [""]),
        (b"data: unfinished\n", []),
        ("data: \u00fc\n\n".encode(), ["\u00fc"]),
    ],
)
def test_events_are_read_whole_and_byte_by_byte(stream, events):
    assert Events().feed(stream) == events
    single = Events()
    assert [event for byte in stream for event in single.feed(bytes([byte]))] == events


PIECES = [b"data:", b" ", b"a", b"\n", b"\r", b"\xc3", b"\xbc", b":", b"event: x"]


@given(st.lists(st.sampled_from(PIECES), max_size=40))
def test_any_bytes_give_text_or_a_value_error_however_they_are_cut(pieces):
    def read(chunks: list[bytes]) -> list[str] | None:
        events = Events()
        try:
            return [event for chunk in chunks for event in events.feed(chunk)]
        except ValueError:
            return None

    assert read(pieces) == read([b"".join(pieces)])


def test_an_endless_event_is_refused():
    with pytest.raises(ValueError, match="more than"):
        Events().feed(b"data: " + b"x" * MOST)


def test_a_long_event_in_tiny_chunks_is_not_read_again_with_each_of_them():
    """100,000 chunks: each of them looked at once is no time, and looked at from the beginning is minutes."""
    events = Events()
    for _ in range(100_000):
        assert not events.feed(b"12345")
    assert events.feed(b"\ndata: a\n\n") == ["a"]
