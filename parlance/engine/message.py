"""What can happen to a call (events) and what the state machine asks for in return (actions).

Frozen, slotted and free of behavior. Times are seconds of the call's clock, 0.0 when the call was answered.
A message about a reply carries the reply's turn number; a stale number changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class How(Enum):
    """How a call ended, as its record says it."""

    COMPLETED = "completed"
    FAILED = "failed"


class Outcome(Enum):
    """How a turn ended. Each turn has exactly one."""

    PLAYED = "played"
    INTERRUPTED = "interrupted"
    SUPERSEDED = "superseded"
    FAILED = "failed"
    HUNG_UP = "hung-up"


# ---------------------------------------------------------------------------------------------- events


@dataclass(frozen=True, slots=True)
class Answered:
    """The media stream is open both ways."""


@dataclass(frozen=True, slots=True)
class VoiceBegan:
    """The gate heard speech begin. `at`: its first voiced frame."""

    at: float


@dataclass(frozen=True, slots=True)
class VoiceEnded:
    """The gate heard speech end. `at`: the end of its last voiced frame."""

    at: float


@dataclass(frozen=True, slots=True)
class Words:
    """The ear heard words while the caller speaks: proof that it is speech."""

    text: str


@dataclass(frozen=True, slots=True)
class Said:
    """The caller's turn has ended, and these are its words."""

    text: str


@dataclass(frozen=True, slots=True)
class Unheard:
    """The caller's turn has ended, and no words came of it. `seconds`: how much of it was voiced."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Playing:
    """The first frame of the reply went out."""

    turn: int


@dataclass(frozen=True, slots=True)
class Played:
    """The reply is complete and its last sample was heard."""

    turn: int


@dataclass(frozen=True, slots=True)
class Broken:
    """The reply cannot go on."""

    turn: int
    reason: str


@dataclass(frozen=True, slots=True)
class Parting:
    """The reply is a goodbye: hang up once it was heard."""

    turn: int


@dataclass(frozen=True, slots=True)
class Expired:
    """The deadline of the present joint state has passed."""


@dataclass(frozen=True, slots=True)
class Close:
    """End the call in good order, after `words` (or at once, where there are none)."""

    how: How
    reason: str
    words: str | None = None


@dataclass(frozen=True, slots=True)
class Gone:
    """The line is gone: there is nobody to speak to."""

    reason: str
    how: How = How.COMPLETED


Event = (
    Answered
    | VoiceBegan
    | VoiceEnded
    | Words
    | Said
    | Unheard
    | Playing
    | Played
    | Broken
    | Parting
    | Expired
    | Close
    | Gone
)

# --------------------------------------------------------------------------------------------- actions


class Cue(Enum):
    """A reply whose words do not come from the mind but from the agent's settings."""

    GREETING = "greeting"
    REPROMPT = "reprompt"
    PARDON = "pardon"
    REGRET = "regret"
    GOODBYE = "goodbye"
    LAST = "last words"


@dataclass(frozen=True, slots=True)
class Begin:
    """Begin turn `turn`: the agent's `cue`, or an answer to the caller's `words` (empty: to those said before)."""

    turn: int
    words: str | None = None
    cue: Cue | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """Stop playing at once; keep what was not heard."""


@dataclass(frozen=True, slots=True)
class Release:
    """Play on from the last sample the caller heard."""


@dataclass(frozen=True, slots=True)
class Finish:
    """Turn `turn` is over: stop whatever works for it and commit what was heard of it."""

    turn: int
    outcome: Outcome
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Overdue:
    """The caller has talked for as long as one utterance may take: end it now."""


@dataclass(frozen=True, slots=True)
class LastWords:
    """Turn `turn`: play these words (the agent's apology where empty), prepared beforehand where possible."""

    turn: int
    words: str


@dataclass(frozen=True, slots=True)
class End:
    """The call is over."""

    how: How
    reason: str


Action = Begin | Hold | Release | Finish | Overdue | LastWords | End
