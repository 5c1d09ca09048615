"""What grows with the number of calls: cost and latency as lines, one a server, and the knee. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from bench.report.plot import Canvas, Scale, around, color, short, spread, width
from bench.report.read import Run, calls, figure, names

WIDE, HIGH = 480.0, 300.0
LEFT, TOP, BOTTOM = 50.0, 30.0, 44.0


@dataclass(frozen=True, slots=True)
class Growth:
    """One panel. `of`: the run's value or None. Limits: `lines`, (value, words), drawn right across, and `points`,
    (calls, value, words). A linear panel begins at 0 and reaches at least `least`.
    """

    title: str
    says: str
    unit: str
    of: Callable[[Run], float | None]
    lines: tuple[tuple[float, str], ...] = ()
    points: tuple[tuple[float, float, str], ...] = ()
    log: bool = False
    least: float = 1.0


def panel(runs: Sequence[Run], growth: Growth, knee: float | None = None) -> Markup | None:
    """The panel; None if no run has the value. Void runs are hollow markers; the line passes them and overloads by."""
    found = [(run, value) for run in runs if (value := growth.of(run)) is not None]
    if not found:
        return None
    right = 14.0 + min(max(width(short(name, 18)) for _, name in names([run for run, _ in found])), 130.0)
    reach = max([run.x for run, _ in found] + [x for x, _, _ in growth.points] + [1])
    across = Scale(0, reach * 1.03, LEFT, WIDE - right)
    values = (
        [value for _, value in found] + [line[0] for line in growth.lines] + [value for _, value, _ in growth.points]
    )
    if growth.log:
        low, high = around(values, floor=1.0)
    else:
        low, high = 0.0, max(max(values) * 1.12, growth.least)
    up = Scale(low, high, HIGH - BOTTOM, TOP, log=growth.log)
    canvas = Canvas(WIDE, HIGH)
    canvas.across(across, TOP, HIGH - BOTTOM, "calls at once")
    canvas.up(up, LEFT, WIDE - right)
    canvas.text(LEFT - 8, 13, growth.unit, "unit", anchor="start" if width(growth.unit) > LEFT else "end")
    _limits(canvas, growth, across, up)
    if knee is not None and knee <= across.high:
        canvas.line(across(knee), TOP - 12, across(knee), HIGH - BOTTOM, "knee")
    _lines(canvas, growth, found, across, up)
    _words(canvas, growth, across, up, knee)
    return canvas.svg(_spoken(growth, found), "panel")


def _limits(canvas: Canvas, growth: Growth, across: Scale, up: Scale) -> None:
    for value, _ in growth.lines:
        canvas.line(across.begin, up(value), across.end, up(value), "limit")
    for x, value, _ in growth.points:
        canvas.line(across(x) - 7, up(value), across(x) + 7, up(value), "limit solid")


def _words(canvas: Canvas, growth: Growth, across: Scale, up: Scale, knee: float | None) -> None:
    """What the limits are called: last, so that no line runs through it."""
    for value, words in growth.lines:
        canvas.text((across.begin + across.end) / 2, up(value) - 6, words, "limitname", anchor="middle")
    for x, value, words in growth.points:
        left = across(x) > (across.begin + across.end) / 2
        anchor = "end" if left else "start"
        canvas.text(across(x) + (-10 if left else 10), up(value) + 4.5, words, "limitname", anchor=anchor)
    if knee is not None and knee <= across.high:
        left = across(knee) > (across.begin + across.end) / 2
        anchor = "end" if left else "start"
        canvas.text(across(knee) + (-5 if left else 5), TOP - 3, f"knee {knee:,.0f}", "kneename", anchor=anchor)


def _lines(canvas: Canvas, growth: Growth, found: Sequence[tuple[Run, float]], across: Scale, up: Scale) -> None:
    ends: list[tuple[int, str, float, float]] = []
    for series, name in names([run for run, _ in found]):
        own = sorted(
            ((run.x, value) for run, value in found if run.series == series and not run.void and not run.burst)
        )
        whole = own or [(run.x, value) for run, value in found if run.series == series]
        canvas.path([(across(x), up(value)) for x, value in mean(own)], f"curve {color(series)} d{series % 3}")
        ends.append((series, name, across(whole[-1][0]), up(whole[-1][1])))
    for run, value in found:
        title = f"{run.title}: {figure(value)} {growth.unit}" + (f" (void: {run.void})" if run.void else "")
        canvas.mark(run.series, across(run.x), up(value), "hollow" if run.void else "", title=title)
    places = spread([y for *_, y in ends], 16, TOP, HIGH - BOTTOM)
    for (series, name, x, y), at in zip(ends, places, strict=True):
        if abs(at - y) > 6 or x < across.end - 20:
            canvas.line(x + 6, y, across.end + 4, at, f"lead {color(series)}")
        canvas.text(across.end + 8, at + 4.5, short(name, 18), f"series {color(series)}")


def mean(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """One point for each x, at the mean of its values, from left to right."""
    at: dict[float, list[float]] = {}
    for x, value in points:
        at.setdefault(x, []).append(value)
    return [(x, sum(values) / len(values)) for x, values in sorted(at.items())]


def _spoken(growth: Growth, found: Sequence[tuple[Run, float]]) -> str:
    said = [f"{run.name}, {calls(run.x)}: {figure(value)}" for run, value in found]
    return f"{growth.title}, in {growth.unit}. " + "; ".join(said)
