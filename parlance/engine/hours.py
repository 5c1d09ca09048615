"""Hours of the week: `Mo-Fr 08:00-17:00, Sa 09:00-12:00`, in a time zone. Pure.

Days are Mo Tu We Th Fr Sa Su, alone, in a range, or both with commas between (`Mo,We-Fr`). A span that ends before it
begins goes past midnight. The end is not within it; 24:00 is the day's end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from pydantic_core import core_schema

DAYS = ("mo", "tu", "we", "th", "fr", "sa", "su")
DAY = 24 * 60
WEEK = 7 * DAY

_SPAN = re.compile(r"(?:([A-Za-z,\-]+)\s+)?(\d{1,2}):(\d\d)\s*-\s*(\d{1,2}):(\d\d)")


@dataclass(frozen=True, slots=True)
class Hours:
    """Minutes of the week, as spans (from, to) in which `to` may lie beyond the week's end. Empty: always."""

    words: str
    spans: tuple[tuple[int, int], ...]

    def open(self, at: datetime) -> bool:
        """Whether `at`, a local time, is within."""
        if not self.spans:
            return True
        minute = at.weekday() * DAY + at.hour * 60 + at.minute
        return any(begin <= minute < end or begin <= minute + WEEK < end for begin, end in self.spans)

    def next(self, at: datetime) -> datetime:
        """`at` if it is within, else the first time after it that is."""
        if self.open(at):
            return at
        minute = at.weekday() * DAY + at.hour * 60 + at.minute
        wait = min((begin - minute) % WEEK for begin, _ in self.spans)
        day = at + timedelta(days=(at.hour * 60 + at.minute + wait) // DAY)
        clock = (minute + wait) % DAY
        opening = day.replace(hour=clock // 60, minute=clock % 60, second=0, microsecond=0)
        # Where a clock is put forward, an opening hour may not exist that day: then it is the hour after.
        return opening if self.open(opening) else opening + timedelta(hours=1)

    @classmethod
    def parse(cls, words: str) -> Hours:
        """Raises ValueError, which says what is wrong."""
        spans: list[tuple[int, int]] = []
        rest = words.strip()
        while rest:
            found = _SPAN.match(rest)
            if found is None:
                raise ValueError(f"{rest!r} is not like `Mo-Fr 08:00-17:00`")
            begin, end = _minute(found[2], found[3]), _minute(found[4], found[5])
            if begin == end:
                raise ValueError(f"{found[0]!r} is no time at all")
            end = end if end > begin else end + DAY
            spans.extend((day * DAY + begin, day * DAY + end) for day in _days(found[1] or "mo-su"))
            rest = rest[found.end() :].lstrip(" ,;")
        return cls(words.strip(), tuple(spans))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> core_schema.CoreSchema:
        """In settings it is text."""
        return core_schema.no_info_plain_validator_function(
            lambda value: value if isinstance(value, Hours) else cls.parse(_words(value)),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda hours: hours.words),
        )


def _words(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("hours are text, like `Mo-Fr 08:00-17:00`")
    return value


def _minute(hour: str, minute: str) -> int:
    at = int(hour) * 60 + int(minute)
    if int(minute) > 59 or at > DAY:
        raise ValueError(f"there is no time {hour}:{minute}")
    return at


def _days(words: str) -> Iterator[int]:
    for part in words.lower().strip(",").split(","):
        first, _, last = part.partition("-")
        if first not in DAYS or (last and last not in DAYS):
            raise ValueError(f"{part!r} is no day: use Mo, Tu, We, Th, Fr, Sa, Su, or a range like Mo-Fr")
        begin = DAYS.index(first)
        count = (DAYS.index(last or first) - begin) % 7 + 1
        yield from ((begin + step) % 7 for step in range(count))


def zone(name: str) -> ZoneInfo:
    """A time zone of the IANA database. Raises ValueError."""
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        raise ValueError(f"there is no time zone {name!r}: use a name like Europe/Paris") from None
