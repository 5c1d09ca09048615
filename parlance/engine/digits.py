"""Keys that a caller presses, one by one, on their way to becoming words: when they are complete. Pure.

`#` completes what was pressed before it, as people have learned to do; a `#` alone is a choice of a menu like any other
key. Times are seconds of the call's clock.
"""

from __future__ import annotations

MOST = 20
"""Keys that are one utterance at the most: an IBAN's digits."""


class Digits:
    """One call's keys. `pause`: seconds after the last key that complete them."""

    def __init__(self, pause: float, *, most: int = MOST) -> None:
        if most < 1:
            raise ValueError(f"an utterance has at least one key, not {most}")
        self._pause, self._most = pause, most
        self._keys = ""
        self.last = 0.0
        """When the last key was pressed."""
        self.deadline: float | None = None
        """When the keys are complete if none follows; None while there are none."""

    def press(self, digit: str, now: float) -> str:
        """One more key. Returns the keys if they are complete with it, else nothing."""
        self.last = now
        if digit == "#" and self._keys:
            return self._complete()
        self._keys += digit
        if digit == "#" or len(self._keys) >= self._most:
            return self._complete()
        self.deadline = now + self._pause
        return ""

    def due(self, now: float) -> str:
        """The keys if they are complete by now, else nothing."""
        if self.deadline is None or now < self.deadline:
            return ""
        return self._complete()

    def stood(self, seconds: float) -> None:
        """Time has stood still for so long: it counts for nothing."""
        if self.deadline is not None:
            self.deadline += seconds

    def _complete(self) -> str:
        keys, self._keys, self.deadline = self._keys, "", None
        return keys
