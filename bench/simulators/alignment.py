"""Audio with the times of its text, for simulated voices that tell them; and messages as their fate wants them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from bench.simulators.conduct import HUGE, Fate
from bench.simulators.speak import audio
from parlance.codecs.format import Format


@dataclass(frozen=True, slots=True)
class Timed:
    """A piece of audio, and the characters that are spoken in it: when each begins and how long it takes, in ms."""

    sound: bytes
    chars: list[str]
    starts: list[int]
    lengths: list[int]


def timed(text: str, wanted: Format, fate: Fate = Fate.NONE) -> list[Timed]:
    """`text` spoken, in pieces, whose characters' times add up to their audio's; with `Fate.RATE` to a third of it."""
    pieces = [] if fate is Fate.EMPTY else audio(text, wanted)
    told, whole = [], len(pieces)
    for number, piece in enumerate(pieces):
        chars = list(text[len(text) * number // whole : len(text) * (number + 1) // whole])
        length = round(1000 * len(piece) / wanted.second)
        ticks = [length * at // max(1, len(chars)) for at in range(len(chars) + 1)]
        lengths = [after - before for before, after in pairwise(ticks)]
        told.append(Timed(piece * 3 if fate is Fate.RATE else piece, chars, ticks[:-1], lengths))
    return told


def spoil(message: dict[str, Any], wrong: dict[str, Any], fate: Fate, sound: str) -> str:
    """A message as its fate wants it: half of it, or with the `wrong` values, or with too much in its field `sound`."""
    if fate is Fate.TYPES:
        return json.dumps(message | wrong)
    if fate is Fate.HUGE:
        return json.dumps(message | {sound: "A" * HUGE})
    text = json.dumps(message)
    return text[: len(text) // 2] if fate is Fate.HALF else text
