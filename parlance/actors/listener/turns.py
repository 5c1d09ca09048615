"""Turns of a service that finds them itself, and whose words they are: a turn is not one of our utterances. Pure.

The service counts seconds of the audio it was sent, and begins and ends its turns in it; the listener's utterances
begin and end elsewhere. What was said where belongs to the utterance that was open there. A turn that spans two
utterances is divided between them, by the times of its words, or, if it has none, by what the first of them has been
told; and several turns in one utterance are put together. Times are seconds of audio sent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from parlance.actors.listener.port import Eager, Heard, News, Resumed
from parlance.actors.listener.segments import SLACK, TAIL

ROOM = 0.2
"""Seconds of nothing after an utterance's end, after which no words of it are to come."""


class State(Enum):
    GOING = "going"
    EAGER = "eager"
    """It may be over."""
    RESUMED = "resumed"
    """It is not, though it was eager."""
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Turn:
    """What the service says of its turn number `index`: all of its `text` until `stop`. `times`: the beginning and the
    end of each word, if they are known. `forced`: we had asked for its end.
    """

    index: int
    text: str
    stop: float
    state: State = State.GOING
    times: Sequence[tuple[float, float]] = ()
    forced: bool = False


@dataclass(slots=True)
class _Utterance:
    number: int
    end: float = math.inf
    before: list[str] = field(default_factory=list)
    """Of turns that are over."""
    now: str = ""
    """Of the present turn."""
    told: str = ""
    eager: bool = False

    @property
    def text(self) -> str:
        return " ".join(filter(None, (*self.before, self.now)))

    @property
    def ended(self) -> bool:
        return self.end < math.inf


class Turns:
    """The utterances of one stream whose words are still waited for. `endpoints`: a turn's end may end one."""

    def __init__(self, *, endpoints: bool) -> None:
        self._endpoints = endpoints
        self._open: list[_Utterance] = []
        self._index = -1
        self._over = True
        self._start: float | None = None
        """Where the present turn's first word is: where it says so, or else where nothing had been heard yet."""
        self._clear = 0.0
        self._given = 0
        """How many of its words belong to utterances that are over."""
        self._used = 0.0
        """Up to where the audio belongs to utterances that are over."""

    @property
    def speaking(self) -> bool:
        """Whether the service is in the middle of a turn."""
        return not self._over and self._start is not None

    @property
    def pending(self) -> bool:
        """Whether an utterance has ended whose words are waited for."""
        return any(mine.ended for mine in self._open)

    def begin(self, utterance: int) -> None:
        self._open.append(_Utterance(utterance))

    def end(self, utterance: int, at: float) -> bool:
        """It ends at `at`. Returns whether its words are still waited for."""
        for mine in self._open:
            if mine.number == utterance:
                mine.end = at
                return True
        return False

    def give_up(self, utterance: int) -> list[News]:
        """Wait no longer: what there is are its final words. Nothing if it was over before."""
        return [self._finish(mine) for mine in self._open if mine.number == utterance]

    def add(self, turn: Turn) -> list[News]:
        """What is heard now."""
        if turn.index < self._index or (turn.index == self._index and self._over):
            return []
        if turn.index > self._index:
            self._index, self._over, self._start, self._given = turn.index, False, None, 0
        if self._start is None and turn.text.strip():
            self._start = turn.times[0][0] if turn.times else self._clear
        if not turn.text.strip():
            self._clear = turn.stop
        self._divide(turn)
        news: list[News] = []
        for mine in list(self._open):
            news.extend(self._of(mine, turn))
        if turn.state is State.OVER:
            self._over, self._clear = True, turn.stop
        return news

    def _divide(self, turn: Turn) -> None:
        """Give the turn's words to their utterances."""
        words = turn.text.split()
        shares: dict[int, list[str]] = {mine.number: [] for mine in self._open}
        for place, word in enumerate(words):
            mine = self._whose(turn, place, timed=len(words) == len(turn.times))
            if mine is not None:
                shares[mine.number].append(word)
        for mine in self._open:
            mine.now = " ".join(shares[mine.number])

    def _whose(self, turn: Turn, place: int, *, timed: bool) -> _Utterance | None:
        if timed:
            at = sum(turn.times[place]) / 2
            if at < self._used - SLACK:
                return None
        elif place < self._given:
            return None
        else:
            at = max(self._start or 0.0, self._used)
        return next((one for one in self._open if at <= one.end + SLACK), None)

    def _of(self, mine: _Utterance, turn: Turn) -> list[News]:
        """What this turn is to one utterance."""
        if mine.ended and self._passed(mine, turn):
            return [self._finish(mine)]
        news: list[News] = []
        if turn.state is State.OVER:
            had = bool(mine.now)
            mine.before, mine.now = [*mine.before, mine.now], ""
            if self._complete(mine, turn, had=had):
                return [self._finish(mine, turn)]
        if mine.text and mine.text != mine.told:
            mine.told = mine.text
            news.append(Heard(mine.number, mine.text, final=False))
        if turn.state is State.EAGER and mine.now and not mine.ended:
            mine.eager = True
            news.append(Eager(mine.number, mine.text))
        elif turn.state is State.RESUMED and mine.eager:
            mine.eager = False
            news.append(Resumed(mine.number))
        return news

    def _passed(self, mine: _Utterance, turn: Turn) -> bool:
        """Whether the service is past the end of an utterance, so that no words of it are to come."""
        if not turn.text.strip():
            return turn.stop >= mine.end + ROOM
        last = turn.times[-1][0] if turn.times else self._start
        return last is not None and last > mine.end + SLACK

    def _complete(self, mine: _Utterance, turn: Turn, *, had: bool) -> bool:
        """Whether the end of this turn is the end of the utterance."""
        if mine.ended:
            empty = mine is self._open[0] and not turn.text.strip()
            return (had or empty) and (turn.forced or turn.stop >= mine.end - TAIL)
        # What we asked for ends the utterance that it was asked for, and none that began meanwhile.
        return self._endpoints and had and not turn.forced

    def _finish(self, mine: _Utterance, turn: Turn | None = None) -> Heard:
        """`turn`: the one whose end has ended it."""
        self._open.remove(mine)
        ended = not mine.ended
        if not ended:
            self._used = max(self._used, mine.end)
        elif turn is not None:
            self._used = max(self._used, turn.times[-1][1] if turn.times else turn.stop)
        self._given += len(mine.now.split())
        return Heard(mine.number, mine.text, final=True, ended=ended and turn is not None)
