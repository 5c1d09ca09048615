"""The playout: one ledger of a reply's words, its audio, what was sent of it and what the caller has heard.

Audio is sent ahead of the ear by at most the lead; a little more of it may wait here, so that the voice need not be
woken for every message. What was heard is known by the carrier's marks where it echoes
them, and by a clock between them and where it does not. Holding rewinds to the last sample heard; what a `clear` threw
away is sent again on release. Pure: positions are bytes of the line's format, counted from the turn's first sample;
`now` is seconds.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from parlance.codecs.format import Format
from parlance.engine.roles import Heard

MARK_EVERY = 0.2
"""Seconds of audio between two marks: the clock bridges less than that."""
PATIENCE = 2.0
"""Seconds a mark may be overdue before the line counts as one that does not echo marks, or as stalled."""


@dataclass(slots=True)
class Span:
    """A phrase and its audio; `end` is None while audio may still come."""

    text: str
    start: int
    end: int | None = None


class Playout:
    """The ledger of the turn in hand. `marks`, `clears`: what the carrier can do; `lead`, `batch`, `store`: seconds."""

    def __init__(
        self, line: Format, *, lead: float, batch: float, marks: bool, clears: bool, store: float = 0.0
    ) -> None:
        self.turn = 0
        self.held = False
        self.marks = marks
        self.overdue = False
        """A mark that must have been echoed long ago was not."""
        self._line = line
        self._clears = clears
        self._lead = max(int(lead * line.rate), int(2 * batch * line.rate)) * line.width
        self._most = self._lead + int(store * line.rate) * line.width
        self._batch = max(line.frame, int(batch * line.rate) * line.width)
        self._mark_every = int(MARK_EVERY * line.rate) * line.width
        self._echoed = False
        self._names = 0
        self._reset()

    def _reset(self) -> None:
        self._audio = bytearray()
        self._trimmed = 0
        self._spans: list[Span] = []
        self._spoken = 0
        self._complete = False
        self._sent = 0
        self._floor = 0
        self._marked = 0
        self._pending: deque[tuple[str, int]] = deque()
        self._origin: float | None = None

    # ------------------------------------------------------------------------------- what is to be said

    def stage(self, turn: int) -> None:
        """Begin turn `turn`: whatever is left of the one before is dropped."""
        self.turn = turn
        self.held = False
        self._reset()

    def phrase(self, text: str) -> None:
        """A phrase begins; audio added from now on is its, and no longer the one's before."""
        self.phrase_done()
        self._spans.append(Span(text, self._total))

    def add(self, audio: bytes) -> None:
        self._audio += audio

    def phrase_done(self) -> None:
        if self._spans and self._spans[-1].end is None:
            self._spans[-1].end = self._total

    def complete(self) -> None:
        """No more audio comes."""
        self.phrase_done()
        self._complete = True
        self._fill()

    def _fill(self) -> None:
        """Fill the last frame up with silence: what is to be sent is whole frames, as carriers take them best."""
        rest = -(self._total - self._sent) % self._line.frame
        self._audio += self._line.silence * (rest // self._line.width)

    def retake(self) -> str:
        """Forget what was not sent of the open phrase, close it, and return its words that the cut audio lacks."""
        span = self._spans[-1] if self._spans else None
        if span is None or span.end is not None:
            return ""
        keep = max(span.start, self._sent)
        said = _words(span.text, (keep - span.start) / max(1, self._estimate(span)))
        del self._audio[keep - self._trimmed :]
        rest = span.text[len(said) :].strip()
        span.text, span.end = said, keep
        return rest

    def _estimate(self, span: Span) -> int:
        """Bytes that the whole phrase would take, at 15 characters a second: its audio is not complete."""
        return max(self._total - span.start, int(len(span.text) / 15 * self._line.rate) * self._line.width)

    # ------------------------------------------------------------------------------- what is to be sent

    def room(self, now: float) -> int:
        """Bytes that may be added before the audio is more than the lead and the store ahead of the ear."""
        return max(0, self._most - (self._total - self.heard(now)))

    def dry(self, now: float) -> bool:
        """Whether the ear has heard everything that was sent, and may hear more."""
        return not self.held and self._sent == self.heard(now)

    def due(self, now: float) -> tuple[bytes, str | None] | None:
        """The next message's audio and the name of the mark to send after it; None if nothing is due."""
        if self.held:
            return None
        left = self._total - self._sent
        ahead = self._sent - self.heard(now)
        size = min(left, self._batch, self._lead - ahead)
        last = self._complete and size == left
        if size < self._batch and not last and ahead > self._batch:
            return None  # more is coming and nothing is urgent: a full message is cheaper
        size -= size % self._line.frame
        if size <= 0:
            return None
        if ahead == 0:
            self._floor = self._sent
            self._origin = now - self._seconds(self._sent)
        start = self._sent - self._trimmed
        payload = bytes(self._audio[start : start + size])
        self._sent += size
        return payload, self._mark()

    def last(self) -> str | None:
        """The mark to send when a reply turns out to be complete after all of it was sent; None if none is wanted."""
        return self._mark() if self._sent == self._total and self._marked < self._sent else None

    def _mark(self) -> str | None:
        last = self._complete and self._sent == self._total
        if not self.marks or not (last or self._sent - self._marked >= self._mark_every):
            return None
        self._names += 1
        self._marked = self._sent
        name = f"p{self._names}"
        self._pending.append((name, self._sent))
        return name

    # ----------------------------------------------------------------------------------- what was heard

    def echoed(self, name: str, now: float) -> None:
        """The carrier says that everything before mark `name` was played. An unknown name is a mark of old."""
        self._echoed = True
        if all(name != known for known, _ in self._pending):
            return
        while self._pending:
            known, position = self._pending.popleft()
            if known == name:
                self._floor = position
                self._origin = now - self._seconds(position)
                return

    def heard(self, now: float) -> int:
        """Bytes heard: by the clock, but no less than the last mark echoed and less than the next one due."""
        if self.held or self._origin is None:
            return self._floor
        position = min(int((now - self._origin) * self._line.rate) * self._line.width, self._sent)
        if self._pending:
            ceiling = self._pending[0][1]
            if position >= ceiling:
                self._judge_marks(now, ceiling)
                position = ceiling - self._line.width if self._pending else position
        return max(position, self._floor)

    def _judge_marks(self, now: float, ceiling: int) -> None:
        """A mark is late. A line that never echoed one cannot; one that did has stopped playing."""
        assert self._origin is not None
        if now - self._origin - self._seconds(ceiling) < PATIENCE:
            return
        if self._echoed:
            self.overdue = True
        else:
            self.marks = False
            self._pending.clear()

    def spoken(self, now: float) -> list[str]:
        """Phrases that have begun to be heard since the last call."""
        if self._spoken >= len(self._spans):
            return []
        heard = self.heard(now)
        begun: list[str] = []
        while self._spoken < len(self._spans) and self._spans[self._spoken].start < max(heard, 1) and self._sent:
            # What a retake left of a phrase of which nothing was sent has no words.
            begun += filter(None, (self._spans[self._spoken].text,))
            self._spoken += 1
        return begun

    def played(self, now: float) -> bool:
        """Whether the reply is whole and its last sample was heard."""
        return self._complete and not self.held and self.heard(now) >= self._total

    def hold(self, now: float) -> None:
        """Stop: what was sent and not heard will be sent again, if the carrier can throw it away."""
        if self.held:
            return
        self._floor = self.heard(now) if self._clears else self._sent
        self._sent = self._marked = self._floor
        self._pending.clear()
        self.held = True
        self._origin = None
        if self._complete:
            self._fill()

    def release(self) -> None:
        self.held = False

    def finish(self, now: float) -> Heard:
        """What was heard of the turn; its audio is dropped."""
        heard = self.heard(now) if self.held or self._clears else self._sent
        complete = self._complete and heard >= self._total
        parts = [
            span.text
            if span.end is not None and heard >= span.end
            else _words(span.text, (heard - span.start) / max(1, self._length(span)))
            for span in self._spans
            if heard > span.start or (span.end == span.start and complete)
        ]
        result = Heard(" ".join(part for part in parts if part), self._seconds(heard), complete)
        self.stage(0)
        return result

    def _length(self, span: Span) -> int:
        return self._estimate(span) if span.end is None else span.end - span.start

    def trim(self, now: float) -> None:
        """Let go of audio that was heard: a long reply costs no more memory than its last seconds."""
        spare = self.heard(now) - self._trimmed
        if spare > 4 * self._line.second:
            del self._audio[:spare]
            self._trimmed += spare

    @property
    def _total(self) -> int:
        return self._trimmed + len(self._audio)

    def _seconds(self, position: int) -> float:
        return position / self._line.second


def _words(text: str, share: float) -> str:
    """The whole words in the first `share` of `text`, by length: always a prefix of it."""
    if share >= 1:
        return text
    cut = int(len(text) * max(0.0, share))
    if cut < len(text) and not text[cut].isspace():
        cut = text.rfind(" ", 0, cut + 1)
    return text[: max(0, cut)].rstrip()
