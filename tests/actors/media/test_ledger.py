"""The playout's ledger as a state machine, with a telephone at the other end.

The telephone (`FarEnd`) plays what it is sent at the pace of the ear, echoes marks with a delay, obeys `clear`, and
knows at any time what was really played: what the ledger believes is held against it.
"""

from __future__ import annotations

from collections import deque
from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from parlance.actors.media.playout import MARK_EVERY, Playout
from parlance.codecs.format import TELEPHONE, Format

BEAT = 0.02
PCM = Format("pcm16", 16000)


def audio(start: int, count: int) -> bytes:
    """`count` bytes that say where in the reply they stand, none of them silence."""
    return bytes((at * 2654435761 >> 13) % 251 + 1 for at in range(start, start + count))


def send(playout: Playout, now: float) -> list[tuple[bytes, str | None]]:
    """Everything due at `now`."""
    sent = []
    while (due := playout.due(now)) is not None:
        sent.append(due)
    return sent


class FarEnd:
    """A telephone that plays from its buffer without a break, and knows the ledger's position of what it plays."""

    def __init__(self, line: Format = TELEPHONE) -> None:
        self.second = line.second
        self.free = 0.0
        """When its buffer will be empty."""
        self.pieces: list[tuple[float, int, int]] = []
        """(when it begins to play, position in the reply, bytes)"""
        self.marks: deque[tuple[float, str]] = deque()
        """(when the echo arrives, name)"""

    def take(self, now: float, position: int, size: int, count: int) -> None:
        """`size` bytes of the reply from `position`, in a message of `count` bytes."""
        start = max(self.free, now)
        self.pieces.append((start, position, size))
        self.free = start + count / self.second

    def mark(self, now: float, name: str, delay: float) -> None:
        reached = max(self.free, now) + delay
        self.marks.append((max(reached, self.marks[-1][0] if self.marks else 0.0), name))

    def clear(self, now: float) -> None:
        self.pieces = [
            (start, position, min(size, int((now - start) * self.second)))
            for start, position, size in self.pieces
            if start < now
        ]
        self.free = min(self.free, now)
        self.marks = deque((min(at, now + 0.05), name) for at, name in self.marks)

    def played(self, now: float) -> int:
        """The furthest position of the reply that was played by `now`."""
        begun = (piece for piece in self.pieces if piece[0] < now)
        ends = (position + min(size, int((now - start) * self.second)) for start, position, size in begun)
        return max(ends, default=0)


WORDS = st.lists(st.sampled_from("a to the house over again yesterday".split()), min_size=1, max_size=6).map(" ".join)


class Ledger(RuleBasedStateMachine):
    """A speaker, a caller and a telephone around one playout. Time only moves by `beats` and `late`."""

    @initialize(
        rtt=st.sampled_from([0.0, 0.02, 0.06, 0.15]),
        jitter=st.booleans(),
        batch=st.sampled_from([0.02, 0.06, 0.1]),
        lead=st.sampled_from([0.1, 0.2, 0.3]),
        marks=st.booleans(),
        clears=st.booleans(),
        line=st.sampled_from([TELEPHONE, PCM]),
    )
    def dial(
        self, rtt: float, jitter: bool, batch: float, lead: float, marks: bool, clears: bool, line: Format
    ) -> None:
        self.line, self.rtt, self.jitter, self.clears = line, rtt, jitter, clears
        self.lead = max(lead, 2 * batch) * line.second
        # Without marks there is only the clock, which cannot know of a delay.
        self.behind = ((MARK_EVERY + batch + rtt) if marks else 0.0) * line.second + 2 * line.frame
        self.playout = Playout(line, lead=lead, batch=batch, marks=marks, clears=clears)
        self.now = 100.0
        self.turn = 0
        self.begin()

    def begin(self) -> None:
        self.turn += 1
        self.playout.stage(self.turn)
        if self.turn > 1:
            self.far.clear(self.now)
        self.far = FarEnd(self.line)
        self.said: list[str] = []
        self.stream = b""
        self.sent = 0
        self.opened = 0
        self.before = 0
        self.open = self.completed = self.rewound = False

    # ------------------------------------------------------------------------ the speaker

    @precondition(lambda self: not self.open and not self.completed)
    @rule(text=WORDS)
    def phrase(self, text: str) -> None:
        self.playout.phrase(text)
        self.said.append(text)
        self.open, self.opened = True, len(self.stream)

    @precondition(lambda self: self.open)
    @rule(size=st.integers(0, 3000))
    def add(self, size: int) -> None:
        size = min(size - size % self.line.width, self.playout.room(self.now))
        sound = audio(len(self.stream), size)
        self.playout.add(sound)
        self.stream += sound

    @precondition(lambda self: self.open)
    @rule()
    def add_all_there_is_room_for(self) -> None:
        self.add(self.playout.room(self.now))

    @precondition(lambda self: self.open)
    @rule()
    def phrase_done(self) -> None:
        self.playout.phrase_done()
        self.open = False

    @precondition(lambda self: not self.completed)
    @rule()
    def complete(self) -> None:
        self.playout.complete()
        self.open, self.completed = False, True

    @precondition(lambda self: self.open)
    @rule()
    def retake(self) -> None:
        rest = self.playout.retake()
        self.open = False
        self.stream = self.stream[: max(self.opened, self.sent)]
        assert self.said[-1].endswith(rest)
        if rest:
            self.playout.phrase(rest)
            self.open, self.opened = True, len(self.stream)

    # ------------------------------------------------------------------------- time, and the caller

    @rule(count=st.integers(1, 20), random=st.randoms(use_true_random=False))
    def beats(self, count: int, random: Random) -> None:
        for _ in range(count):
            self.pass_time(BEAT)
            self.tick(random)

    @rule(seconds=st.floats(0.001, 0.5), random=st.randoms(use_true_random=False))
    def late(self, seconds: float, random: Random) -> None:
        """A metronome that comes late."""
        self.pass_time(seconds)
        self.tick(random)

    @rule(seconds=st.floats(0.0001, 0.02))
    def between(self, seconds: float) -> None:
        """Something happens between two ticks."""
        self.pass_time(seconds)

    def pass_time(self, seconds: float) -> None:
        until = self.now + seconds
        while self.far.marks and self.far.marks[0][0] <= until:
            self.now, name = self.far.marks.popleft()
            self.playout.echoed(name, self.now)
        self.now = until

    def tick(self, random: Random) -> None:
        for payload, mark in send(self.playout, self.now):
            size = min(len(payload), len(self.stream) - self.sent)
            fill = payload[size:]
            assert len(payload) % self.line.frame == 0
            assert payload[:size] == self.stream[self.sent : self.sent + size], "each byte once, in order"
            assert fill == b"" or (self.completed and not fill.strip(self.line.silence)), "filled up before the end"
            self.far.take(self.now, self.sent, size, len(payload))
            self.sent += size
            if mark is not None:
                delay = self.rtt * random.random() if self.jitter else self.rtt
                self.far.mark(self.now, mark, delay)
        ahead = self.sent - self.playout.heard(self.now)
        assert ahead <= self.lead, "further ahead than the lead"
        self.playout.trim(self.now)

    @precondition(lambda self: not self.playout.held)
    @rule()
    def hold(self) -> None:
        heard = self.playout.heard(self.now)
        self.playout.hold(self.now)
        if self.clears:
            assert self.playout.heard(self.now) == heard
            self.far.clear(self.now)
            self.sent = min(heard, len(self.stream))
        self.rewound = True
        assert self.playout.due(self.now) is None

    @precondition(lambda self: self.playout.held)
    @rule()
    def release(self) -> None:
        self.playout.release()

    @precondition(lambda self: not self.playout.held)
    @rule(beats=st.integers(1, 10), seconds=st.floats(0.001, 0.02), random=st.randoms(use_true_random=False))
    def cough(self, beats: int, seconds: float, random: Random) -> None:
        """The caller is heard in mid-reply, and it was nothing."""
        self.beats(beats, random)
        self.between(seconds)
        self.hold()
        self.release()

    @rule()
    def finish(self) -> None:
        believed, said = self.playout.heard(self.now), " ".join(self.said)
        played = self.playout.played(self.now)
        heard = self.playout.finish(self.now)
        assert said.startswith(heard.text), "what was heard is no beginning of what was said"
        assert heard.text == said or said[len(heard.text)] == " " or not heard.text, "half a word"
        assert not heard.complete or heard.text == said
        assert heard.complete >= played
        if self.clears:
            assert heard.seconds == pytest.approx(believed / self.line.second)
        assert self.playout.due(self.now) is None
        assert self.playout.due(self.now + 10) is None
        self.begin()

    @precondition(lambda self: self.completed)
    @rule(random=st.randoms(use_true_random=False))
    def play_out(self, random: Random) -> None:
        """A complete reply is played to its end in the time that it takes."""
        if self.playout.held:
            self.release()
        left = (len(self.stream) - self.sent + self.lead) / self.line.second
        for _ in range(int((2 * left + 4 * self.rtt + 1) / BEAT)):
            self.pass_time(BEAT)
            self.tick(random)
        assert self.playout.played(self.now)
        assert self.sent == len(self.stream)
        self.finish()

    # ------------------------------------------------------------------------------ what always holds

    @invariant()
    def heard_is_what_was_played(self) -> None:
        if not hasattr(self, "far"):
            return
        heard, played = self.playout.heard(self.now), self.far.played(self.now)
        assert heard >= self.before, "what was heard cannot become unheard"
        self.before = heard
        if not self.clears and self.rewound:
            return
        # What fills the last frame is played, too, but stands for no part of the reply.
        assert min(heard, len(self.stream)) <= played + self.line.frame, "heard what was not played"
        if not self.jitter and not self.playout.held:
            assert heard >= played - self.behind, "played long ago, and not heard"


Ledger.TestCase.settings = settings(max_examples=300, stateful_step_count=30, deadline=None)
TestLedger = Ledger.TestCase
