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


class By(Enum):
    """Who ended a call."""

    CALLER = "caller"
    AGENT = "agent"
    OPERATOR = "operator"
    """A person, or a program, that directs the call from outside."""
    CARRIER = "carrier"
    """The line failed, or broke its rules."""
    HOUSE = "house"
    """parlance itself: a limit, a fault, a shutdown."""


class Outcome(Enum):
    """How a turn ended. Each turn has exactly one."""

    PLAYED = "played"
    INTERRUPTED = "interrupted"
    SUPERSEDED = "superseded"
    FAILED = "failed"
    HUNG_UP = "hung-up"


class Cue(Enum):
    """A reply whose words do not come from the mind, but from the agent's settings or from an operator."""

    GREETING = "greeting"
    REPROMPT = "reprompt"
    PARDON = "pardon"
    REGRET = "regret"
    GOODBYE = "goodbye"
    LAST = "last words"
    SAY = "say"
    KEYS = "keys"


# ---------------------------------------------------------------------------------------------- events


@dataclass(frozen=True, slots=True)
class Up:
    """There is a line, if only one that rings: what was asked of the call before can be done now."""


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
    """The reply is a goodbye: hang up once it was heard. `onward`: the number to connect the caller with then."""

    turn: int
    reason: str = "agent hung up"
    onward: str = ""


@dataclass(frozen=True, slots=True)
class Expired:
    """The deadline of the present joint state has passed."""


@dataclass(frozen=True, slots=True)
class Close:
    """End the call in good order, after `words` (or at once, where there are none).

    `onward`: the number to connect the caller with then.
    """

    how: How
    reason: str
    words: str | None = None
    by: By = By.HOUSE
    onward: str = ""


@dataclass(frozen=True, slots=True)
class Gone:
    """The line is gone: there is nobody to speak to."""

    reason: str
    how: How = How.COMPLETED
    by: By = By.CALLER


@dataclass(frozen=True, slots=True)
class Lost:
    """The line was dropped, and may come back: until then nobody hears anything, and no limit counts."""

    reason: str


@dataclass(frozen=True, slots=True)
class Back:
    """The line that was lost is back."""


@dataclass(frozen=True, slots=True)
class Pause:
    """The operator puts the caller on hold, or takes him off it."""

    on: bool


@dataclass(frozen=True, slots=True)
class Say:
    """The agent is to say `text` in a turn of its own: when the floor is free, or at once (`interrupt`).

    `cue` KEYS: `text` is digits, to be sounded as a telephone's keys sound.
    """

    text: str
    interrupt: bool = False
    cue: Cue = Cue.SAY


Event = (
    Up
    | Answered
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
    | Lost
    | Back
    | Pause
    | Say
)

# --------------------------------------------------------------------------------------------- actions


@dataclass(frozen=True, slots=True)
class Begin:
    """Begin turn `turn`: the agent's `cue`, or an answer to the caller's `words` (empty: to those said before).

    `text`: what an operator wants said, or the digits of the keys to sound.
    """

    turn: int
    words: str | None = None
    cue: Cue | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Hold:
    """Stop playing at once; keep what was not heard."""


@dataclass(frozen=True, slots=True)
class Release:
    """Play on from the last sample the caller heard."""


@dataclass(frozen=True, slots=True)
class Freeze:
    """Time stands still: nothing is played, nothing heard, and no limit counts."""


@dataclass(frozen=True, slots=True)
class Thaw:
    """Time goes on where it stood still."""


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


Action = Begin | Hold | Release | Freeze | Thaw | Finish | Overdue | LastWords | End
