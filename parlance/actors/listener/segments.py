"""Transcripts that come in segments of a stream of audio, put together to what was heard of each utterance. Pure.

A streaming service knows no utterances: it counts seconds of the audio it was sent and says which of them a segment
is of. That place, not the time of its coming, tells whose words they are. Times are seconds of audio sent.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from parlance.actors.listener.port import Heard

TAIL = 0.3
"""Seconds at an utterance's end that need no words: the silence that ended it is at least about as long."""
SLACK = 0.02
"""Seconds by which a service's arithmetic may differ."""


@dataclass(frozen=True, slots=True)
class Segment:
    """`text` of `start` to `stop`. A segment that is not `final` is replaced by the next one.

    `paused`: the service heard the speaker pause at its end; `asked`: it is the answer to being asked for final words.
    """

    start: float
    stop: float
    text: str
    final: bool
    paused: bool = False
    asked: bool = False


@dataclass(slots=True)
class _Utterance:
    number: int
    begin: float
    end: float | None = None
    finals: list[str] = field(default_factory=list)
    interim: str = ""
    settled: float = 0.0
    """Up to where its words are final, and nothing has been heard since."""

    @property
    def text(self) -> str:
        return " ".join(filter(None, (*self.finals, self.interim)))

    @property
    def done(self) -> bool:
        return self.end is not None and not self.interim and self.settled >= self.end - TAIL


class Segments:
    """The utterances of one stream whose words are still waited for."""

    def __init__(self) -> None:
        self._open: list[_Utterance] = []

    def begin(self, utterance: int, at: float) -> None:
        self._open.append(_Utterance(utterance, at))

    def end(self, utterance: int, at: float) -> Heard | None:
        """Its final words, if they are known already."""
        for mine in self._open:
            if mine.number == utterance:
                mine.end = at
                return self._finish(mine) if mine.done else None
        return None

    def add(self, segment: Segment) -> Heard | None:
        """What is heard now of the utterance that the segment belongs to; None if that one is over."""
        middle = (segment.start + segment.stop) / 2
        mine = next((one for one in self._open if one.end is None or middle <= one.end + SLACK), None)
        if mine is None or middle < mine.begin - SLACK:
            return None
        mine.interim = "" if segment.final else segment.text.strip()
        if segment.final:
            mine.finals.append(segment.text.strip())
            mine.settled = segment.stop if segment.paused else 0.0
        if mine.end is not None and (segment.asked or mine.done):
            return self._finish(mine)
        return Heard(mine.number, mine.text, final=False)

    def give_up(self, utterance: int) -> Heard | None:
        """Wait no longer: what there is are its final words. None if it was over before."""
        return next((self._finish(mine) for mine in self._open if mine.number == utterance), None)

    def _finish(self, mine: _Utterance) -> Heard:
        self._open.remove(mine)
        return Heard(mine.number, mine.text, final=True)
