"""What may come of a fault: what the caller hears, what the trace says, and how the call ends. A row of a matrix is
held against one of these.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from matrix import Row
from theatre import REPLY

from parlance.engine.agent import Lines
from parlance.engine.trace import CallerSaid, TurnEnded

CHILD = {"ear": "listener", "mind": "thinker", "voice": "speaker"}
LINES = Lines()
EACH = 0.4
"""Seconds that a line of the agent's own takes."""

ANSWERED = [("reply", "played"), ("reply", "played")]
SORRY = [("reply", "failed"), ("regret", "played"), ("reply", "failed"), ("last words", "played")]

Heard = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """`turns`: cue and outcome of each; `heard`: the words of each that the caller heard; `seconds`: of sound, from and
    to. `failed`: providers that failed at something that was tried again; `broke`: how often the role's actor began
    again. `served`: how often who serves was told. `says`: a pattern of what the trace says. `ends`: of the call.
    """

    turns: list[tuple[str, str]]
    heard: Heard
    seconds: tuple[float, float]
    failed: int = 0
    broke: int = 0
    again: int | None = None
    served: int | None = None
    says: str = ""
    ends: tuple[str, str] = ("completed", "caller hung up")


def fine(seconds: tuple[float, float], **more: object) -> Verdict:
    """Both turns were answered."""
    return Verdict(ANSWERED, (REPLY, REPLY), seconds, **more)  # type: ignore[arg-type]


def sorry(says: str, **more: object) -> Verdict:
    """No reply ever: the regret, then the apology, and the call has ended."""
    ends = ("failed", f"no reply: .*{says}")
    heard = ("", LINES.regret, "", LINES.apology)
    return Verdict(SORRY, heard, (2 * EACH - 0.1, 2 * EACH + 0.1), says=says, ends=ends, **more)  # type: ignore[arg-type]


def hold(row: Row, role: str, provider: str, verdict: Verdict) -> None:
    """Assert all of it, and what holds in every row."""
    theatre, told = row.theatre, row.told
    theatre.check()
    assert row.left == 0, "connections are left open"
    assert theatre.turns == verdict.turns, row.errors
    assert tuple(turn.heard for turn in theatre.all(TurnEnded)) == verdict.heard
    least, most = verdict.seconds
    assert least <= theatre.caller.seconds <= most, theatre.caller.sounds
    assert [what for what in told if what[0] == "failed"] == [("failed", role, provider)] * verdict.failed
    assert told.count(("broke", CHILD[role])) == verdict.broke, told
    again = verdict.broke if verdict.again is None else verdict.again
    assert told.count(("again", CHILD[role])) == again, told
    if verdict.served is not None:
        assert told.count(("served", role, provider)) == verdict.served, told
    if verdict.says:
        assert re.search(rf"{provider}: .*({verdict.says})", row.errors), row.errors
    else:
        assert row.errors == ""
    how, reason = verdict.ends
    assert theatre.end[0] == how
    assert re.match(reason, theatre.end[1])


def words(row: Row) -> list[str]:
    """What the caller said, as the ear has it."""
    return [said.text for said in row.theatre.all(CallerSaid) if said.final]


def pick(verdicts: Mapping[tuple[str, str], Verdict], usual: Mapping[str, Verdict], title: str, fault: str) -> Verdict:
    """The verdict for a provider with ways of its own, or that for all of its role."""
    return verdicts.get((title, fault)) or usual[fault]
