"""What is counted of carriers' webhooks: what became of them, and how long verifying and working them off took."""

from __future__ import annotations

from array import array
from collections import Counter
from typing import Any

WINDOW = 1024
"""Requests over which `p50` and `p99` are taken: five seconds at 200 a second."""


class Tally:
    """Counts by carrier and word, and the durations of the last `WINDOW` requests."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        """By carrier and what became of it: `ok`, `fault`, or the reason why it was denied."""
        self._durations = array("d", bytes(8 * WINDOW))
        self._taken = 0
        self._worst = 0.0

    def count(self, carrier: str, word: str) -> None:
        self.counts[carrier, word] += 1

    def took(self, seconds: float) -> None:
        """How long one request took, from its last byte to the carrier's answer."""
        self._durations[self._taken % WINDOW] = seconds
        self._taken += 1
        self._worst = max(self._worst, seconds)

    def statistics(self) -> dict[str, Any]:
        """Counts by carrier and word, and `took_ms`; ready for JSON. Sorts the window, so not for every request."""
        window = sorted(self._durations[: min(self._taken, WINDOW)])
        counts: dict[str, dict[str, int]] = {}
        for (carrier, word), number in sorted(self.counts.items()):
            counts.setdefault(carrier, {})[word] = number
        return {
            "counts": counts,
            "took_ms": {
                "count": self._taken,
                "p50": _ms(window[len(window) // 2]) if window else 0.0,
                "p99": _ms(window[len(window) * 99 // 100]) if window else 0.0,
                "worst": _ms(self._worst),
            },
        }


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 2)
