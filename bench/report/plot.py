"""Small parts of a plot: scales, ticks, places for labels, and a canvas that collects SVG. Pure.

Colors, type and line widths are in style.css; here are shapes and places. Lengths are SVG user units.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup, escape

from bench.report.read import SHAPES

LETTER = 6.7
"""The mean width of a letter at 13 units: a little more than fonts have, so that nothing touches."""
MANTISSAS = ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0), (1.0, 1.5, 2.0, 3.0, 5.0, 7.0))
STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Scale:
    """From values to places: `low` is drawn at `begin`, `high` at `end`, what lies outside at the nearer of both."""

    low: float
    high: float
    begin: float
    end: float
    log: bool = False

    def __post_init__(self) -> None:
        if not self.low < self.high or (self.log and self.low <= 0):
            raise ValueError(f"no scale from {self.low} to {self.high}")

    def __call__(self, value: float) -> float:
        value = min(max(value, self.low), self.high)
        if self.log:
            part = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            part = (value - self.low) / (self.high - self.low)
        return self.begin + part * (self.end - self.begin)

    def ticks(self, most: int = 5) -> list[float]:
        """At most `most` round values in the scale's range; on a logarithmic scale perhaps one more."""
        return logarithmic(self.low, self.high, most) if self.log else linear(self.low, self.high, most)


def linear(low: float, high: float, most: int = 5) -> list[float]:
    """Multiples of 1, 2, 2.5 or 5 times a power of ten in [low, high], at most `most`."""
    rough = (high - low) / max(most - 1, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * step for step in STEPS if power * step >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


def logarithmic(low: float, high: float, most: int = 5) -> list[float]:
    """Round values in [low, high] for a logarithmic scale: as many as fit, spread as evenly as round values can be."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    best: list[float] = []
    for mantissas in MANTISSAS:
        values = [round(mantissa * 10.0**decade, 12) for decade in decades for mantissa in mantissas]
        inside = [value for value in values if low * (1 - 1e-9) <= value <= high * (1 + 1e-9)]
        if len(inside) <= most + 1 and len(inside) > len(best):
            best = inside
    return best if len(best) > 1 else linear(low, high, most)


def around(values: Iterable[float], *, floor: float) -> tuple[float, float]:
    """Bounds of a logarithmic scale that holds `values` with some air; what is below `floor` lies on its edge."""
    inside = [max(value, floor) for value in values] or [floor * 2]
    low, high = max(min(inside) / 1.15, floor), max(inside) * 1.15
    # Less than a factor of three would make much of small differences.
    if high / low >= 3:
        return low, high
    low = max(low / 1.5, floor)
    return low, max(high * 1.5, low * 3)


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Places at least `gap` apart and within [low, high], as near to the wanted ones as a simple push gets them.

    If they cannot all fit they lie closer. The answer is in the order of `wanted`.
    """
    if not wanted:
        return []
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    gap = min(gap, (high - low) / max(len(wanted) - 1, 1))
    places = [min(max(wanted[index], low), high) for index in order]
    for index in range(1, len(places)):
        places[index] = max(places[index], places[index - 1] + gap)
    places[-1] = min(places[-1], high)
    for index in range(len(places) - 2, -1, -1):
        places[index] = min(places[index], places[index + 1] - gap)
    answer = [0.0] * len(wanted)
    for place, index in zip(places, order, strict=True):
        answer[index] = place
    return answer


def lanes(labels: Sequence[tuple[float, float]], gap: float = 8) -> list[int]:
    """The lane of each label (place of its leader, width), so that no two overlap; lane 0 is next to the track.

    A label stands to the right of its leader. A later leader goes down through the lanes below its own, so an
    earlier label that reaches so far must lie in a higher lane: the last is placed first.
    """
    lane = [0] * len(labels)
    order = sorted(range(len(labels)), key=lambda index: labels[index][0])
    for rank in range(len(order) - 1, -1, -1):
        begin, width = labels[order[rank]]
        crossed = [lane[other] for other in order[rank + 1 :] if labels[other][0] < begin + width + gap]
        lane[order[rank]] = max(crossed, default=-1) + 1
    return lane


def width(text: str, size: float = 13) -> float:
    """About how wide `text` is."""
    return len(text) * LETTER * size / 13


def short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def place(value: float) -> str:
    """A coordinate as SVG has it: a tenth of a unit is finer than any screen."""
    return f"{value:.1f}".removesuffix(".0")


def tick(value: float) -> str:
    """An axis value, which is round: 0.5, 20, 1,500."""
    return f"{value:,.10f}".rstrip("0").rstrip(".")


@dataclass(slots=True)
class Canvas:
    """SVG elements in the order of drawing. `kind`: CSS classes; all text is escaped."""

    wide: float
    high: float
    parts: list[Markup] = field(default_factory=list)

    def line(self, x1: float, y1: float, x2: float, y2: float, kind: str) -> None:
        self._add(
            '<line x1="{}" y1="{}" x2="{}" y2="{}" class="{}"/>', place(x1), place(y1), place(x2), place(y2), kind
        )

    def box(self, x: float, y: float, wide: float, high: float, kind: str) -> None:
        self._add(
            '<rect x="{}" y="{}" width="{}" height="{}" class="{}"/>',
            place(x),
            place(y),
            place(wide),
            place(high),
            kind,
        )

    def path(self, points: Iterable[tuple[float, float]], kind: str, *, close: bool = False) -> None:
        text = "L".join(f"{place(x)} {place(y)}" for x, y in points)
        if text:
            self._add('<path d="M{}{}" class="{}"/>', text, "Z" if close else "", kind)

    def text(self, x: float, y: float, text: str, kind: str = "", *, anchor: str = "start") -> None:
        self._add('<text x="{}" y="{}" text-anchor="{}" class="{}">{}</text>', place(x), place(y), anchor, kind, text)

    def mark(self, series: int, x: float, y: float, kind: str = "", *, title: str = "", size: float = 4) -> None:
        """The series' marker: circle, square, triangle, diamond, triangle down, bar. `title` shows on hover."""
        shapes: tuple[tuple[tuple[float, float], ...], ...] = (
            (),
            ((-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)),
            ((0, -1.15), (1.1, 0.85), (-1.1, 0.85)),
            ((0, -1.25), (1.25, 0), (0, 1.25), (-1.25, 0)),
            ((0, 1.15), (1.1, -0.85), (-1.1, -0.85)),
            ((-1.25, -0.5), (1.25, -0.5), (1.25, 0.5), (-1.25, 0.5)),
        )
        shape = shapes[series % SHAPES]
        hover = Markup("<title>{}</title>").format(title) if title else Markup("")
        kind = f"mark {color(series)} {kind}".strip()
        if not shape:
            self._add(
                '<circle cx="{}" cy="{}" r="{}" class="{}">{}</circle>', place(x), place(y), place(size), kind, hover
            )
            return
        points = " ".join(f"{place(x + dx * size)},{place(y + dy * size)}" for dx, dy in shape)
        self._add('<polygon points="{}" class="{}">{}</polygon>', points, kind, hover)

    def across(self, scale: Scale, top: float, bottom: float, unit: str, *, most: int = 5) -> None:
        """An axis below: grid lines from `top` to `bottom`, their values, the unit below them."""
        for value in scale.ticks(most):
            x = scale(value)
            self.line(x, top, x, bottom, "grid")
            self.text(x, bottom + 17, tick(value), anchor="middle")
        self.text((scale.begin + scale.end) / 2, bottom + 35, unit, "unit", anchor="middle")

    def up(self, scale: Scale, left: float, right: float, *, most: int = 5) -> None:
        """An axis on the left: grid lines from `left` to `right`, and their values."""
        for value in scale.ticks(most):
            y = scale(value)
            self.line(left, y, right, y, "grid")
            self.text(left - 8, y + 4.5, tick(value), anchor="end")

    def svg(self, label: str, kind: str = "") -> Markup:
        """The drawing; `label` is what a screen reader says of it."""
        return Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}" class="{}">{}</svg>').format(
            place(self.wide), place(self.high), label, kind, Markup("").join(self.parts)
        )

    def _add(self, form: str, *values: object) -> None:
        self.parts.append(Markup(form).format(*(escape(value) for value in values)))


def color(series: int) -> str:
    """The CSS class that gives a series its color."""
    return f"s{series % SHAPES}"
