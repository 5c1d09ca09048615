"""What callers answer, as an ear writes it down, and what it means."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parlance.actors.thinker import slots
from parlance.actors.thinker.words import NUMBERS, Phrase, agrees, digits, normal

FRIDAY = date(2026, 11, 20)
HEARD = (
    "at ten o'clock half past quarter to four am pm morning monday sunday tomorrow the twenty third of november"
    " february thirtieth my name is john o'brien no not yes one two double zero people december thirty first 10:30"
    " 25:99 0"
).split()
lines = st.lists(st.sampled_from(HEARD), max_size=12).map(" ".join)


@pytest.mark.parametrize(
    ("heard", "time"),
    [
        ("at ten o'clock", "10:00"), ("have patched three", "15:30"), ("half past three", "15:30"),
        ("ten thirty", "10:30"),
        ("two pm", "14:00"), ("2 p.m.", "14:00"), ("At 10:30, please.", "10:30"), ("14:30", "14:30"),
        ("a quarter to four", "15:45"), ("quarter to eight", "07:45"), ("quarter past nine", "09:15"),
        ("at two in the afternoon", "14:00"), ("twenty five past six in the evening", "18:25"),
        ("ten oh five", "10:05"),
        ("no at eleven please", "11:00"), ("not ten eleven o'clock", "11:00"), ("tomorrow and ten", "10:00"),
        ("at noon", "12:00"), ("twelve am", "00:00"), ("quarter to one", "12:45"), ("half past twelve", "12:30"),
    ],
)  # fmt: skip
def test_times_as_they_are_said(heard, time):
    found = slots.time(normal(heard))
    assert found is not None
    assert found.value == time


@pytest.mark.parametrize("heard", ["ten", "later", "for ten people", "at ten people", "26:00", "in the morning", ""])
def test_what_is_no_time_unless_it_was_asked_for(heard):
    assert slots.time(normal(heard)) is None


def test_a_bare_hour_is_an_answer_and_the_part_said_before_counts():
    assert slots.time("nine", asked=True) == ("09:00", "9 in the morning")
    assert slots.time("nine", asked=True, known="evening") == ("21:00", "9 in the evening")
    assert slots.time("four", asked=True) == ("16:00", "4 in the afternoon")


@pytest.mark.parametrize(
    ("heard", "day"),
    [
        ("today", "2026-11-20"), ("tomorrow", "2026-11-21"), ("the day after tomorrow", "2026-11-22"),
        ("on monday", "2026-11-23"), ("friday", "2026-11-27"), ("next wednesday", "2026-11-25"),
        ("not monday tuesday", "2026-11-24"), ("the twenty third of november", "2026-11-23"),
        ("november twenty third", "2026-11-23"), ("november 23rd", "2026-11-23"), ("on the third", "2026-12-03"),
        ("the fifth of january", "2027-01-05"), ("the thirty first", "2026-12-31"),
    ],
)  # fmt: skip
def test_days_are_the_next_of_their_name(heard, day):
    found = slots.day(normal(heard), FRIDAY)
    assert found is not None
    assert found.value == day


@pytest.mark.parametrize("heard", ["february thirtieth", "the thirty first of november", "one day", ""])
def test_days_that_do_not_exist_are_none(heard):
    assert slots.day(heard, FRIDAY) is None


def test_a_day_is_spoken_with_its_weekday():
    assert slots.day("tomorrow", FRIDAY) == ("2026-11-21", "tomorrow, Saturday")
    assert slots.day("monday", FRIDAY) == ("2026-11-23", "Monday, November 23")


@given(lines, st.dates(date(2024, 1, 1), date(2030, 12, 31)))
def test_any_day_understood_lies_ahead_within_a_year_or_so(heard, today):
    if found := slots.day(heard, today):
        assert today <= date.fromisoformat(found.value) <= today + timedelta(days=366 * 2)


@given(lines, st.booleans())
def test_any_time_understood_exists(heard, asked):
    if found := slots.time(heard, asked=asked):
        hour, minute = map(int, found.value.split(":"))
        assert 0 <= hour < 24
        assert 0 <= minute < 60
        assert slots.clock(found.value) == found


@pytest.mark.parametrize(
    ("heard", "name"),
    [
        ("john miller", "John Miller"), ("my name is john miller", "John Miller"), ("this is mary smith", "Mary Smith"),
        ("The name is Robert Brown.", "Robert Brown"), ("o'brien please", "O'Brien"), ("uh it's anna", "Anna"),
        ("yes my name is anna and i need help", "Anna"), ("mary smith speaking", "Mary Smith"),
    ],
)  # fmt: skip
def test_names_when_asked(heard, name):
    assert slots.name(normal(heard), asked=True) == (name, name)


@pytest.mark.parametrize(
    "heard", ["actually make it a tuesday", "i am calling about my prescription", "what", "no", "ten", "goodbye", "",
              "you know i was there with my brother last week"],
)  # fmt: skip
def test_what_is_no_name(heard):
    assert slots.name(heard, asked=True) is None


def test_a_name_is_volunteered_only_with_its_introduction():
    assert slots.name("john miller") is None
    assert slots.name("i need help my name is john miller") == ("John Miller", "John Miller")


@pytest.mark.parametrize(
    ("heard", "figures"),
    [
        ("my number is five five five one two three four", "5551234"), ("five double five oh nineteen", "555019"),
        ("twenty three forty five", "2345"), ("555-0134", "5550134"), ("triple two uh one", "2221"), ("no", ""),
        ("i have two cats and it is nine eight seven six", "9876"),
    ],
)  # fmt: skip
def test_numbers_are_their_digits(heard, figures):
    assert digits(normal(heard)) == figures


@given(st.lists(st.integers(0, 9), max_size=15))
def test_digits_said_one_by_one_are_understood(figures):
    words = {value: word for word, value in NUMBERS.items()}
    assert digits(" ".join(words[figure] for figure in figures)) == "".join(map(str, figures))


def test_a_number_is_spoken_in_groups():
    assert slots.spelled("5551234") == "5 5 5, 1 2 3 4"
    assert slots.spelled("123") == "1 2 3"


@pytest.mark.parametrize(
    ("heard", "means"),
    [
        ("yes", True), ("yes that is right", True), ("sure why not", True), ("no problem", True), ("okay", True),
        ("no", False), ("no that is wrong", False), ("that is not right", False), ("nope", False),
        ("i don't know", None), ("i am not sure", None), ("on tuesday", None), ("", None),
    ],
)  # fmt: skip
def test_yes_and_no(heard, means):
    assert agrees(heard) is means


@pytest.mark.parametrize(
    ("written", "heard", "score"),
    [
        ("opening hours", "what are your opening hours", 2), ("(open|closed)", "are you open", 1),
        ("tell * that", "tell the good old doctor that", 2), ("internet + down", "down is my internet", 2),
        ("tell * that", "tell me a b c d e f g that", None), ("open", "opening", None),
        ("internet + down", "internet", None),
        ("/l(ate|eave)/", "i am late", 2), ("Don't know", "i don't know", 2),
    ],
)  # fmt: skip
def test_phrases_find_what_they_say(written, heard, score):
    found = Phrase.parse(written).find(heard)
    assert (found.score if found else None) == score


@pytest.mark.parametrize("written", ["", "*", "(a|)", "(a", "a + ", "/(/", "a)"])
def test_phrases_that_cannot_be_read_are_told(written):
    with pytest.raises(ValueError, match=r"has|is not"):
        Phrase.parse(written)


@given(st.text(max_size=80))
def test_the_normal_form_is_its_own(text):
    once = normal(text)
    assert normal(once) == once
    assert once == " ".join(once.split())
