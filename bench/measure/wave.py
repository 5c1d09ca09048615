"""One call as a picture: both tracks' envelopes, side by side on one clock, and what happened in them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.measure.record import Run
from bench.measure.track import RATE, WINDOW, stretches
from bench.measure.turns import Judged
from parlance.codecs import mulaw

SECONDS = 30.0
"""The end of the steady window that is shown."""

Envelope = NDArray[np.float32]


def wave(run: Run, calls: list[Judged], sound: Callable[[int, float], bytes]) -> dict[str, Any] | None:
    """The first call that lasted the whole window, else the first one; None if there was none.

    The envelopes are peaks of 10 ms, 1 being full scale. `sound`: a line's number and a time to the µ-law of the frame
    that was due at that time.
    """
    whole = (call for call in calls if call.record.ended is None or call.record.ended >= run.end)
    call = next(whole, calls[0] if calls else None)
    if call is None:
        return None
    seconds = min(SECONDS, run.end - run.begin)
    begin = run.end - seconds
    caller = b"".join(sound(call.record.line, begin + frame * 0.02) for frame in range(round(seconds * 50)))
    agent = np.full(round(seconds * RATE), 0xFF, np.uint8)
    for at, heard in stretches(call.record.pieces):
        first = round((at - begin) * RATE)
        piece = np.frombuffer(heard, np.uint8)[max(0, -first) :]
        first = max(0, first)
        room = max(0, len(agent) - first)
        agent[first : first + len(piece)] = piece[:room]
    events = sorted((at - begin, what, text) for at, what, text in _events(call) if begin <= at <= run.end)
    return {
        "seconds": round(seconds, 2),
        "rate": RATE // WINDOW,
        "caller": _peaks(caller),
        "agent": _peaks(agent.tobytes()),
        "events": [{"at": round(at, 3), "what": what, "text": text} for at, what, text in events],
    }


def _events(call: Judged) -> Iterator[tuple[float, str, str]]:
    for said in call.record.said:
        yield said.begin, ("barge-in" if said.kind == "barge-in" else "utterance"), said.kind
    for turn in call.turns:
        onset, end = turn.said.begin, turn.said.end
        if turn.response is not None:
            yield end + turn.response, "answer", f"{turn.response * 1000:.0f} ms after the caller's last frame"
        if turn.silence is not None:
            yield onset + turn.silence, "silence", f"{turn.silence * 1000:.0f} ms after the onset"
    for at in call.record.clears:
        yield at, "clear", ""
    for at, name in call.record.echoes:
        yield at, "mark", name


def _peaks(sound: bytes) -> list[float]:
    samples = np.abs(np.frombuffer(mulaw.decode(sound), "<i2").astype(np.float32)) / 32768
    whole: Envelope = samples[: len(samples) // WINDOW * WINDOW].reshape(-1, WINDOW).max(axis=1)
    return [round(float(value), 3) for value in whole]
