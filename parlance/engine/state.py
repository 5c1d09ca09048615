"""The state of a call: three small machines held side by side, as tables.

Everything that decides what a call does next is in these tables and in the steps of `step.py` that they name.
`deadline(state)` names the limit that bounds a state. Pure.

Barge-in is not an event somebody must remember to send. It is the joint state (caller talking, agent speaking),
which may not last: `JOINT` says what it becomes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal

from parlance.engine import message as m


class Line(Enum):
    RINGING = "ringing"
    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"


class Caller(Enum):
    QUIET = "quiet"
    TALKING = "talking"


class Agent(Enum):
    IDLE = "idle"
    THINKING = "thinking"
    SPEAKING = "speaking"
    HELD = "held"
    """The gate heard the caller and playing stopped, but no words have confirmed it yet."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The bounds of the tables; a call takes `prompts` and `interruptible` from its agent's settings."""

    prompts: int = 2
    """How often, in a row, the agent may speak to silence before it says goodbye."""
    interruptible: bool = True
    pardon: float = 0.6
    """Seconds of speech without words that deserve a question."""
    failures: int = 2
    """How many replies, in a row, may fail before the call cannot be saved."""


@dataclass(frozen=True, slots=True)
class State:
    line: Line = Line.RINGING
    caller: Caller = Caller.QUIET
    agent: Agent = Agent.IDLE
    turn: int = 0
    """The number of the reply in hand, or of the last one."""
    audible: bool = False
    """A frame of this reply has gone out."""
    cue: m.Cue | None = None
    """Which of the agent's own lines this reply is; None for an answer."""
    parting: bool = False
    """This reply is a goodbye."""
    prompts: int = 0
    """How often, in a row, the agent has spoken to silence."""
    failures: int = 0
    """How many replies, in a row, have failed."""
    waiting: str = ""
    """Words said while the reply may not be interrupted: they are answered next."""
    owed: bool = False
    """An answer was superseded before a sound of it was heard, and none has been begun since."""
    due: bool = False
    """The caller has spoken, and the words are still to come."""
    saying: m.Say | None = None
    """What an operator wanted said, if that is the present reply."""
    sayings: tuple[m.Say, ...] = ()
    """What operators want said, and what waits for the floor."""
    paused: bool = False
    """An operator has put the caller on hold."""
    lost: bool = False
    """The line was dropped and may come back."""
    how: m.How = m.How.COMPLETED
    reason: str = ""
    by: m.By = m.By.HOUSE
    """Who ended the call. Before that it means nothing."""
    onward: str = ""
    """The number to connect the caller with when the call has ended."""

    @property
    def frozen(self) -> bool:
        """Whether time stands still: nobody hears the agent, and nobody listens to the caller."""
        return self.paused or self.lost


Effect = Literal["answer", "interrupt", "finish", "fail", "release", "pardon", "expire"]

CALLER: dict[tuple[Caller, type], Caller] = {
    (Caller.QUIET, m.VoiceBegan): Caller.TALKING,
    (Caller.TALKING, m.VoiceEnded): Caller.QUIET,
}
AGENT: dict[tuple[Agent, type], tuple[Agent, tuple[Effect, ...]]] = {
    (Agent.IDLE, m.Said): (Agent.THINKING, ("answer",)),
    (Agent.IDLE, m.Unheard): (Agent.IDLE, ("pardon",)),
    (Agent.IDLE, m.Expired): (Agent.IDLE, ("expire",)),
    (Agent.THINKING, m.Playing): (Agent.SPEAKING, ()),
    (Agent.THINKING, m.Words): (Agent.IDLE, ("interrupt",)),
    (Agent.THINKING, m.Said): (Agent.THINKING, ("interrupt", "answer")),
    (Agent.THINKING, m.Played): (Agent.IDLE, ("finish",)),
    (Agent.THINKING, m.Broken): (Agent.IDLE, ("fail",)),
    (Agent.THINKING, m.Expired): (Agent.IDLE, ("fail",)),
    (Agent.SPEAKING, m.Words): (Agent.IDLE, ("interrupt",)),
    (Agent.SPEAKING, m.Said): (Agent.THINKING, ("interrupt", "answer")),
    (Agent.SPEAKING, m.Played): (Agent.IDLE, ("finish",)),
    (Agent.SPEAKING, m.Broken): (Agent.IDLE, ("fail",)),
    (Agent.SPEAKING, m.Expired): (Agent.IDLE, ("fail",)),
    (Agent.HELD, m.Words): (Agent.IDLE, ("interrupt",)),
    (Agent.HELD, m.Said): (Agent.THINKING, ("interrupt", "answer")),
    (Agent.HELD, m.Played): (Agent.IDLE, ("finish",)),
    (Agent.HELD, m.Broken): (Agent.IDLE, ("fail",)),
    (Agent.HELD, m.Expired): (Agent.HELD, ("release",)),
}
JOINT: dict[tuple[Caller, Agent], Agent] = {
    (Caller.TALKING, Agent.THINKING): Agent.HELD,
    (Caller.TALKING, Agent.SPEAKING): Agent.HELD,
}
"""Joint states that may not last, and what the agent becomes. Entering HELD stops the playing at once."""

DEADLINES: dict[tuple[Line, Caller, Agent], tuple[str, tuple[str, ...]]] = (
    {
        (Line.OPEN, Caller.QUIET, Agent.IDLE): ("silence", ("caller", "agent")),
        (Line.OPEN, Caller.TALKING, Agent.IDLE): ("utterance", ("caller",)),
        (Line.OPEN, Caller.QUIET, Agent.HELD): ("hold", ("agent",)),
        (Line.OPEN, Caller.TALKING, Agent.HELD): ("hold_most", ("agent",)),
    }
    | {
        (Line.OPEN, caller, agent): (limit, ("agent",))
        for caller in Caller
        for agent, limit in ((Agent.THINKING, "thinking"), (Agent.SPEAKING, "reply"))
    }
    | {
        (line, caller, agent): (limit, ("line",))
        for line, limit in ((Line.RINGING, "ringing"), (Line.CLOSING, "closing"))
        for caller in Caller
        for agent in Agent
    }
)
"""The limit that bounds each joint state, and the machines since whose last change it counts. A hold that is released
was no change: the agent is where it was, and since then, or a caller who coughs could put a reply's limits off for
ever."""


def deadline(state: State) -> tuple[str, tuple[str, ...]] | None:
    """The limit of this state and what it counts from; None once the line is closed, and while time stands still.

    A line that was lost and a caller on hold are bounded elsewhere: by how long the line may take to come back, and by
    the length of the whole call.
    """
    if state.frozen:
        return None
    return DEADLINES.get((state.line, state.caller, state.agent))
