"""Keys on their way to words: when they are complete."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parlance.engine.digits import Digits


@pytest.mark.parametrize(
    ("pressed", "said"),
    [
        ([(1.0, "4"), (2.0, "2")], [(4.0, "42")]),
        ([(1.0, "4"), (2.0, "#"), (2.5, "1")], [(2.0, "4"), (4.5, "1")]),
        ([(1.0, "#")], [(1.0, "#")]),
        ([(1.0, "*"), (1.5, "*")], [(3.5, "**")]),
        ([(1.0, "1"), (2.9, "2"), (5.1, "3")], [(4.9, "12"), (7.1, "3")]),
    ],
)
def test_a_hash_or_a_pause_completes_them(pressed: list[tuple[float, str]], said: list[tuple[float, str]]) -> None:
    digits, got = Digits(2.0), []
    for tenth in range(100):
        now = tenth / 10
        if keys := digits.due(now):
            got.append((now, keys))
        for at, digit in pressed:
            if at == now and (keys := digits.press(digit, now)):
                got.append((now, keys))
    assert got == said


def test_so_many_keys_are_complete_without_a_pause() -> None:
    digits = Digits(2.0, most=3)
    assert [digits.press(digit, 1.0) for digit in "1234567"] == ["", "", "123", "", "", "456", ""]
    with pytest.raises(ValueError, match="at least one"):
        Digits(2.0, most=0)


def test_time_that_stands_still_counts_for_nothing() -> None:
    digits = Digits(2.0)
    digits.stood(5.0)
    digits.press("1", 1.0)
    digits.stood(10.0)
    assert digits.due(12.9) == ""
    assert digits.due(13.0) == "1"
    assert digits.deadline is None


@given(st.lists(st.tuples(st.sampled_from("0123456789*#"), st.floats(0.0, 5.0)), max_size=60))
def test_no_key_is_lost_or_said_twice(pressed: list[tuple[str, float]]) -> None:
    digits, now, said = Digits(2.0), 0.0, []
    for digit, pause in pressed:
        now += pause
        said += [digits.due(now), digits.press(digit, now)]
    said.append(digits.due(now + 2.0))
    assert "".join(said).replace("#", "") == "".join(digit for digit, _ in pressed).replace("#", "")
    assert all(len(keys) <= 20 for keys in said)
