"""Records of calls, made by hand, and what is concluded from them."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import numpy as np

from bench.callers.ear import Ear
from bench.measure.record import Record, Run, Said
from bench.measure.result import judged, result
from parlance.codecs import mulaw, pcm

REPLY = 3.4
TONE = mulaw.encode(pcm.rounded(3000 * np.sin(2 * np.pi * 440 * np.arange(8000) / 8000)))
SILENCE = b"\xff" * 8000


def sound(seconds: float, source: bytes = TONE) -> bytes:
    count = round(seconds * 8000)
    return (source * (count // len(source) + 1))[:count]


def play(ear: Ear, at: float, seconds: float, source: bytes = TONE) -> None:
    """`seconds` of audio in messages of 60 ms, each arriving when it is due."""
    whole = sound(seconds, source)
    for number, first in enumerate(range(0, len(whole), 480)):
        hear(ear, at + number * 0.06, whole[first : first + 480])


def hear(ear: Ear, at: float, mulaw: bytes) -> None:
    """One message."""
    ear.media(at, b64encode(mulaw), len(mulaw))


def call(*said: Said) -> tuple[Record, Ear]:
    record = Record(0, dialed=0.0, started=0.01, said=list(said))
    return record, Ear(record)


def run(*records: Record, end: float = 60.0, late: float = 0.0005, **more: Any) -> Run:
    return Run(list(records), 0.0, end, [late] * 1000, 0.1, 0, **more)


def concluded(*records: Record, **more: Any) -> dict[str, dict[str, Any]]:
    of = run(*records, **more)
    return result(of, judged(of), None)


def turn(begin: float) -> Said:
    return Said("turn", begin, begin + 1.5)


def answered(calls: int = 1, reply: float = REPLY) -> list[Record]:
    """Calls with one turn each that ends at 2.5 s and is answered at 3.1 s."""
    records = []
    for _ in range(calls):
        record, ear = call(turn(1.0))
        play(ear, 3.1, reply)
        records.append(record)
    return records


def barge_in(clear: float | None) -> Record:
    """A turn, a reply from 3.1 s on, a barge-in at 4.7 s, its `clear` after `clear` seconds, and the reply to it."""
    record, ear = call(turn(1.0), Said("barge-in", 4.7, 6.0))
    play(ear, 3.1, 1.62)
    if clear is None:
        play(ear, 3.1 + 1.62, REPLY - 1.62)
    else:
        play(ear, 3.1 + 1.62, 0.18)
        ear.clear(4.7 + clear)
        play(ear, 6.6, REPLY)
    return record
