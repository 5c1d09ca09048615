"""One call as the caller's ear had it: both tracks about one line of time, and what happened, said beside it. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from bench.report.plot import Canvas, lanes, place, short, width
from bench.report.read import at, figure, finite, number, text

TRACK = 44.0
"""The height of one track."""
LANE = 17.0
LEFT = 54.0
RIGHT = 16.0
ABOVE = ("utterance", "barge-in", "cough", "hang-up")
"""The caller's doings are written above the caller's track, all else below the agent's."""
LETTERS = 26
LONGEST = 120.0
"""Seconds; more is cut off."""
MOST = 60
"""Of more labels than this only the first are drawn: nobody reads more."""


@dataclass(frozen=True, slots=True)
class Event:
    at: float
    what: str
    text: str

    @property
    def label(self) -> str:
        """What it was, and of its text what is not said yet: of "530 ms after this and that" the time alone."""
        time = re.match(r"-?[\d.,]+ ms\b", self.text)
        more = time[0] if time else "" if self.text in (self.what, "turn") else self.text
        return short(f"{self.what} {more}".strip(), LETTERS)


@dataclass(frozen=True, slots=True)
class Waveform:
    """Both envelopes from 0 to 1, `rate` values a second."""

    seconds: float
    rate: float
    caller: tuple[float, ...]
    agent: tuple[float, ...]
    events: tuple[Event, ...]


def read(data: Any) -> Waveform | None:
    """The waveform of a run's record; None if there is none that could be drawn."""
    rate = number(data, "rate")
    if rate is None or rate < 1:
        return None
    caller, agent = (_track(at(data, side)) for side in ("caller", "agent"))
    seconds = min(max(len(caller), len(agent)) / rate, LONGEST)
    if seconds <= 0:
        return None
    found = at(data, "events")
    events = [
        Event(moment, text(at(item, "what")), text(at(item, "text")))
        for item in (found if isinstance(found, list) else [])
        if (moment := number(item, "at")) is not None and 0 <= moment <= seconds
    ]
    return Waveform(seconds, rate, caller, agent, tuple(sorted(events, key=lambda event: event.at)))


def _track(found: Any) -> tuple[float, ...]:
    found = found if isinstance(found, list) else []
    values = [min(max(float(value), 0.0), 1.0) if finite(value) else 0.0 for value in found]
    top = max(values, default=0.0)
    return tuple(value / top for value in values) if top > 0 else tuple(values)


def systems(wave: Waveform, wide: float, seconds: float) -> list[Markup]:
    """The call in lines of `seconds`, one below the other like the systems of a score, each `wide`."""
    drawn: list[Markup] = []
    begin = 0.0
    while begin < wave.seconds - 0.5 or not drawn:
        drawn.append(_system(wave, wide, begin, seconds))
        begin += seconds
    return drawn


def _system(wave: Waveform, wide: float, begin: float, seconds: float) -> Markup:
    scale = (wide - LEFT - RIGHT) / seconds
    inside = [event for event in wave.events if begin <= event.at < begin + seconds]
    named = [event for event in inside if event.what != "mark"][:MOST]
    above = [event for event in named if event.what in ABOVE]
    below = [event for event in named if event.what not in ABOVE]
    upper, lower = _lanes(above, begin, scale, wide), _lanes(below, begin, scale, wide)
    middle = LANE * (max((lane for _, lane in upper), default=0) + 1) + 6 + TRACK
    high = middle + TRACK + LANE * (max((lane for _, lane in lower), default=0) + 1) + 34
    canvas = Canvas(wide, high)
    _time(canvas, begin, min(seconds, wave.seconds - begin), scale, middle, high)
    for first, last in interrupted(wave.events):
        left, right = max(first, begin), min(last, begin + seconds)
        if left < right:
            x = LEFT + (left - begin) * scale
            canvas.box(x, middle - TRACK, max((right - left) * scale, 1.5), 2 * TRACK, "cutin")
    for values, side, way in ((wave.caller, "caller", -1), (wave.agent, "agent", 1)):
        outline = envelope(values, wave.rate, begin, seconds, scale)
        if outline:
            points = [(x, middle + way * (1.5 + height * (TRACK - 4))) for x, height in outline]
            start, end = (outline[0][0], middle + way), (outline[-1][0], middle + way)
            canvas.path([start, *points, end], f"wave {side}", close=True)
        canvas.text(0, middle + way * TRACK / 2 + 4.5, side, f"series {side}")
    for event in inside:
        if event.what == "mark":
            x = LEFT + (event.at - begin) * scale
            canvas.line(x, middle + TRACK - 5, x, middle + TRACK, "returned")
    for x, label, lane, kind in _labels(above, upper):
        y = middle - TRACK - 4 - LANE * lane
        canvas.line(x, y - 11, x, middle - 1, f"leader {kind}")
        canvas.text(x + 4, y, label, f"event {kind}")
    for x, label, lane, kind in _labels(below, lower):
        y = middle + TRACK + 14 + LANE * lane
        canvas.line(x, middle + 1, x, y + 2, f"leader {kind}")
        canvas.text(x + 4, y, label, f"event {kind}")
    return canvas.svg(_spoken(named, begin, min(begin + seconds, wave.seconds)), "system")


def _lanes(events: Sequence[Event], begin: float, scale: float, wide: float) -> list[tuple[float, int]]:
    """Place and lane of each event's label. A label that would leave the drawing counts as ending at its edge."""
    labels = [(LEFT + (event.at - begin) * scale, width(event.label) + 4) for event in events]
    return list(zip((x for x, _ in labels), lanes(labels), strict=True))


def _labels(events: Sequence[Event], places: Sequence[tuple[float, int]]) -> list[tuple[float, str, int, str]]:
    kinds = {"utterance": "caller", "cough": "caller", "hang-up": "caller", "barge-in": "cut"}
    return [
        (x, event.label, lane, kinds.get(event.what, "agent")) for event, (x, lane) in zip(events, places, strict=True)
    ]


def _time(canvas: Canvas, begin: float, seconds: float, scale: float, middle: float, high: float) -> None:
    canvas.line(LEFT, middle, LEFT + seconds * scale, middle, "middle")
    for second in range(int(begin + 0.999), int(begin + seconds + 0.001) + 1):
        x = LEFT + (second - begin) * scale
        canvas.line(x, middle - 3, x, middle + 3, "second")
        canvas.text(
            x, high - 8, f"{second} s" if second == int(begin + seconds + 0.001) else str(second), anchor="middle"
        )


def interrupted(events: Sequence[Event]) -> list[tuple[float, float]]:
    """From each barge-in to the silence after it, in seconds; without a silence there is nothing to show."""
    found = []
    for event in events:
        if event.what == "barge-in":
            silence = next((other.at for other in events if other.what == "silence" and other.at >= event.at), None)
            again = next((other.at for other in events if other.what == "barge-in" and other.at > event.at), None)
            if silence is not None and (again is None or silence <= again):
                found.append((event.at, silence))
    return found


def envelope(
    values: Sequence[float], rate: float, begin: float, seconds: float, scale: float
) -> list[tuple[float, float]]:
    """(x, height) of one system's part of a track: at most one value for each unit and a half, the loudest."""
    first, last = int(begin * rate), min(int((begin + seconds) * rate), len(values))
    step = max(int(1.5 * rate / scale), 1)
    return [
        (LEFT + (index / rate - begin) * scale, max(values[index : min(index + step, last)]))
        for index in range(first, last, step)
    ]


def _spoken(events: Sequence[Event], begin: float, end: float) -> str:
    said = "; ".join(f"{figure(event.at)} s {event.label}" for event in events)
    return f"Caller above, agent below, from {place(begin)} to {place(end)} seconds. {said}"
