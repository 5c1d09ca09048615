"""Who says what and when: each line's whole run, planned beforehand as a list of ready messages and the edges in it.

All callers speak from one sheet, the pattern repeated, and each began it at another place, so that at any time the
load is the same. A message is made once for all callers that send it: its sequence number is its place on the sheet, so
a caller that joins in the middle begins with a number other than one. Pure.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

from bench.callers.speech import Speech
from bench.measure.record import Kind

PERIOD = 0.02
"""Seconds from one frame of a caller to the next."""
TURN, SHORT, COUGH = 75, 65, 12
"""Frames of an utterance, of one that cuts in, and of a cough."""
PATTERN: tuple[tuple[Kind, int, int], ...] = (
    ("turn", 0, TURN),
    ("barge-in", 185, SHORT),
    ("turn", 525, TURN),
    ("turn", 875, TURN),
)
"""Kind, first frame and frames. 2.2 s after the first utterance the second cuts in; then 5.5 s for each whole reply."""
LENGTH = 1275
"""Frames of the pattern: 25.5 s."""
COUGH_AT = 690
"""1.8 s after the third utterance: in the middle of its reply."""
LEAD_IN = 30
"""Frames of noise before the first word of the sheet: who begins there has time to be connected."""
GUARD = 25
"""Frames a line has after dialing before its caller may speak: half a second."""
REDIAL = 25
"""Frames from a hang-up to the call that takes its place."""
HANG_UP_TALKING, HANG_UP_LISTENING = 915, 1025
"""In the middle of the last utterance, and 1.5 s after it, in the middle of its reply."""
DECK = ("cough",) * 3 + ("silent",) + ("hang up",) + ("plain",) * 5
"""What becomes of a pattern in the rough mix; every line is dealt one card a pattern."""


class Edge(Enum):
    DIAL = 0
    BEGIN = 1
    END = 2
    HANG_UP = 3


@dataclass(frozen=True, slots=True)
class Utterance:
    """`first` and `last`: the frames, counted from the beginning of the run."""

    kind: Kind
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Script:
    """A line's run. `messages`: what is sent in each period; `edges`: (period, what, number of the utterance or -1)."""

    messages: list[bytes]
    utterances: tuple[Utterance, ...]
    edges: tuple[tuple[int, Edge, int], ...]
    sound: Callable[[int], bytes]
    """The µ-law of the frame sent in a period."""


class Sheet:
    """The pattern as far as a run needs it. `media(place, payload)` makes a message of a frame of µ-law."""

    def __init__(self, speech: Speech, periods: int, media: Callable[[int, bytes], bytes]) -> None:
        size = periods + LENGTH
        noise = speech.noise
        self.quiet_sound = [noise[place % len(noise)] for place in range(size)]
        self.sound = list(self.quiet_sound)
        self.cough_sound: dict[int, bytes] = {}
        for again, begin in enumerate(range(LEAD_IN, size, LENGTH)):
            for number, (kind, first, _) in enumerate(PATTERN):
                clips = speech.short if kind == "barge-in" else speech.long
                clip = clips[(again * len(PATTERN) + number) % len(clips)]
                place = begin + first
                self.sound[place : place + len(clip)] = clip[: max(0, size - place)]
            for at, frame in enumerate(speech.cough, begin + COUGH_AT):
                self.cough_sound[at] = frame
        self.quiet = [media(place, frame) for place, frame in enumerate(self.quiet_sound)]
        self.talk = [
            quiet if heard is silent else media(place, heard)
            for place, (quiet, heard, silent) in enumerate(zip(self.quiet, self.sound, self.quiet_sound, strict=True))
        ]
        self.cough = {place: media(place, frame) for place, frame in self.cough_sound.items()}


def plan(sheet: Sheet, line: int, lines: int, *, dial: int, periods: int, mix: str, seed: int) -> Script:
    """What line `line` of `lines` does in `periods` periods if it dials in period `dial`."""
    offset = line * LENGTH // lines
    deck = list(DECK)
    random.Random(seed).shuffle(deck)
    said: list[Utterance] = []
    edges = [(dial, Edge.DIAL, -1)]
    talking = dial + GUARD
    for again in range((periods + offset) // LENGTH + 1):
        begin = LEAD_IN + again * LENGTH - offset
        card = deck[(line + 7 * again) % len(deck)] if mix == "rough" else "plain"
        hang_up = begin + ((HANG_UP_TALKING, HANG_UP_LISTENING)[(line // len(deck) + again) % 2])
        hangs_up = card == "hang up" and talking <= hang_up < periods - REDIAL - GUARD
        said += _pattern(begin, talking, silent=card == "silent", cough=card == "cough")
        if hangs_up:
            said = [replace(one, last=min(one.last, hang_up - 1)) for one in said if one.first < hang_up]
            edges += [(hang_up, Edge.HANG_UP, -1), (hang_up + REDIAL, Edge.DIAL, -1)]
            talking = hang_up + REDIAL + GUARD
    said = [one for one in said if one.first < periods]
    messages = sheet.quiet[offset : offset + periods]
    heard = sheet.quiet_sound[offset : offset + periods]
    for number, one in enumerate(said):
        places = range(one.first + offset, min(one.last + 1, periods) + offset)
        source, sound = (sheet.cough, sheet.cough_sound) if one.kind == "cough" else (sheet.talk, sheet.sound)
        messages[one.first : one.last + 1] = [source[place] for place in places]
        heard[one.first : one.last + 1] = [sound[place] for place in places]
        edges += [(one.first, Edge.BEGIN, number), (one.last, Edge.END, number)]
    edges.sort(key=lambda edge: edge[0])
    return Script(messages, tuple(said), tuple(edges), heard.__getitem__)


def _pattern(begin: int, talking: int, *, silent: bool, cough: bool) -> list[Utterance]:
    """What is said of the pattern that begins in period `begin`, by a caller who may speak from `talking` on.

    An utterance whose beginning would be missing is left out, and so is one that cuts into the reply to it.
    """
    said: list[Utterance] = []
    for number, (kind, first, frames) in enumerate(PATTERN):
        last = number == len(PATTERN) - 1
        if begin + first < talking or (kind == "barge-in" and not said) or (silent and last):
            continue
        said.append(Utterance(kind, begin + first, begin + first + frames - 1))
        if cough and number == 2:
            said.append(Utterance("cough", begin + COUGH_AT, begin + COUGH_AT + COUGH - 1))
    return said
