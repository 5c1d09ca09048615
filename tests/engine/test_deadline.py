"""When a joint state expires: literal times in, literal times out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from parlance.engine.agent import Agent, Interruption, Limits
from parlance.engine.deadline import Deadline
from parlance.engine.state import Agent as AgentState
from parlance.engine.state import Caller, Line, State

AGENT = Agent(
    name="a",
    limits=Limits(silence=8, utterance=60, thinking=12, reply=180, closing=10, ringing=60),
    interruption=Interruption(hold=0.5, hold_most=2),
)
OPEN = State(line=Line.OPEN)
THINKING = replace(OPEN, agent=AgentState.THINKING, turn=1)
SPEAKING = replace(THINKING, agent=AgentState.SPEAKING, audible=True)
HELD = replace(SPEAKING, agent=AgentState.HELD, caller=Caller.TALKING)


def after(*path: tuple[float, State]) -> Deadline:
    """The deadline after going through these states, each entered at its time."""
    deadline, before = Deadline(AGENT), State()
    for at, state in path:
        deadline.changed(before, state, at)
        before = state
    return deadline


@pytest.mark.parametrize(
    ("path", "expires"),
    [
        ([(0, State())], 60),
        ([(1, OPEN)], 8),
        ([(1, OPEN), (2, replace(OPEN, caller=Caller.TALKING))], 62),
        ([(1, OPEN), (2, replace(OPEN, caller=Caller.TALKING)), (3, OPEN)], 11),
        ([(1, OPEN), (2, THINKING)], 14),
        ([(1, OPEN), (2, THINKING), (3, SPEAKING)], 183),
        ([(1, OPEN), (2, THINKING), (3, SPEAKING), (4, HELD)], 6),
        ([(1, OPEN), (2, THINKING), (3, SPEAKING), (4, HELD), (5, replace(HELD, caller=Caller.QUIET))], 4.5),
        ([(1, OPEN), (2, THINKING), (3, replace(THINKING, turn=2))], 15),
        ([(1, OPEN), (2, replace(OPEN, line=Line.CLOSING))], 12),
        ([(1, OPEN), (2, replace(OPEN, line=Line.CLOSED))], None),
    ],
)
def test_a_state_expires_its_limit_after_the_change_it_counts_from(
    path: list[tuple[float, State]], expires: float | None
) -> None:
    assert after(*path).of(path[-1][1]) == expires


def test_a_hold_that_is_released_does_not_put_the_reply_s_limit_off() -> None:
    deadline = after((1, OPEN), (2, THINKING), (3, SPEAKING), (4, HELD), (5, SPEAKING))
    deadline.released()
    assert deadline.of(SPEAKING) == 183


def test_a_hold_before_the_first_sound_does_not_put_the_thinking_s_limit_off() -> None:
    held = replace(THINKING, agent=AgentState.HELD, caller=Caller.TALKING)
    deadline = after((1, OPEN), (2, THINKING), (3, held), (4, THINKING))
    deadline.released()
    assert deadline.of(THINKING) == 14
