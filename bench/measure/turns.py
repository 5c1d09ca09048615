"""One call's turns, judged from its record: what was answered and when, what was interrupted, what failed. Pure.

A turn is asked if its utterance ended in the steady window and its answer could come in it and in the call. It is
answered if the agent became audible within the patience and before the caller spoke again. It failed, whatever else it
did, if

- it was not answered, or
- the barge-in into its reply found no sound to interrupt, or
- it was a barge-in and no `clear` came within a second, or
- its reply was not interrupted and shorter than `SHORT` of the usual one.

What the callers heard late because they themselves were not awake is no figure of the server's: a response or a `clear`
that came in such a stall is spoiled and not measured, and a gap is only as long as the callers were awake in it.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import pairwise

from bench.measure.record import Record, Run, Said, Span
from bench.measure.track import RATE, Track

CLEAR = 1.0
"""Seconds after the onset of a barge-in in which the `clear` must come."""
NOW = 0.1
"""Seconds that tell "audible at this moment": the gaps between syllables are shorter."""
GAP, REPLY_OVER = 0.02, 1.5
"""Seconds: a shorter pause is none, and after a longer one the reply was over."""
AFTER = 0.005
"""Seconds after a stall in which what has come meanwhile is read."""
RESUMED = 1.5
"""Seconds after a cough in which the agent must go on."""
SHORT, LONG = 0.8, 1.2
"""Of the usual length of a reply: below, it was cut short; above, after a cough, it was another one."""
USUAL, ENOUGH = 3.4, 5
"""Seconds a reply lasts where fewer than `ENOUGH` whole ones were heard."""


@dataclass(slots=True)
class Turn:
    """One utterance that was asked. Times are those of the run's clock, lengths seconds."""

    said: Said
    response: float | None = None
    """From the end of speech to the first audible sample; None if not answered, or spoiled."""
    faults: list[str] = field(default_factory=list)
    reply: float | None = None
    """Seconds of sound of a reply that was heard to its own end; None if it was interrupted or the call ended."""
    coughed: bool = False
    barge_in: bool = False
    """It cut into a reply that was sounding."""
    clear: float | None = None
    silence: float | None = None
    answered: bool = False
    spoiled: int = 0
    """Figures that were not taken, because the callers stalled just then."""


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
    """Everything but short replies: how long a reply usually lasts is known when all calls are judged."""
    judged = Judged(record, Track(record.pieces, record.clears), run.stalls)
    over = run.end if record.ended is None else record.ended
    asking = [said for said in record.said if said.kind != "cough"]
    before: Turn | None = None
    for number, said in enumerate(asking):
        following = asking[number + 1].begin if number + 1 < len(asking) else None
        turn = Turn(said)
        _interrupts(turn, before, judged)
        _answered(turn, following, over, judged, run.patience)
        if _is_asked(said, record, run):
            judged.turns.append(turn)
        _coughs(turn, following or over, judged, run)
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
    if during(clear, judged.stalls):
        turn.spoiled += 1
    else:
        turn.clear = clear - onset
        turn.silence = track.silent(onset) - onset


def _answered(turn: Turn, following: float | None, over: float, judged: Judged, patience: float) -> None:
    end, track = turn.said.end, judged.track
    until = over if following is None else min(over, following)
    answer = track.onset(end)
    if answer is None or answer > min(end + patience, until):
        turn.faults.append("unanswered")
        return
    turn.answered = True
    if during(answer, judged.stalls):
        turn.spoiled += 1
    else:
        turn.response = answer - end
    last = track.last(until)
    if following is not None and following <= over:
        complete = not track.audible(following - NOW, following + GAP)
    else:
        complete = last is not None and (judged.record.by == "server" or over - last >= REPLY_OVER)
    if complete:
        turn.reply = track.sounding(answer, until)


def _coughs(turn: Turn, until: float, judged: Judged, run: Run) -> None:
    track = judged.track
    for said in judged.record.said:
        if said.kind != "cough" or not turn.said.end < said.begin < until:
            continue
        turn.coughed = True
        if run.begin <= said.begin <= run.end - RESUMED and track.audible(said.begin - NOW, said.begin + GAP):
            judged.coughs.append(Cough(turn, track.audible(said.end + NOW, said.end + RESUMED)))


def _continuity(judged: Judged, asking: list[Said], run: Run) -> None:
    """Gaps and jitter inside replies: between two messages that no `clear` and no utterance of the caller parts."""
    parting = sorted([*judged.record.clears, *(said.end for said in asking)])
    at = 0
    for (begin, arrived, count, _), (following, arrival, _, _) in pairwise(judged.record.pieces):
        while at < len(parting) and parting[at] <= arrived:
            at += 1
        parted = at < len(parting) and parting[at] <= arrival
        gap = following - begin - count / RATE
        if parted or gap > REPLY_OVER or not run.begin <= arrival <= run.end:
            continue
        if not during(arrival, run.stalls):
            judged.jitter.append(abs(arrival - arrived - count / RATE))
        if gap > GAP and (gap := gap - _asleep(following - gap, following, run.stalls)) > GAP:
            judged.gaps.append(gap)


def during(at: float, stalls: list[Span]) -> bool:
    """Whether the callers stalled then, or were still reading what had come meanwhile."""
    number = bisect_right(stalls, (at, math.inf)) - 1
    return number >= 0 and at <= stalls[number][1] + AFTER


def _asleep(first: float, last: float, stalls: list[Span]) -> float:
    """Seconds between the two times in which the callers stalled."""
    since = max(0, bisect_right(stalls, (first, math.inf)) - 1)
    until = bisect_right(stalls, (last, math.inf))
    return sum(max(0.0, min(last, end + AFTER) - max(first, begin)) for begin, end in stalls[since:until])


def usual(calls: list[Judged]) -> float:
    """Seconds a whole reply lasts: the median over the run, `USUAL` where there are fewer than `ENOUGH`."""
    whole = sorted(turn.reply for call in calls for turn in call.turns if turn.reply is not None and not turn.coughed)
    return whole[len(whole) // 2] if len(whole) >= ENOUGH else USUAL


def compare(calls: list[Judged]) -> None:
    """Adds the fault `cut short`, and tells a reply that went on after a cough from another one in its place."""
    whole = usual(calls)
    least, most = SHORT * whole, LONG * whole
    for call in calls:
        for turn in call.turns:
            if turn.reply is not None and turn.reply < least:
                turn.faults.append("cut short")
        for cough in call.coughs:
            cough.restarted = cough.went_on and cough.turn.reply is not None and cough.turn.reply > most
