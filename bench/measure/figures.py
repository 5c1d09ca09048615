"""Numbers from numbers: a distribution in milliseconds, and the sample of it that is kept. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

KEPT = 2000
"""Samples of a distribution that go into the document."""

Figures = dict[str, float | int | None]


def distribution(seconds: Sequence[float]) -> Figures:
    """`n`, and in milliseconds `mean`, `p50`, `p90`, `p99`, `worst`; all but `n` are None where there is nothing.

    Percentiles are nearest-rank: values that were measured.
    """
    count = len(seconds)
    if not count:
        return {"n": 0, "mean": None, "p50": None, "p90": None, "p99": None, "worst": None}
    ordered = sorted(seconds)
    figures: Figures = {"n": count, "mean": _ms(math.fsum(ordered) / count)}
    for percent in (50, 90, 99):
        figures[f"p{percent}"] = _ms(ordered[math.ceil(percent / 100 * count) - 1])
    figures["worst"] = _ms(ordered[-1])
    return figures


def thinned(seconds: Sequence[float], most: int = KEPT) -> list[float]:
    """At most `most` of them in milliseconds, sorted; evenly taken, the least and the greatest among them."""
    ordered = sorted(seconds)
    if len(ordered) > most:
        last = len(ordered) - 1
        ordered = [ordered[round(number * last / (most - 1))] for number in range(most)]
    return [_ms(value) for value in ordered]


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
