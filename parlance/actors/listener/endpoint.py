"""Endpointing: when the caller's turn has ended. Pure: times are seconds, `now` an argument, the deadline a result.

A turn ends between `least` and `most` after the last voiced frame. Where in between depends on the words so far (a
sentence that dangles on "and" is given the most, a finished one the least) and on the pauses this caller makes inside
a turn. A pause that we took for an end, and was not, counts as one of those.
"""

from __future__ import annotations

import re
from typing import Literal

START = 0.3
"""Where between least and most a caller's delay begins: 0.66 s of 0.35 to 1.4, the gap people leave before they
take a silence for the other's turn."""
LEARN = 0.3
"""Weight of a new pause."""
HEADROOM = 1.35
"""How much longer than this caller's usual pause a silence must be to be an end."""
REGRET = 1.2
"""Seconds after a decided end within which speech says that the decision came too early."""

DANGLING = frozenset(
    "a an and are as at because but by could do for from has have how i if in is it my of on or our so than that "
    "the their then this to um uh until was we what when where which who will with would you your".split()
)
CLOSED = frozenset("yes no yeah yep nope okay thanks bye goodbye please correct right hello".split())
CLOSING = ("thank you", "thank you very much", "that is all", "that's all", "that is right", "good bye")


def shape(text: str) -> Literal["open", "closed", "unknown"]:
    """Whether words look like an unfinished turn, a finished one, or cannot tell. Transcripts may lack punctuation."""
    plain = text.strip().lower()
    if not plain:
        return "unknown"
    if plain[-1] in ",;:-" or plain.endswith("..."):
        return "open"
    if plain.endswith(CLOSING):
        return "closed"
    words = re.findall(r"[^\W_]+(?:'[^\W_]+)?", plain)
    if words and words[-1] in DANGLING and plain[-1] not in ".!?":
        return "open"
    if plain[-1] in ".!?" or (words and words[-1] in CLOSED):
        return "closed"
    return "unknown"


class Endpoint:
    """One caller's end of turn."""

    def __init__(self, least: float, most: float) -> None:
        self.least, self.most = least, most
        self.usual = (least + START * (most - least)) / HEADROOM
        """This caller's usual pause inside a turn, in seconds."""
        self.patient = False
        """Somebody else decides when a turn is over: a silence has to be as long as may be."""
        self.deadline: float | None = None
        """When the turn ends if nothing changes; None while the caller speaks or nothing was said.

        Kept, not worked out when asked: it is asked for with every frame.
        """
        self._text = ""
        self._silent_since: float | None = None
        self._decided: float | None = None
        self._last: float | None = None

    def began(self, at: float) -> None:
        """Speech (again) since `at`."""
        if self._silent_since is not None:
            self._learn(at - self._silent_since)
        elif self._decided is not None and at - self._decided < REGRET and self._last is not None:
            self._learn(at - self._last)
        self._silent_since = self._decided = self._last = self.deadline = None

    def ended(self, at: float) -> None:
        """Silence since `at`, the end of the last voiced frame."""
        self._silent_since = self._last = at
        self.deadline = at + self.delay

    def words(self, text: str) -> None:
        """The words so far."""
        self._text = text
        if self._silent_since is not None:
            self.deadline = self._silent_since + self.delay

    @property
    def delay(self) -> float:
        """Seconds of silence that end the turn now."""
        if self.patient:
            return self.most
        base = min(max(self.usual * HEADROOM, self.least), self.most)
        match shape(self._text):
            case "open":
                return self.most
            case "closed":
                return self.least + 0.25 * (base - self.least)
            case _:
                return base

    def due(self, now: float, *, early: float = 0.0) -> bool:
        """Whether the turn has ended, or will within `early` seconds. True once: the next begins with new speech."""
        if self.deadline is None or now < self.deadline - early:
            return False
        self.conclude(now)
        return True

    def conclude(self, now: float) -> None:
        """The turn has ended, by decision of this object or another."""
        self._decided = now
        self._silent_since = self.deadline = None
        self._text = ""

    def _learn(self, pause: float) -> None:
        self.usual += LEARN * (min(max(pause, 0.0), self.most) - self.usual)
