"""Hours of the week."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from parlance.engine.hours import Hours, zone

OFFICE = Hours.parse("Mo-Fr 08:00-17:00, Sa 09:00-12:00")
NIGHT = Hours.parse("Fr-Mo 22:00-06:00")


def day(name: str, time: str) -> datetime:
    """A time in the week of Monday, November 16, 2026."""
    number = ("mo", "tu", "we", "th", "fr", "sa", "su").index(name)
    hour, minute = time.split(":")
    return datetime(2026, 11, 16 + number, int(hour), int(minute))


@pytest.mark.parametrize(
    ("hours", "name", "time", "open_"),
    [
        (OFFICE, "mo", "07:59", False),
        (OFFICE, "mo", "08:00", True),
        (OFFICE, "fr", "16:59", True),
        (OFFICE, "fr", "17:00", False),
        (OFFICE, "sa", "10:00", True),
        (OFFICE, "su", "10:00", False),
        (NIGHT, "fr", "23:00", True),
        (NIGHT, "sa", "05:59", True),
        (NIGHT, "sa", "06:00", False),
        (NIGHT, "tu", "05:00", True),
        (NIGHT, "we", "05:00", False),
        (Hours.parse("Su 20:00-24:00"), "su", "23:59", True),
        (Hours.parse("Su 22:00-04:00"), "mo", "03:00", True),
        (Hours.parse("Su 22:00-04:00"), "su", "03:00", False),
        (Hours.parse("08:00-09:00"), "th", "08:30", True),
        (Hours.parse("Tu,Th 08:00-09:00"), "th", "08:30", True),
        (Hours.parse("Tu,Th 08:00-09:00"), "we", "08:30", False),
        (Hours.parse(""), "su", "03:00", True),
    ],
)
def test_open(hours: Hours, name: str, time: str, open_: bool) -> None:
    assert hours.open(day(name, time)) is open_


def test_the_next_opening() -> None:
    assert OFFICE.next(day("mo", "09:00")) == day("mo", "09:00")
    assert OFFICE.next(day("mo", "06:30")) == day("mo", "08:00")
    assert OFFICE.next(day("fr", "17:00")) == day("sa", "09:00")
    assert OFFICE.next(day("sa", "12:00")) == day("mo", "08:00") + timedelta(days=7)


@given(st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)), st.sampled_from([OFFICE, NIGHT]))
def test_the_next_opening_is_open_and_not_before(at: datetime, hours: Hours) -> None:
    opening = hours.next(at)
    assert hours.open(opening)
    assert at <= opening <= at + timedelta(days=7)


def test_an_opening_across_a_change_of_clocks() -> None:
    """In Paris there is no 02:30 on March 29, 2026."""
    paris = zone("Europe/Paris")
    hours = Hours.parse("Su 02:30-05:00")
    opening = hours.next(datetime(2026, 3, 28, 12, 0, tzinfo=paris))
    assert hours.open(datetime.fromtimestamp(opening.timestamp(), paris))


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("Mo-Fr", "is not like"),
        ("Mo-Fr 08:00", "is not like"),
        ("Xx 08:00-09:00", "is no day"),
        ("Mo 25:00-26:00", "no time 25:00"),
        ("Mo 08:60-09:00", "no time 08:60"),
        ("Mo 08:00-08:00", "is no time at all"),
    ],
)
def test_what_is_no_hours(words: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Hours.parse(words)


def test_a_zone_that_is_none() -> None:
    with pytest.raises(ValueError, match="no time zone 'Paris'"):
        zone("Paris")


def test_in_settings_it_is_text() -> None:
    class Block(BaseModel):
        hours: Hours

    assert Block.model_validate({"hours": "Mo 08:00-09:00"}).model_dump_json() == '{"hours":"Mo 08:00-09:00"}'
    with pytest.raises(ValidationError, match="is no day"):
        Block.model_validate({"hours": "Monday 08:00-09:00"})
    with pytest.raises(ValidationError, match="hours are text"):
        Block.model_validate({"hours": 8})
