"""How the state of a call changes: `step(state, event)` returns the next state and the actions to perform. Pure.

Nothing here does anything. The tables of `state.py` say which effects an event has; this file says what they are. An
event that no table names changes nothing; a closed line absorbs everything, and so does an event that carries another
turn's number.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from parlance.engine import message as m
from parlance.engine.state import AGENT, CALLER, JOINT, Agent, Caller, Effect, Line, Rules, State

Steps = tuple[State, tuple[m.Action, ...]]

_USUAL = Rules()


def step(state: State, event: m.Event, rules: Rules = _USUAL) -> Steps:
    """The state after `event`, and what has to be done now, in order."""
    if state.line is Line.CLOSED or getattr(event, "turn", state.turn) != state.turn:
        return state, ()
    match event:
        case m.Gone() | m.Lost() if state.line is Line.CLOSING:
            return _closed(state, m.Outcome.HUNG_UP)
        case m.Gone():
            return _closed(_because(state, event), m.Outcome.HUNG_UP)
        case m.Close():
            return _close(state, event)
        case m.Lost():
            return _freeze(state, replace(state, lost=True))
        case m.Back():
            return _freeze(state, replace(state, lost=False))
        case m.Pause():
            return _freeze(state, replace(state, paused=event.on and state.line is Line.OPEN))
        case m.Answered():
            return (replace(state, line=Line.OPEN), ()) if state.line is Line.RINGING else (state, ())
        case m.Expired() if state.frozen:
            return state, ()
        case m.Expired() if state.line is Line.RINGING:
            never = m.Gone("never answered", m.How.FAILED, m.By.HOUSE)
            return _closed(_because(state, never), m.Outcome.HUNG_UP)
        case m.Expired() if state.line is Line.CLOSING:
            return _closed(state, m.Outcome.FAILED)
        case m.Played() | m.Broken() if state.line is Line.CLOSING:
            played = isinstance(event, m.Played)
            return _closed(state, m.Outcome.PLAYED if played else m.Outcome.FAILED)
        case m.Parting():
            if state.agent is Agent.IDLE:
                return replace(state, parting=False), ()
            return replace(state, parting=True, reason=event.reason, onward=event.onward), ()
        case m.Say():
            return _say(state, event, rules)
    if state.line is not Line.OPEN:
        return state, ()
    state, actions = _open(state, event, rules)
    state, more = floor(state, rules)
    return state, (*actions, *more)


def greet(state: State, cue: m.Cue) -> Steps:
    """The agent speaks of its own accord, if nothing else is going on."""
    if state.line is not Line.OPEN or state.agent is not Agent.IDLE:
        return state, ()
    return _begin(state, cue=cue)


def floor(state: State, rules: Rules = _USUAL) -> Steps:
    """Say the next thing that an operator wants said, if the floor is free. Keys need no floor of the caller's."""
    if not state.sayings or state.line is not Line.OPEN or state.agent is not Agent.IDLE:
        return state, ()
    first, *rest = state.sayings
    taken = state.caller is Caller.TALKING or state.due or state.owed or state.waiting
    if taken and not first.interrupt and first.cue is not m.Cue.KEYS:
        return state, ()
    owed = state.owed
    state, begun = _begin(replace(state, sayings=tuple(rest)), saying=first)
    return _joint(replace(state, owed=owed), begun, rules)


def _open(state: State, event: m.Event, rules: Rules) -> Steps:
    """An event on an open line: each machine by its own table, then the joint states that may not last."""
    kind = type(event)
    state = replace(state, due=_DUE.get(kind, state.due))
    if state.agent is not Agent.IDLE and isinstance(event, m.Words | m.Said) and _deaf(state, rules):
        waiting = f"{state.waiting} {event.text}".strip() if isinstance(event, m.Said) else state.waiting
        return replace(state, waiting=waiting), ()

    state = replace(state, caller=CALLER.get((state.caller, kind), state.caller))
    agent, effects = AGENT.get((state.agent, kind), (state.agent, ()))
    state = replace(state, agent=agent, audible=state.audible or kind is m.Playing)
    actions: tuple[m.Action, ...] = ()
    for effect in effects:
        state, more = _EFFECTS[effect](state, event, rules)
        actions += more
    return _joint(state, actions, rules)


def _joint(state: State, actions: tuple[m.Action, ...], rules: Rules) -> Steps:
    """A joint state that may not last does not."""
    after = JOINT.get((state.caller, state.agent))
    if after is None or _deaf(state, rules):
        return state, actions
    return replace(state, agent=after), (*actions, m.Hold())


def _deaf(state: State, rules: Rules) -> bool:
    """Whether the present reply may not be interrupted. Keys may not: a machine that takes them talks all the time."""
    return not rules.interruptible or state.cue is m.Cue.KEYS


# -------------------------------------------------------------------------------------------- effects


def _begin(
    state: State,
    *,
    words: str | None = None,
    cue: m.Cue | None = None,
    parting: bool = False,
    saying: m.Say | None = None,
) -> Steps:
    turn = state.turn + 1
    cue = saying.cue if saying is not None else cue
    state = replace(
        state, agent=Agent.THINKING, turn=turn, audible=False, cue=cue, saying=saying, parting=parting, onward=""
    )
    if cue is None:
        state = replace(state, waiting="")
    return replace(state, owed=False), (m.Begin(turn, words, cue, saying.text if saying is not None else ""),)


def _answer(state: State, event: m.Event, _: Rules) -> Steps:
    assert isinstance(event, m.Said)
    return _begin(replace(state, prompts=0), words=event.text)


def _interrupt(state: State, _event: m.Event, _rules: Rules) -> Steps:
    outcome = m.Outcome.INTERRUPTED if state.audible else m.Outcome.SUPERSEDED
    owed = state.owed or (not state.audible and state.cue is None)
    if state.saying is not None and not state.audible:
        # It has taken the floor from the agent; taken from the caller, it would begin anew at each of his words.
        state = replace(state, sayings=(replace(state.saying, interrupt=False), *state.sayings))
    state = replace(state, parting=False, onward="", owed=owed, saying=None)
    return state, (m.Finish(state.turn, outcome, "barge-in"),)


def _say(state: State, event: m.Say, rules: Rules) -> Steps:
    """An operator's words wait for the floor, or take it from the agent's present reply."""
    if state.line is Line.CLOSING:
        return state, ()
    if not event.interrupt:
        return floor(replace(state, sayings=(*state.sayings, event)), rules)
    state = replace(state, sayings=(event, *state.sayings))
    if state.agent is not Agent.IDLE and state.cue is m.Cue.KEYS:
        # Half a number is another number.
        return state, ()
    if state.agent is Agent.IDLE or state.line is Line.RINGING:
        return floor(state, rules)
    outcome = m.Outcome.INTERRUPTED if state.audible else m.Outcome.SUPERSEDED
    done = m.Finish(state.turn, outcome, "operator")
    owed = state.owed or (not state.audible and state.cue is None)
    state, begun = floor(replace(state, agent=Agent.IDLE, parting=False, onward="", saying=None, owed=owed), rules)
    return state, (done, *begun)


def _finish(state: State, _event: m.Event, _rules: Rules) -> Steps:
    done = m.Finish(state.turn, m.Outcome.PLAYED)
    if state.parting:
        state, end = _closed(replace(state, how=m.How.COMPLETED, by=m.By.AGENT), m.Outcome.PLAYED)
        return state, (done, *end)
    state = replace(state, saying=None)
    if state.cue is not m.Cue.REGRET:
        state = replace(state, failures=0)
    taken = bool(state.sayings) and state.sayings[0].interrupt
    # A question that an operator's words came before is answered after them, unless the caller is about to ask anew.
    if taken or not (state.waiting or (state.owed and not state.due)):
        return state, (done,)
    state, begun = _begin(state, words=state.waiting)
    return state, (done, *begun)


def _fail(state: State, event: m.Event, rules: Rules) -> Steps:
    """A reply failed: say so once; if replies go on failing, the call cannot be saved."""
    reason = event.reason if isinstance(event, m.Broken) else "took too long"
    done = m.Finish(state.turn, m.Outcome.FAILED, reason)
    state = replace(state, failures=state.failures + 1, saying=None)
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
    state, begun = _begin(state, cue=m.Cue.GOODBYE, parting=True)
    return replace(state, reason="caller silent"), begun


_DUE: dict[type, bool] = {m.VoiceBegan: True, m.Words: True, m.Said: False, m.Unheard: False, m.Expired: False}
"""What has been heard of the caller, and its words are still to come; or they have come, or will not."""
_EFFECTS: dict[Effect, Callable[[State, m.Event, Rules], Steps]] = {
    "answer": _answer,
    "interrupt": _interrupt,
    "finish": _finish,
    "fail": _fail,
    "release": _release,
    "pardon": _pardon,
    "expire": _expire,
}


def _freeze(before: State, state: State) -> Steps:
    """Time stands still for as long as there is a reason for it."""
    if before.frozen is state.frozen:
        return state, ()
    return state, (m.Freeze() if state.frozen else m.Thaw(),)


def _because(state: State, event: m.Close | m.Gone) -> State:
    onward = event.onward if isinstance(event, m.Close) else ""
    return replace(state, how=event.how, reason=event.reason, by=event.by, onward=onward)


def _close(state: State, event: m.Close) -> Steps:
    """The call has to end. `words` None: at once; empty: with the agent's own apology. Who is on hold is taken off it,
    to hear them; a lost line hears none.
    """
    if state.line is Line.CLOSING and (event.words is not None or event.by is not m.By.OPERATOR):
        return state, ()
    state = _because(state, event)
    if event.words is None or state.line is Line.RINGING or state.lost:
        return _closed(state, m.Outcome.HUNG_UP)
    done = (m.Finish(state.turn, m.Outcome.HUNG_UP, event.reason),) if state.agent is not Agent.IDLE else ()
    state, thawed = _freeze(state, replace(state, paused=False))
    state = replace(
        state,
        line=Line.CLOSING,
        agent=Agent.SPEAKING,
        turn=state.turn + 1,
        audible=False,
        cue=m.Cue.LAST,
        saying=None,
        sayings=(),
        parting=False,
    )
    return state, (*done, *thawed, m.LastWords(state.turn, event.words))


def _closed(state: State, outcome: m.Outcome) -> Steps:
    """The end, as the state's own `how` and `reason` have it."""
    why = "" if outcome is m.Outcome.PLAYED else state.reason
    done = (m.Finish(state.turn, outcome, why),) if state.agent is not Agent.IDLE else ()
    state = replace(state, line=Line.CLOSED, caller=Caller.QUIET, agent=Agent.IDLE, parting=False, sayings=())
    return state, (*done, m.End(state.how, state.reason))
