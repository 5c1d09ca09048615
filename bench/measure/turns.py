"""One call's turns, judged from its record: what was answered and when, what was interrupted, what failed. Pure.

A turn is asked if its utterance ended in the steady window and its answer could come in it and in the call. It is
answered if the agent became audible within the patience and before the caller spoke again. It failed, whatever else it
did, if

- it was `unsaid`: the server had not answered the call when its utterance was due, or
- it was not answered, or
- the barge-in into its reply found no sound to interrupt, or
- it was a barge-in and no `clear` came within a second, or
- its reply was not interrupted and was cut short: it had less than `SHORT` of the sound that every reply has, or
- its reply overran: it was still sounding when the next utterance began that was not to interrupt it, or it had more
  than `EXCESS` of that sound.

What the callers heard late because they themselves were not awake is no figure of the server's: a response or a `clear`
that came in such a stall is spoiled, an upper bound, and a gap is only as long as the callers were awake in it.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import pairwise

from bench.measure.record import Record, Run, Said, Span
from bench.measure.track import RATE, Track
from bench.measure.unasked import CLEAR, WHOLE, asked

NOW = 0.1
"""Seconds that tell "audible at this moment": the gaps between syllables are shorter."""
GAP, REPLY_OVER = 0.02, 1.5
"""Seconds: a shorter pause is none; after a longer one the reply was over, if `WHOLE` of it was heard before."""
AFTER = 0.005
"""Seconds after a stall in which what has come meanwhile is read."""
RESUMED = 1.5
"""Seconds after a cough in which the agent must go on."""
SHORT, LONG, EXCESS = 0.8, 1.2, 1.3
"""Of a reply's sound: below, it was cut short; above, it was another one after a cough, or it overran without one."""


@dataclass(slots=True)
class Turn:
    """One utterance that was asked. Times are those of the run's clock, lengths seconds."""

    said: Said
    response: float | None = None
    """From the end of speech to the first audible sample; None if not answered."""
    faults: list[str] = field(default_factory=list)
    reply: float | None = None
    """Seconds of sound of a reply that was heard to its own end; None if it was interrupted or the call ended."""
    sounding_on: bool = False
    """Its reply had not ended when the next utterance began, which was not to interrupt it."""
    coughed: bool = False
    barge_in: bool = False
    """It cut into a reply that was sounding."""
    clear: float | None = None
    silence: float | None = None
    answered: bool = False
    spoiled: int = 0
    """Figures that are upper bounds, because the callers stalled just then."""


@dataclass(slots=True)
class Cough:
    """A cough into a sounding reply, that of `turn`. `went_on`: the agent was heard again within `RESUMED`."""

    turn: Turn
    went_on: bool
    restarted: bool = False
    """It went on, but with another reply."""


@dataclass(slots=True)
class Judged:
    """What one call came to."""

    record: Record
    track: Track
    stalls: list[Span]
    turns: list[Turn] = field(default_factory=list)
    coughs: list[Cough] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)
    jitter: list[float] = field(default_factory=list)

    @property
    def stuck(self) -> bool:
        """Neither of the last two turns was answered."""
        return len(self.turns) > 1 and not any(turn.answered for turn in self.turns[-2:])


def judge(record: Record, run: Run) -> Judged:
    """One call; `run` says what was to be heard, and when."""
    judged = Judged(record, Track(record.pieces, record.clears), run.stalls)
    unsaid = [said for said in record.unsaid if said.kind != "cough" and _is_asked(said, record, run)]
    judged.turns += [Turn(said, faults=["unsaid"]) for said in unsaid]
    over = run.end if record.ended is None else record.ended
    asking = [said for said in record.said if said.kind != "cough"]
    before: Turn | None = None
    for number, said in enumerate(asking):
        following = asking[number + 1] if number + 1 < len(asking) else None
        turn = Turn(said)
        _interrupts(turn, before, judged)
        _answered(turn, following, over, judged, run.patience)
        if _is_asked(said, record, run):
            judged.turns.append(turn)
        _coughs(turn, following.begin if following else over, judged, run)
        _whole(turn, judged, run.reply)
        before = turn
    _continuity(judged, asking, run)
    return judged


def _is_asked(said: Said, record: Record, run: Run) -> bool:
    end = run.end
    if record.by == "us" and record.ended is not None:
        end = min(end, record.ended)
    return run.begin <= said.end and said.end + run.patience <= end


def _interrupts(turn: Turn, before: Turn | None, judged: Judged) -> None:
    """The barge-in's own figures; the turn before has failed if there was nothing to cut into."""
    if turn.said.kind != "barge-in" or before is None:
        return
    onset, track = turn.said.begin, judged.track
    if not track.audible(onset - NOW, onset + GAP):
        before.faults.append("no reply to interrupt")
        return
    turn.barge_in = True
    clear = next((at for at in judged.record.clears if at >= onset), None)
    if clear is None or clear - onset > CLEAR:
        turn.faults.append("uncleared")
        return
    turn.spoiled += during(clear, judged.stalls)
    turn.clear = clear - onset
    turn.silence = track.silent(onset) - onset


def _answered(turn: Turn, following: Said | None, over: float, judged: Judged, patience: float) -> None:
    end, track = turn.said.end, judged.track
    until = over if following is None else min(over, following.begin)
    answer = track.onset(end)
    if answer is None or answer > min(end + patience, until):
        turn.faults.append("unanswered")
        return
    turn.answered = True
    turn.spoiled += during(answer, judged.stalls)
    turn.response = answer - end
    last = track.last(until)
    if following is not None and following.begin <= over:
        complete = not track.audible(following.begin - NOW, following.begin + GAP)
        turn.sounding_on = not complete and following.kind == "turn"
    else:
        complete = last is not None and (judged.record.by == "server" or over - last >= REPLY_OVER)
    if complete:
        turn.reply = track.sounding(answer, until)


def _whole(turn: Turn, judged: Judged, usual: float) -> None:
    """Whether the reply had the sound that it should have; with too much after a cough it is another one."""
    length = turn.reply
    if length is not None and length < SHORT * usual:
        turn.faults.append("cut short")
    if not turn.coughed and (turn.sounding_on or (length is not None and length > EXCESS * usual)):
        turn.faults.append("overran")
    for cough in judged.coughs:
        if cough.turn is turn and cough.went_on:
            cough.restarted = turn.sounding_on or (length is not None and length > LONG * usual)
    if length is None and not turn.sounding_on:
        # Whether it was the same reply that went on, nobody has heard.
        judged.coughs = [cough for cough in judged.coughs if cough.turn is not turn]


def _coughs(turn: Turn, until: float, judged: Judged, run: Run) -> None:
    track = judged.track
    for said in judged.record.said:
        if said.kind != "cough" or not turn.said.end < said.begin < until:
            continue
        turn.coughed = True
        if run.begin <= said.begin <= run.end - RESUMED and track.audible(said.begin - NOW, said.begin + GAP):
            judged.coughs.append(Cough(turn, track.audible(said.end + NOW, said.end + RESUMED)))


def _continuity(judged: Judged, asking: list[Said], run: Run) -> None:
    """Gaps and jitter inside replies: between two messages that neither an utterance of the caller parts nor the
    `clear` that one asked for."""
    ends = [said.end for said in asking]
    parting = sorted([*asked(judged.record), *ends])
    at = 0
    for (begin, arrived, count, _), (following, arrival, _, _) in pairwise(judged.record.pieces):
        while at < len(parting) and parting[at] <= arrived:
            at += 1
        parted = at < len(parting) and parting[at] <= arrival
        gap = following - begin - count / RATE
        if parted or not run.begin <= arrival <= run.end:
            continue
        if gap > REPLY_OVER and not _is_inside(following - gap, ends, judged.track, run.reply):
            continue
        if not during(arrival, run.stalls):
            judged.jitter.append(abs(arrival - arrived - count / RATE))
        if gap > GAP and (gap := gap - _asleep(following - gap, following, run.stalls)) > GAP:
            judged.gaps.append(gap)


def _is_inside(at: float, ends: list[float], track: Track, usual: float) -> bool:
    """Whether a reply was under way then: it had begun, and `WHOLE` of it was not heard yet."""
    number = bisect_right(ends, at) - 1
    return number >= 0 and 0 < track.sounding(ends[number], at) < WHOLE * usual


def during(at: float, stalls: list[Span]) -> bool:
    """Whether the callers stalled then, or were still reading what had come meanwhile."""
    number = bisect_right(stalls, (at, math.inf)) - 1
    return number >= 0 and at <= stalls[number][1] + AFTER


def _asleep(first: float, last: float, stalls: list[Span]) -> float:
    """Seconds between the two times in which the callers stalled."""
    since = max(0, bisect_right(stalls, (first, math.inf)) - 1)
    until = bisect_right(stalls, (last, math.inf))
    return sum(max(0.0, min(last, end + AFTER) - max(first, begin)) for begin, end in stalls[since:until])
