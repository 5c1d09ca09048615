"""The life of a call: its table by hand, and any order of events by Hypothesis."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parlance.engine import life as l
from parlance.engine.life import Life, step
from parlance.engine.message import By
from parlance.engine.record import Status

CALLER = l.Over(By.CALLER, "hung up")
PARTED = l.Parted(By.AGENT, "agent hung up")
END = l.End(By.OPERATOR, "enough")
ORDERS: list[tuple[str, list[l.Event], Status, list[type[l.Action]]]] = [
    ("webhook, then media", [l.Rang(), l.Answered(), l.Joined()], Status.IN_PROGRESS, []),
    ("media, then webhook", [l.Joined(), l.Answered(), l.Rang()], Status.IN_PROGRESS, []),
    ("media alone", [l.Joined(), l.Parted(By.CALLER, "hung up")], Status.ENDED, [l.Settle]),
    ("the agent hangs up", [l.Joined(), PARTED], Status.ENDING, [l.HangUp]),
    ("and the carrier has done it", [l.Joined(), PARTED, l.HungUp()], Status.ENDED, [l.HangUp, l.Settle]),
    ("and the carrier says so first", [l.Joined(), PARTED, CALLER], Status.ENDED, [l.HangUp, l.Settle]),
    ("the carrier says over", [l.Joined(), CALLER], Status.ENDING, [l.CloseMedia]),
    ("and its media ends", [l.Joined(), CALLER, PARTED], Status.ENDED, [l.CloseMedia, l.Settle]),
    ("an operator ends it", [l.Joined(), END], Status.ENDING, [l.CloseMedia]),
    ("whose words are said first", [l.Joined(), END, PARTED], Status.ENDING, [l.CloseMedia, l.HangUp]),
    ("ended before its media came", [l.Answered(), END], Status.ENDING, [l.HangUp]),
    ("media that comes too late", [l.Answered(), END, l.Joined()], Status.ENDING, [l.HangUp, l.CloseMedia]),
    ("busy", [l.Rang(), l.Over(By.CARRIER, "busy", failed=True)], Status.FAILED, [l.Settle]),
    ("media never comes", [l.Rang(), l.Answered(), l.Expired()], Status.ENDING, [l.HangUp]),
    ("a carrier that is silent", [l.Rang(), l.Expired(), l.Expired()], Status.FAILED, [l.HangUp, l.Settle]),
    ("nothing expires in a conversation", [l.Joined(), l.Expired()], Status.IN_PROGRESS, []),
    (
        "the last words take too long",
        [l.Joined(), END, l.Expired()],
        Status.ENDED,
        [l.CloseMedia, l.CloseMedia, l.HangUp, l.Settle],
    ),
    ("early media is no conversation", [l.Rang(), l.Joined(early=True)], Status.RINGING, []),
    ("before it is answered", [l.Rang(), l.Joined(early=True), l.Answered()], Status.IN_PROGRESS, []),
    (
        "or nobody answers",
        [l.Rang(), l.Joined(early=True), l.Over(By.CARRIER, "busy", failed=True), PARTED],
        Status.FAILED,
        [l.CloseMedia, l.Settle],
    ),
]


@pytest.mark.parametrize(("events", "status", "kinds"), [order[1:] for order in ORDERS], ids=[one[0] for one in ORDERS])
def test_an_order_of_events(events: list[l.Event], status: Status, kinds: list[type[l.Action]]) -> None:
    life, actions = Life(), list[l.Action]()
    for event in events:
        life, more = step(life, event)
        actions += more
    assert life.status is status
    assert [type(action) for action in actions] == kinds


def test_who_ended_it_first_has_ended_it() -> None:
    life = Life()
    for event in (l.Joined(), END, l.Over(By.CARRIER, "lost", failed=True), PARTED):
        life, _ = step(life, event)
    assert (life.status, life.by, life.reason) == (Status.ENDED, By.OPERATOR, "enough")


def test_words_are_given_to_the_media() -> None:
    life, _ = step(Life(), l.Joined())
    _, actions = step(life, l.End(By.OPERATOR, "closing time", words="Goodbye."))
    assert actions == (l.CloseMedia(By.OPERATOR, "closing time", False, "Goodbye."),)


EVENTS = st.sampled_from(
    [
        l.Rang(),
        l.Answered(),
        l.Joined(),
        l.Joined(early=True),
        PARTED,
        l.Parted(By.CALLER, "hung up"),
        END,
        CALLER,
        l.Over(By.CARRIER, "busy", failed=True),
        l.HungUp(),
        l.Expired(),
    ]
)


@given(st.lists(EVENTS, max_size=30))
def test_any_order_ends_once_and_is_absorbed(events: list[l.Event]) -> None:
    life, settled, asked = Life(), 0, 0
    for event in events:
        before = life
        life, actions = step(life, event)
        settled += sum(isinstance(action, l.Settle) for action in actions)
        asked += sum(isinstance(action, l.HangUp) for action in actions)
        if before.status.final:
            assert (life, actions) == (before, ())
        assert life.status.final == (settled == 1)
    assert asked <= 1
    # No ghosts: whatever happened, two deadlines later it is over, but for a conversation, which its agent bounds.
    if life.status is not Status.IN_PROGRESS:
        life, _ = step(step(life, l.Expired())[0], l.Expired())
        assert life.status.final
