"""The playout: one ledger of a reply's words, its audio, what was sent of it and what the caller has heard.

Audio is sent ahead of the ear by at most the lead; a little more of it may wait here, so that the voice need not be
woken for every message. What was heard is known by the carrier's marks where it echoes
them, and by a clock between them and where it does not. Holding rewinds to the last sample heard; what a `clear` threw
away is sent again on release. Pure: positions are bytes of the line's format, counted from the turn's first sample;
`now` is seconds.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable

from parlance.actors.media.span import PACE, Span
from parlance.codecs.format import Format
from parlance.engine.roles import Heard

MARK_EVERY = 0.2
"""Seconds of audio between two marks: the clock bridges less than that."""
KEPT = 4
"""Seconds of heard audio that are kept at the least; twice as many at the most."""
PATIENCE = 2.0
"""Seconds a mark may be overdue before the line counts as one that does not echo marks, or as stalled."""


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
        self._muted = False
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
        self._gaps: list[tuple[int, int]] = []
        """From where to where silence was sent in place of the audio, in order; without those that were sent again."""

    # ------------------------------------------------------------------------------- what is to be said

    def stage(self, turn: int) -> None:
        """Begin turn `turn`: whatever is left of the one before is dropped."""
        self.turn = turn
        self.held = False
        self._reset()

    def phrase(self, text: str) -> None:
        """A phrase begins; audio added from now on is its, and no longer the one's before."""
        self.phrase_done()
        self._spans.append(Span(text, self._total, int(len(text) / PACE * self._line.rate) * self._line.width))

    def add(self, audio: bytes) -> None:
        self._audio += audio

    def timed(self, times: Iterable[tuple[int, float]]) -> None:
        """Where in its text the open phrase is: characters said, and seconds from its first sample."""
        if self._spans and self._spans[-1].end is None:
            for characters, seconds in times:
                if math.isfinite(seconds):
                    self._spans[-1].timed(characters, int(seconds * self._line.rate) * self._line.width)

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
        said = span.cut(keep, self._total)
        del self._audio[keep - self._trimmed :]
        rest = span.text[len(said) :].strip()
        span.text, span.end = said, keep
        return rest

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
        if self._muted:
            payload = self._line.silence * (size // self._line.width)
            self._gap(self._sent, self._sent + size)
        else:
            payload = bytes(self._audio[start : start + size])
        self._sent += size
        return payload, self._mark()

    def _gap(self, start: int, end: int) -> None:
        if self._gaps and self._gaps[-1][1] == start:
            start = self._gaps.pop()[0]
        self._gaps.append((start, end))

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
        if self._origin is None:
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
        while self._spoken < len(self._spans) and self._sent:
            span = self._spans[self._spoken]
            begins = span.audible(self._gaps)
            if begins >= max(heard, 1):
                break
            # What a retake left of a phrase of which nothing was sent has no words; a muted phrase is not heard.
            begun += [span.text] if span.text and (not self._gaps or begins != span.end) else []
            self._spoken += 1
        return begun

    def played(self, now: float) -> bool:
        """Whether the reply is whole and its last sample was heard."""
        return self._complete and not self.held and self.heard(now) >= self._total

    def hold(self, now: float, *, lost: bool = False) -> None:
        """Stop: what was sent and not heard will be sent again, if the carrier can throw it away, or has `lost` it. One
        that can do neither plays it to its end: then the clock goes on. `now` may be past, where only what was heard
        until then counts; what `trim` let go of counts as heard.
        """
        if self.held and not lost:
            return
        self.held = True
        if not self._clears and not lost:
            return
        self._floor = max(self.heard(now), self._trimmed)
        self._sent = self._marked = self._floor
        self._gaps = [(start, min(end, self._floor)) for start, end in self._gaps if start < self._floor]
        self._pending.clear()
        self._origin = None
        if self._complete:
            self._fill()

    def mute(self, on: bool, now: float) -> bool:
        """From the last sample heard on send silence in place of the audio, or the audio again, where the carrier can
        throw away what it was sent; else from the next one to be sent on. Whether the carrier has to be told to.
        """
        changed, self._muted = self._muted is not on, on
        if not changed or self.held or not self.turn or self._sent == self.heard(now) or not self._clears:
            return False
        self.hold(now)
        self.release()
        return True

    def release(self) -> None:
        self.held = False

    def finish(self, now: float) -> Heard:
        """What was heard of the turn; its audio is dropped."""
        heard = self.heard(now) if self._clears else self._sent
        complete = self._complete and heard >= self._total
        parts = [
            span.heard(heard, self._total, self._gaps)
            for span in self._spans
            if heard > span.start or (span.end == span.start and complete)
        ]
        silent = sum(min(end, heard) - start for start, end in self._gaps if start < heard)
        text = " ".join(part for part in parts if part)
        result = Heard(text, self._seconds(heard - silent), complete and not silent)
        self.stage(0)
        return result

    def trim(self, now: float) -> None:
        """Let go of audio that was heard: a long reply costs no more memory than its last seconds. Some of them are
        kept, for a line of which it turns out that it was dead by then.
        """
        spare = self.heard(now) - self._trimmed - KEPT * self._line.second
        if spare > KEPT * self._line.second:
            del self._audio[:spare]
            self._trimmed += spare

    @property
    def _total(self) -> int:
        return self._trimmed + len(self._audio)

    def _seconds(self, position: int) -> float:
        return position / self._line.second
