"""Numbers as carriers write them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parlance.actors.media.number import digits, e164


@pytest.mark.parametrize(
    ("said", "bare", "number"),
    [
        ("+33142685300", 8, "+33142685300"),
        ("+33 1 42.68-53(00)", 8, "+33142685300"),
        ("33142685300", 8, "+33142685300"),
        (33142685300, 8, "+33142685300"),
        ("33142685300", 16, "33142685300"),
        ("0033142685300", 16, "+33142685300"),
        (" 33142685300", 16, "+33142685300"),
        ("0142685300", 8, "0142685300"),
        ("101", 8, "101"),
        ("6505550100", 11, "6505550100"),
        ("anonymous", 8, ""),
        ("Anonymous", 8, ""),
        ("+266696687", 8, ""),
        ("sip:bob@example.com", 8, "sip:bob@example.com"),
        ("9" * 65, 8, ""),
        ("", 8, ""),
        (None, 8, ""),
        (True, 8, ""),
        (["+33142685300"], 8, ""),
    ],
)
def test_a_party(said: Any, bare: int, number: str) -> None:
    assert e164(said, bare=bare) == number


@given(st.from_regex(r"[1-9][0-9]{7,14}", fullmatch=True))
def test_there_and_back(plain: str) -> None:
    assert digits(e164(plain)) == plain


@given(st.text(), st.integers(1, 16))
def test_twice_is_once(said: str, bare: int) -> None:
    once = e164(said, bare=bare)
    assert e164(once, bare=bare) == once
