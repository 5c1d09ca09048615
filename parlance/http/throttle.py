"""Warnings about what outsiders do, of which there may be as many as they like: at most one a second in the log."""

from __future__ import annotations

import logging
import math

import trio

PAUSE = 1.0
"""Seconds between two warnings."""


class Throttle:
    """`about`: what there were so many of, as in "webhooks denied"."""

    def __init__(self, log: logging.Logger, about: str) -> None:
        self._log, self._about = log, about
        self._silent = -math.inf
        self._unsaid = 0

    def note(self, last: str) -> None:
        """One more; `last` says of it what one needs to know."""
        now = trio.current_time()
        self._unsaid += 1
        if now >= self._silent:
            self._log.warning("%s: %d, the last one %s", self._about, self._unsaid, last)
            self._silent, self._unsaid = now + PAUSE, 0
