"""What an agent did that nobody had asked for: a `clear` while the caller was silent, and sound without a turn. Pure.

A caller asks for a `clear` with every utterance, from its beginning to its end and at least for `CLEAR`; and for one
reply with every turn, from its end until the next one begins. Sound is unasked if it begins

- before the caller has said anything, or
- in the middle of a turn, unless that turn cut into a reply, or
- `AGAIN` or more after the last sound of a reply that was whole.
"""

from __future__ import annotations

import math
from bisect import bisect_right

from bench.measure.record import Record, Run, Span
from bench.measure.track import Track

CLEAR = 1.0
"""Seconds after the onset of a barge-in in which the `clear` must come."""
WHOLE = 0.9
"""Of a reply's sound: after it, the reply is over."""
AGAIN = 1.0
"""Seconds of silence after a whole reply, after which a sound is not its end."""


def asked(record: Record) -> list[float]:
    """The `clear`s that an utterance asked for."""
    asking = _utterances(record)
    return [clear for clear in record.clears if _in(clear, asking)]


def _utterances(record: Record) -> list[Span]:
    """From when to when a `clear` is asked for, in order."""
    every = [*record.unsaid, *record.partial, *record.said]
    spans = [(said.begin, max(said.end, said.begin + CLEAR)) for said in every]
    return sorted(spans + ([] if record.talking is None else [(record.talking, math.inf)]))


def _in(at: float, spans: list[Span]) -> bool:
    number = bisect_right(spans, (at, math.inf)) - 1
    return number >= 0 and at <= spans[number][1]


def clears(record: Record, run: Run) -> int:
    """How many came unasked in the window."""
    asking = _utterances(record)
    return sum(run.begin <= clear <= run.end and not _in(clear, asking) for clear in record.clears)


def sounds(record: Record, track: Track, run: Run) -> int:
    """How many began unasked in the window."""
    # The server could hear of the first two only the end: the rest was before them.
    turns = [said for said in [*record.unsaid, *record.partial, *record.said] if said.kind != "cough"]
    begins = [said.begin for said in turns]
    found = 0
    for onset in track.onsets:
        if not run.begin <= onset <= run.end:
            continue
        number = bisect_right(begins, onset) - 1
        if number < 0:
            found += 1
        elif onset < turns[number].end:
            found += turns[number].kind == "turn"
        else:
            last = track.last(onset)
            heard = track.sounding(turns[number].end, onset)
            found += heard >= WHOLE * run.reply and last is not None and onset - last >= AGAIN
    return found
