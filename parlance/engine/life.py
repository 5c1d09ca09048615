"""The life of a call as the carrier and the operator see it: one machine, from the first word of it to its end. Pure.

What is said during a call is `state`'s; here is only whether it rings, whether it was answered, whether its media has
come, and who ends it. Webhooks and media may come in either order and one of them may never come: every status but a
conversation has a deadline, so that nothing stays behind as a ghost. Final statuses absorb whatever comes later.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from parlance.engine.message import By
from parlance.engine.record import Status

# ---------------------------------------------------------------------------------------------- events


@dataclass(frozen=True, slots=True)
class Rang:
    """It rings at the other side, or here."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The carrier says that it was answered."""


@dataclass(frozen=True, slots=True)
class Joined:
    """Its media has come, and its actors live. `early`: it still rings."""

    early: bool = False


@dataclass(frozen=True, slots=True)
class Parted:
    """Its actors have ended."""

    by: By
    reason: str
    failed: bool = False


@dataclass(frozen=True, slots=True)
class End:
    """Somebody wants it to end. `words`: what is to be said before; None: nothing."""

    by: By
    reason: str
    failed: bool = False
    words: str | None = None


@dataclass(frozen=True, slots=True)
class Over:
    """The carrier says that it is over."""

    by: By
    reason: str
    failed: bool = False


@dataclass(frozen=True, slots=True)
class HungUp:
    """The carrier has done what `HangUp` asked for, or cannot be asked."""


@dataclass(frozen=True, slots=True)
class Expired:
    """The deadline of the present status has passed."""


Event = Rang | Answered | Joined | Parted | End | Over | HungUp | Expired

# --------------------------------------------------------------------------------------------- actions


@dataclass(frozen=True, slots=True)
class CloseMedia:
    """End its actors in good order, after `words`."""

    by: By
    reason: str
    failed: bool
    words: str | None = None


@dataclass(frozen=True, slots=True)
class HangUp:
    """Ask the carrier to end it, and answer with `HungUp`."""


@dataclass(frozen=True, slots=True)
class Settle:
    """It is over: nothing of it is to be left."""


Action = CloseMedia | HangUp | Settle

# ----------------------------------------------------------------------------------------------- state


@dataclass(frozen=True, slots=True)
class Life:
    """`media`: its actors live. `line`: as far as we know, the carrier still has the call. `asked`: it was asked to end
    it, or must not be: what was not ours from the beginning is not ours to hang up."""

    status: Status = Status.INITIALIZING
    media: bool = False
    line: bool = True
    asked: bool = False
    by: By | None = None
    reason: str = ""
    failed: bool = False


NEVER: dict[Status, str] = {
    Status.INITIALIZING: "nothing was heard of it any more",
    Status.RINGING: "no-answer",
    Status.CONNECTED: "its media never came",
}
"""Why a call has failed that stayed too long where it was."""
FORWARD: dict[tuple[Status, type], Status] = {
    (Status.INITIALIZING, Rang): Status.RINGING,
    (Status.INITIALIZING, Answered): Status.CONNECTED,
    (Status.RINGING, Answered): Status.CONNECTED,
    (Status.INITIALIZING, Joined): Status.IN_PROGRESS,
    (Status.RINGING, Joined): Status.IN_PROGRESS,
    (Status.CONNECTED, Joined): Status.IN_PROGRESS,
}
"""How a call comes to its conversation. What is not here (ringing after it was answered) came late, and is nothing."""

Steps = tuple[Life, tuple[Action, ...]]


def step(life: Life, event: Event) -> Steps:
    """The life after `event`, and what has to be done now, in order."""
    if life.status.final:
        return life, ()
    match event:
        case Rang() | Answered() | Joined():
            return _forward(life, event)
        case End():
            life, actions = _ending(life, event.by, event.reason, event.failed, event.words)
        case Over():
            life, actions = _ending(replace(life, line=False), event.by, event.reason, event.failed, None)
        case Parted():
            # A caller who has gone has taken the line along.
            life = replace(life, media=False, line=life.line and event.by is not By.CALLER)
            life, actions = _ending(life, event.by, event.reason, event.failed, None)
        case HungUp():
            life, actions = replace(life, line=life.line and life.status is not Status.ENDING), ()
        case Expired() if life.status is Status.ENDING:
            life, actions = _given_up(life)
        case Expired() if life.status in NEVER:
            life, actions = _ending(life, By.HOUSE, NEVER[life.status], True, None)
        case _:
            return life, ()
    return _settled(life, actions)


def _forward(life: Life, event: Rang | Answered | Joined) -> Steps:
    joined = isinstance(event, Joined)
    if joined and life.status is Status.ENDING:
        # It came while the call was being ended: it was let in a moment before.
        return replace(life, media=True), (CloseMedia(life.by or By.HOUSE, life.reason, life.failed),)
    life = replace(life, media=life.media or joined)
    if isinstance(event, Joined) and event.early:
        return life, ()
    # An answer makes a conversation of media that was there before.
    kind = Joined if isinstance(event, Answered) and life.media else type(event)
    return replace(life, status=FORWARD.get((life.status, kind), life.status)), ()


def _ending(life: Life, by: By, reason: str, failed: bool, words: str | None) -> Steps:
    """The first one who ends a call is the one who has ended it."""
    if life.status is not Status.ENDING:
        life = replace(life, status=Status.ENDING, by=by, reason=reason, failed=failed)
        actions: tuple[Action, ...] = (CloseMedia(by, reason, failed, words),) if life.media else ()
    else:
        actions = ()
    # While the agent says its last words, the line is needed.
    if life.line and not life.media and not life.asked:
        return replace(life, asked=True), (*actions, HangUp())
    return life, actions


def _given_up(life: Life) -> Steps:
    """Whoever has not finished by now is not waited for: what can be ended is, and it is over."""
    close: tuple[Action, ...] = (CloseMedia(life.by or By.HOUSE, life.reason, life.failed),) if life.media else ()
    hang: tuple[Action, ...] = (HangUp(),) if life.line and not life.asked else ()
    return replace(life, media=False, line=False, asked=True), (*close, *hang)


def _settled(life: Life, actions: tuple[Action, ...]) -> Steps:
    if life.status is not Status.ENDING or life.media or life.line:
        return life, actions
    return replace(life, status=Status.FAILED if life.failed else Status.ENDED), (*actions, Settle())
