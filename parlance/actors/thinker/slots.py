"""What a caller may be asked for: a day, a time, a name, a number, how many, one of several, or a message.

Pure, English. Each grammar reads a normal text (`words.normal`) and returns a `Value`, or None. `asked` says that
this was just asked for, so that a bare "ten" or "john miller" is an answer; unasked, only what cannot be anything
else is taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, timedelta
from typing import NamedTuple

from parlance.actors.thinker.words import NUMBERS, ORDINALS, content, digits

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
PARTS = ("morning", "afternoon", "evening")


class Value(NamedTuple):
    """`value` as a record keeps it (2026-11-23, 14:30, 5550134), `spoken` as the agent says it."""

    value: str
    spoken: str


def _either(words: Iterable[str]) -> str:
    """Longest first, so that "twenty five" is not read as "twenty"."""
    return "|".join(sorted(words, key=len, reverse=True))


_ORDINAL = rf"(?P<nth>{_either(ORDINALS)}|\d{{1,2}}(?:st|nd|rd|th))"
_NEAR = re.compile(r"\b(day after tomorrow|tomorrow|today|tonight|this (?:morning|afternoon|evening))\b")
_WEEKDAY = re.compile(rf"\b(?P<day>{_either(DAYS)})(?:'?s)?\b")
_DATE = re.compile(
    rf"\b(?:{_ORDINAL}(?: of)? (?P<month>{_either(MONTHS)})"
    rf"|(?P<month2>{_either(MONTHS)})(?: the)? (?P<nth2>{_either([*ORDINALS, *NUMBERS])}|\d{{1,2}}(?:st|nd|rd|th)?))\b"
)
_ALONE = re.compile(rf"\bthe {_ORDINAL}\b")


def _ordinal(said: str) -> int:
    return ORDINALS.get(said) or NUMBERS.get(said) or int(re.sub(r"\D", "", said) or 0)


def weekday(text: str, today: date) -> str | None:
    """The weekday a normal text speaks of, in lower case; "today" and "tomorrow" count."""
    found = day(text, today)
    return DAYS[date.fromisoformat(found.value).weekday()] if found else None


def day(text: str, today: date) -> Value | None:
    """The next such day from `today` on: a weekday that is today means the one in a week."""
    if exact := _DATE.search(text):
        month = MONTHS.index(exact["month"] or exact["month2"]) + 1
        dated = _next_date(today, month, _ordinal(exact["nth"] or exact["nth2"]))
        return Value(dated.isoformat(), _spoken_day(dated)) if dated else None
    if near := _NEAR.search(text):
        ahead = {"tomorrow": 1, "day after tomorrow": 2}.get(near[1], 0)
        when = today + timedelta(days=ahead)
        word = {0: "today", 1: "tomorrow"}.get(ahead)
        return Value(when.isoformat(), f"{word}, {DAYS[when.weekday()].capitalize()}" if word else _spoken_day(when))
    if named := _last(_WEEKDAY, text):
        ahead = (DAYS.index(named["day"]) - today.weekday() - 1) % 7 + 1
        when = today + timedelta(days=ahead)
        return Value(when.isoformat(), _spoken_day(when))
    if alone := _ALONE.search(text):
        nth = _ordinal(alone["nth"])
        for months in range(3):
            month = (today.month - 1 + months) % 12 + 1
            if (dated := _next_date(today, month, nth)) and (dated - today).days < 80:
                return Value(dated.isoformat(), _spoken_day(dated))
    return None


def _last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    """The last one said counts: "not monday, tuesday"."""
    found = None
    for match in pattern.finditer(text):
        found = match
    return found


def _next_date(today: date, month: int, nth: int) -> date | None:
    for year in (today.year, today.year + 1):
        try:
            when = date(year, month, nth)
        except ValueError:
            continue
        if when >= today:
            return when
    return None


def _spoken_day(when: date) -> str:
    return f"{DAYS[when.weekday()].capitalize()}, {MONTHS[when.month - 1].capitalize()} {when.day}"


_HOURS = {word: value for word, value in NUMBERS.items() if 1 <= value <= 12}
_MINUTES = {word: value for word, value in NUMBERS.items() if 10 <= value <= 59}
_MINUTES |= {f"{zero} {word}": NUMBERS[word] for zero in ("oh", "o", "zero") for word in _HOURS if NUMBERS[word] < 10}
_HOUR = rf"(?P<hour>{_either(_HOURS)}|\d{{1,2}})"
_MINUTE = rf"(?P<minute>quarter|{_either(_MINUTES)}|five|\d\d)(?: minutes)?"
_NO_HOUR = r"(?! (?:people|persons|of us|guests|minutes|days))"
# "have patched three" is what pocketsphinx makes of "half past three" on a telephone line.
_TIMES = [
    ("half", re.compile(rf"\b(?:half|have|hath) (?:past|passed|pass|patched|pat) {_HOUR}\b")),
    ("past", re.compile(rf"\b{_MINUTE} (?:past|passed|after) {_HOUR}\b")),
    ("to", re.compile(rf"\b{_MINUTE} (?:to|two|of|before|till) {_HOUR}\b")),
    ("full", re.compile(rf"\b{_HOUR}(?: |:)(?P<minute>{_either(_MINUTES)}|\d\d)\b(?! o'?clock)")),
    ("hour", re.compile(rf"\b{_HOUR} (?:o'clock|o clock|oclock|am|pm|in the (?:{_either(PARTS)})|at night|sharp)\b")),
    ("hour", re.compile(rf"\b(?:{_either(DAYS)}|today|tomorrow)(?: and| or| for)? {_HOUR}\b{_NO_HOUR}")),
    ("hour", re.compile(rf"\b(?:at|around|about|by|maybe|say) {_HOUR}\b{_NO_HOUR}")),
]
_BARE_HOUR = re.compile(rf"\b{_HOUR}\b")
_NOON = re.compile(r"\b(noon|midday)\b")
_PART = re.compile(r"\b(morning|afternoon|evening|tonight|night|am|pm)\b")


def part(text: str) -> str | None:
    """The part of the day a normal text speaks of: morning, afternoon or evening."""
    if found := _PART.search(text):
        return {"am": "morning", "pm": "afternoon", "tonight": "evening", "night": "evening"}.get(found[1], found[1])
    return None


def time(text: str, *, asked: bool = False, known: str | None = None) -> Value | None:
    """A time of day. `known`: the part of the day that was said before.

    Without any part, one to seven are hours of the afternoon and eight to eleven of the morning, as in most shops.
    """
    when = part(text) or known
    for kind, pattern in _TIMES:
        if (found := _last(pattern, text)) and (clock := _clock(kind, found, when)):
            return clock
    if _NOON.search(text):
        return Value("12:00", "noon")
    if asked and len(content(text)) <= 5 and (found := _last(_BARE_HOUR, text)):
        return _clock("hour", found, when)
    return None


def _clock(kind: str, found: re.Match[str], when: str | None) -> Value | None:
    hour = _HOURS.get(found["hour"]) or (int(found["hour"]) if found["hour"].isdecimal() else 0)
    minute = 30 if kind == "half" else 0
    if "minute" in found.groupdict():
        said = found["minute"]
        minute = 15 if said == "quarter" else _MINUTES.get(said, NUMBERS.get(said, -1))
        minute = int(said) if said.isdecimal() else minute
    if hour > 23 or not 0 <= minute < 60:
        return None
    if hour <= 12:
        hour %= 12
        late = when in ("afternoon", "evening") or (when is None and not 8 <= hour <= 11)
        hour += 12 if late else 0
    if kind == "to" and minute:
        hour, minute = (hour - 1) % 24, 60 - minute
    return clock(f"{hour:02}:{minute:02}")


def clock(time: str) -> Value:
    """A time of day from its "HH:MM"."""
    hour, minute = map(int, time.split(":"))
    return Value(time, _spoken_time(hour, minute))


def _spoken_time(hour: int, minute: int) -> str:
    if (hour, minute) == (12, 0):
        return "noon"
    of_day = "morning" if hour < 12 else "afternoon" if hour < 18 else "evening"
    figure = f"{hour % 12 or 12}:{minute:02}" if minute else f"{hour % 12 or 12}"
    return f"{figure} in the {of_day}"


_NAMED = re.compile(r"\b(?:my name is|my name's|the name is|name is|the name's|my last name is|my surname is) (.+)")
_NAMED_IF_ASKED = re.compile(r"\b(?:this is|it is|it's|that is|that's|i am|i'm|call me|under|for) (.+)")
_NOT_A_NAME = frozenset(
    """a about actually after again am an and any anything appointment are as ask at back be because book booking but by
    call called calling can cancel cannot change clock could course day did do doctor does don't for from get go goodbye
    good has have hello help how i i'd i'll i'm if in instead is it it's just know late leave let like looking
    make me mean message mind my name need no nope not nothing number of ok okay on one or person please problem
    question repeat right say sorry speak speaking spell sure talk tell thank thanks that that's the there they this
    time to today tomorrow want was we well what when where which who why will with would wrong yeah yes you your
    """.split()
) | frozenset([*DAYS, *PARTS, *NUMBERS])  # fmt: skip
_MOST_NAME_WORDS = 4


def name(text: str, *, asked: bool = False) -> Value | None:
    """A person's name, with capitals. Its words are taken up to the first that cannot be part of a name."""
    found = _last(_NAMED, text) or (_last(_NAMED_IF_ASKED, text) if asked else None)
    if found:
        taken = _name_words(found[1])
        return _name(taken) if taken else None
    if not asked:
        return None
    words = re.sub(r"\b(?:speaking|please|here|thank you|thanks)\b", " ", text)
    bare = content(words)
    if not bare or len(bare) > _MOST_NAME_WORDS or _name_words(" ".join(bare)) != bare:
        return None
    return _name(bare)


def _name_words(text: str) -> list[str]:
    taken: list[str] = []
    for word in text.split():
        if word in _NOT_A_NAME or not word.replace("'", "").isalpha() or len(taken) == _MOST_NAME_WORDS:
            break
        taken.append(word)
    return taken


def _name(words: list[str]) -> Value:
    written = " ".join("'".join(piece.capitalize() for piece in word.split("'")) for word in words)
    written = re.sub(r"'S\b", "'s", written)
    return Value(written, written)


def number(text: str, *, least: int, most: int, before: str = "") -> Value | None:
    """A telephone or ticket number of `least` to `most` digits; `before`: digits that were said in an earlier turn."""
    said = before + digits(text)
    return Value(said, spelled(said)) if least <= len(said) <= most else None


def spelled(figures: str) -> str:
    """Digits one by one, in groups of three with a pause between, the last of four at most."""
    groups: list[str] = []
    while len(figures) > 4:
        groups.append(figures[:3])
        figures = figures[3:]
    return ", ".join(" ".join(group) for group in [*groups, figures])


_COUNTED = re.compile(
    rf"\b(?P<n>{_either(NUMBERS)}|\d{{1,3}})(?= (?:people|persons|person|guests|of us|adults|seats|users|employees)\b)"
)
_COUNT = re.compile(rf"\b(?P<n>{_either(NUMBERS)}|\d{{1,3}})\b")


def count(text: str, *, asked: bool = False) -> Value | None:
    """How many: "four people", or a bare number where it was asked for."""
    found = _last(_COUNTED, text) or (_last(_COUNT, text) if asked else None)
    if not found:
        return None
    many = NUMBERS[found["n"]] if found["n"] in NUMBERS else int(found["n"])
    return Value(str(many), str(many))


_FREE = re.compile(r"^(?:(?:yes|yeah|sure|okay|ok|please|well|uh|um)\b ?)+")


def message(text: str) -> Value | None:
    """Anything of substance; "yes please" is not yet a message."""
    said = _FREE.sub("", text).strip()
    return Value(said, said) if len(content(said)) > 1 else None
