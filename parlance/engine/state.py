"""The state of a call: three small machines held side by side, as tables.

Everything that decides what a call does next lives here, and nothing here does anything: `step(state, event)`
returns the next state and the actions to perform, and `deadline(state)` names the limit that bounds the state. Pure.

Barge-in is not an event somebody must remember to send. It is the joint state (caller talking, agent speaking),
which may not last: `JOINT` says what it becomes. An event that no table names changes nothing; a closed line absorbs
everything, and so does an event that carries another turn's number.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
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
    how: m.How = m.How.COMPLETED
    reason: str = ""


Effect = Literal["answer", "interrupt", "finish", "fail", "release", "pardon", "expire"]
Steps = tuple[State, tuple[m.Action, ...]]

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
        (line, caller, agent): ("closing", ("line",))
        for line in (Line.RINGING, Line.CLOSING)
        for caller in Caller
        for agent in Agent
    }
)
"""The limit that bounds each joint state, and the machines since whose last change it counts. A hold that is released
was no change: the agent is where it was, and since then, or a caller who coughs could put a reply's limits off for
ever."""


def deadline(state: State) -> tuple[str, tuple[str, ...]] | None:
    """The limit of this state and what it counts from; None once the line is closed."""
    return DEADLINES.get((state.line, state.caller, state.agent))


def step(state: State, event: m.Event, rules: Rules = Rules()) -> Steps:
    """The state after `event`, and what has to be done now, in order."""
    if state.line is Line.CLOSED or getattr(event, "turn", state.turn) != state.turn:
        return state, ()
    match event:
        case m.Gone() if state.line is Line.CLOSING:
            return _closed(state, state.how, state.reason, m.Outcome.HUNG_UP)
        case m.Gone():
            return _closed(state, event.how, event.reason, m.Outcome.HUNG_UP)
        case m.Close():
            return _close(state, event)
        case m.Answered():
            return (replace(state, line=Line.OPEN), ()) if state.line is Line.RINGING else (state, ())
        case m.Expired() if state.line is Line.RINGING:
            return _closed(state, m.How.FAILED, "never answered", m.Outcome.HUNG_UP)
        case m.Expired() if state.line is Line.CLOSING:
            return _closed(state, state.how, state.reason, m.Outcome.FAILED)
        case m.Played() | m.Broken() if state.line is Line.CLOSING:
            played = isinstance(event, m.Played)
            return _closed(state, state.how, state.reason, m.Outcome.PLAYED if played else m.Outcome.FAILED)
        case m.Parting():
            return replace(state, parting=state.agent is not Agent.IDLE), ()
    if state.line is not Line.OPEN:
        return state, ()
    return _open(state, event, rules)


def greet(state: State, cue: m.Cue) -> Steps:
    """The agent speaks of its own accord, if nothing else is going on."""
    if state.line is not Line.OPEN or state.agent is not Agent.IDLE:
        return state, ()
    return _begin(state, cue=cue)


def _open(state: State, event: m.Event, rules: Rules) -> Steps:
    """An event on an open line: each machine by its own table, then the joint states that may not last."""
    deaf = not rules.interruptible
    kind = type(event)
    if deaf and state.agent is not Agent.IDLE and isinstance(event, m.Words | m.Said):
        waiting = f"{state.waiting} {event.text}".strip() if isinstance(event, m.Said) else state.waiting
        return replace(state, waiting=waiting), ()

    state = replace(state, caller=CALLER.get((state.caller, kind), state.caller))
    agent, effects = AGENT.get((state.agent, kind), (state.agent, ()))
    state = replace(state, agent=agent, audible=state.audible or kind is m.Playing)
    actions: tuple[m.Action, ...] = ()
    for effect in effects:
        state, more = _EFFECTS[effect](state, event, rules)
        actions += more
    after = JOINT.get((state.caller, state.agent))
    if after is not None and not deaf:
        state, actions = replace(state, agent=after), (*actions, m.Hold())
    return state, actions


# -------------------------------------------------------------------------------------------- effects


def _begin(state: State, *, words: str | None = None, cue: m.Cue | None = None, parting: bool = False) -> Steps:
    turn = state.turn + 1
    state = replace(state, agent=Agent.THINKING, turn=turn, audible=False, cue=cue, parting=parting, owed=False)
    return state if cue is not None else replace(state, waiting=""), (m.Begin(turn, words, cue),)


def _answer(state: State, event: m.Event, _: Rules) -> Steps:
    assert isinstance(event, m.Said)
    return _begin(replace(state, prompts=0), words=event.text)


def _interrupt(state: State, _event: m.Event, _rules: Rules) -> Steps:
    outcome = m.Outcome.INTERRUPTED if state.audible else m.Outcome.SUPERSEDED
    owed = not state.audible and state.cue is None
    return replace(state, parting=False, owed=owed), (m.Finish(state.turn, outcome, "barge-in"),)


def _finish(state: State, _event: m.Event, _rules: Rules) -> Steps:
    done = m.Finish(state.turn, m.Outcome.PLAYED)
    if state.parting:
        state, end = _closed(state, m.How.COMPLETED, state.reason or "agent hung up", m.Outcome.PLAYED)
        return state, (done, *end)
    if state.cue is not m.Cue.REGRET:
        state = replace(state, failures=0)
    if not state.waiting:
        return state, (done,)
    state, begun = _begin(state, words=state.waiting)
    return state, (done, *begun)


def _fail(state: State, event: m.Event, rules: Rules) -> Steps:
    """A reply failed: say so once; if replies go on failing, the call cannot be saved."""
    reason = event.reason if isinstance(event, m.Broken) else "took too long"
    done = m.Finish(state.turn, m.Outcome.FAILED, reason)
    state = replace(state, failures=state.failures + 1)
    if state.failures >= rules.failures:
        state, last = _close(replace(state, agent=Agent.IDLE), m.Close(m.How.FAILED, f"no reply: {reason}", ""))
        return state, (done, *last)
    state, begun = _begin(state, cue=m.Cue.REGRET)
    return state, (done, *begun)


def _release(state: State, _event: m.Event, _rules: Rules) -> Steps:
    """No words came: it was no speech. A sound that goes on is noise until the gate closes."""
    agent = Agent.SPEAKING if state.audible else Agent.THINKING
    return replace(state, agent=agent, caller=Caller.QUIET), (m.Release(),)


def _pardon(state: State, event: m.Event, rules: Rules) -> Steps:
    """No words after all: what was asked before is still to be answered; else a long sound deserves a question."""
    assert isinstance(event, m.Unheard)
    if state.owed:
        return _begin(state, words="")
    if event.seconds < rules.pardon:
        return state, ()
    return _prompt(state, rules, m.Cue.PARDON)


def _expire(state: State, _event: m.Event, rules: Rules) -> Steps:
    if state.caller is Caller.TALKING:
        return replace(state, caller=Caller.QUIET), (m.Overdue(),)
    return _prompt(state, rules, m.Cue.REPROMPT)


def _prompt(state: State, rules: Rules, cue: m.Cue) -> Steps:
    """Ask, or say goodbye to a caller who has been asked often enough."""
    if state.prompts < rules.prompts:
        return _begin(replace(state, prompts=state.prompts + 1), cue=cue)
    return _begin(replace(state, reason="caller silent"), cue=m.Cue.GOODBYE, parting=True)


_EFFECTS: dict[Effect, Callable[[State, m.Event, Rules], Steps]] = {
    "answer": _answer,
    "interrupt": _interrupt,
    "finish": _finish,
    "fail": _fail,
    "release": _release,
    "pardon": _pardon,
    "expire": _expire,
}


def _close(state: State, event: m.Close) -> Steps:
    """The call has to end. `words` None: at once; empty: with the agent's own apology."""
    if state.line is Line.CLOSING:
        return state, ()
    if event.words is None or state.line is Line.RINGING:
        return _closed(state, event.how, event.reason, m.Outcome.HUNG_UP)
    done = (m.Finish(state.turn, m.Outcome.HUNG_UP, event.reason),) if state.agent is not Agent.IDLE else ()
    state = replace(
        state,
        line=Line.CLOSING,
        agent=Agent.SPEAKING,
        turn=state.turn + 1,
        audible=False,
        cue=m.Cue.LAST,
        how=event.how,
        reason=event.reason,
    )
    return state, (*done, m.LastWords(state.turn, event.words))


def _closed(state: State, how: m.How, reason: str, outcome: m.Outcome) -> Steps:
    why = "" if outcome is m.Outcome.PLAYED else reason
    done = (m.Finish(state.turn, outcome, why),) if state.agent is not Agent.IDLE else ()
    state = replace(state, line=Line.CLOSED, caller=Caller.QUIET, agent=Agent.IDLE, parting=False)
    return replace(state, how=how, reason=reason), (*done, m.End(how, reason))
