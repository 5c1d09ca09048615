"""The fields of messages: what is read, and what is refused."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parlance.actors.fields import audio, each, mapping, number, opened, text, written

ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.integers(10**320, 10**330),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@pytest.mark.parametrize("message", ["[" * 100_000, "{", "", b"\xff", "7", "[]", "null", '"text"'])
def test_what_is_no_object_is_no_message(message: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        opened(message)


@given(st.dictionaries(st.text(), st.text(st.characters(exclude_categories=()))))
def test_what_is_written_can_be_sent_and_is_read_as_it_was(fields: dict[str, str]) -> None:
    assert opened(written(**fields).encode()) == fields


@pytest.mark.parametrize(
    ("read", "value", "found"),
    [
        (text, "", ""), (text, "\u00fc", "\u00fc"), (number, 7, 7.0), (number, -0.5, -0.5),
        (mapping, {"a": 1}, {"a": 1}),        (audio, "//8=", b"\xff\xff"), (audio, "", b""), (audio, None, b""),
        (lambda value: each(value, number), [1, 2.5], [1.0, 2.5]), (lambda value: each(value, text), [], []),
    ],
)  # fmt: skip
def test_what_is_of_its_kind(read: Any, value: object, found: object) -> None:
    assert read(value) == found


@pytest.mark.parametrize(
    ("read", "value"),
    [
        (text, None), (text, 7), (text, []), (number, None), (number, "7"), (number, True), (number, math.nan),
        (number, math.inf), (number, 10**400), (number, 1e12), (mapping, []), (mapping, None), (audio, 7),
        (audio, "a"), (audio, "\u00fc"), (audio, "//8=\n"), (lambda value: each(value, number), [1, "2"]),
        (lambda value: each(value, number), {}),
    ],
)  # fmt: skip
def test_what_is_not_of_its_kind(read: Any, value: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        read(value)


@given(ANY)
def test_anything_is_read_or_refused(value: object) -> None:
    readers = ((text, str), (number, float), (mapping, dict), (audio, bytes), (partial(each, read=number), list))
    for read, kind in readers:
        try:
            found = read(value)
        except ValueError:
            continue
        assert isinstance(found, kind)
        assert found == value or read is audio
