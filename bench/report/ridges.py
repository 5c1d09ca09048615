"""Distributions, one row a run: the samples as a ridge, and p50, p90, p99 and worst on it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from bench.report.plot import Canvas, Scale, around, color, short, width
from bench.report.read import Run, calls, figure

WIDE = 480.0
ROW = 34.0
TOP = 44.0
RIDGE = 21.0
BIN = 3.0
SAMPLES = 8
"""With fewer samples than this each is a dot: a ridge would show a shape that is not known."""
QUANTILES = ("p50", "p90", "p99", "worst")


@dataclass(frozen=True, slots=True)
class Measure:
    """What one panel shows. `path`: where the run has its DIST. `limits`: ("p99", 120.0) and such, in ms.

    `floor`: ms below which a difference means nothing; smaller values are drawn at the left edge.
    """

    title: str
    says: str
    path: tuple[str, ...]
    samples: str
    limits: tuple[tuple[str, float], ...] = ()
    floor: float = 1.0


def panel(runs: Sequence[Run], measure: Measure) -> Markup | None:
    """The panel of one measure; None if no run has a value of it."""
    rows = [run for run in runs if run.number(*measure.path, "p50") is not None]
    if not rows:
        return None
    values = [value for run in rows for key in QUANTILES if (value := run.number(*measure.path, key)) is not None]
    values += [limit for _, limit in measure.limits]
    # The least sample counts as well, or the ridge would be heaped up at the edge.
    values += [run.samples(measure.samples)[0] for run in rows if run.samples(measure.samples)]
    low, high = around(values, floor=measure.floor)
    several = len({run.series for run in rows}) > 1
    left = 58.0 + (min(max(width(short(run.name, 18)) for run in rows), 130.0) if several else 0.0)
    scale = Scale(low, high, left, WIDE - 88, log=True)
    bottom = TOP + ROW * len(rows)
    canvas = Canvas(WIDE, bottom + 42)
    canvas.across(scale, TOP - 6, bottom, "ms, logarithmic")
    canvas.text(44, 32, "calls", "unit", anchor="end")
    canvas.text(WIDE - 2, 32, "p50 / p99", "unit", anchor="end")
    _limits(canvas, scale, measure, bottom)
    for index, run in enumerate(rows):
        _row(canvas, scale, run, measure, TOP + ROW * (index + 1) - 7, several, rows[index - 1] if index else None)
    return canvas.svg(_spoken(rows, measure), "panel")


def _limits(canvas: Canvas, scale: Scale, measure: Measure, bottom: float) -> None:
    for name, limit in measure.limits:
        x = scale(limit)
        canvas.line(x, 20, x, bottom, "limit")
        # The lower limit's label stands to the left of its line and the other's to the right: they never meet.
        lower = name == "p50" and len(measure.limits) > 1
        canvas.text(
            x - 5 if lower else x + 5,
            15,
            f"{name} limit {figure(limit)}",
            "limitname",
            anchor="end" if lower else "start",
        )


def _row(
    canvas: Canvas, scale: Scale, run: Run, measure: Measure, base: float, several: bool, above: Run | None
) -> None:
    found = {key: run.number(*measure.path, key) for key in QUANTILES}
    kind = f"{color(run.series)} {'void' if run.void else ''}".strip()
    if above is None or above.calls != run.calls:
        if above is not None and several:
            canvas.line(0, base - ROW + 9, WIDE, base - ROW + 9, "divide")
        canvas.text(44, base, f"{run.calls:,}", "strong", anchor="end")
    if several:
        canvas.text(54, base, short(run.name, 18), f"series {kind}")
    canvas.line(scale.begin, base, scale.end, base, "base")
    samples = run.samples(measure.samples)
    if len(samples) >= SAMPLES:
        canvas.path(ridge(samples, scale, base), f"ridge {kind}", close=True)
    else:
        for sample in samples:
            canvas.mark(0, scale(sample), base - 5, f"dot {kind}", size=2)
    shown = [(key, value) for key, value in found.items() if value is not None]
    canvas.line(scale(shown[0][1]), base, scale(shown[-1][1]), base, f"span {kind}")
    for key, value in shown:
        title = f"{run.title}: {key} {figure(value)} ms" + (f" (void: {run.void})" if run.void else "")
        x = scale(value)
        if key == "p50":
            canvas.mark(run.series, x, base, kind, title=title, size=4.2)
        elif key == "worst":
            canvas.mark(0, x, base, f"worst {kind}", title=title, size=2.6)
        else:
            reach = 5.5 if key == "p99" else 3
            canvas.line(x, base - reach, x, base + reach, f"tick {kind}")
    words = "void" if run.void else f"{figure(found['p50'])} / {figure(found['p99'])}"
    canvas.text(WIDE - 2, base, words, "value", anchor="end")


def ridge(samples: Sequence[float], scale: Scale, base: float) -> list[tuple[float, float]]:
    """The outline of the samples' density along the axis, `RIDGE` high at its peak. At least one sample."""
    count = int((scale.end - scale.begin) / BIN) + 1
    bins = [0.0] * (count + 2)
    for sample in samples:
        bins[int((scale(sample) - scale.begin) / BIN) + 1] += 1
    # A little smoothing, over three bins: what is left of the steps is the samples' own.
    smooth = [(before + 2 * here + after) / 4 for before, here, after in zip(bins, bins[1:], bins[2:], strict=False)]
    peak = max(smooth)
    used = [index for index, height in enumerate(smooth) if height > 0]
    first, last = used[0], used[-1]
    places = [min(scale.begin + (index + 0.5) * BIN, scale.end) for index in range(first, last + 1)]
    outline = [(x, base - smooth[first + index] / peak * RIDGE) for index, x in enumerate(places)]
    return [(places[0], base), *outline, (places[-1], base)]


def _spoken(rows: Sequence[Run], measure: Measure) -> str:
    said = [
        f"{run.name}, {calls(run.calls)}: p50 {figure(run.number(*measure.path, 'p50'))}, "
        f"p99 {figure(run.number(*measure.path, 'p99'))}"
        for run in rows
    ]
    return f"{measure.title}, in ms. " + "; ".join(said)
