"""How calls end: who hangs up while what goes on, lines that are cut, and lines that come back."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hall import Hall, Show, perform
from over import Over, over, ready

from bench.dialects import DIALECTS
from bench.dialects.port import Bye
from parlance.engine import message as m
from parlance.engine import trace as t

PATIENCE = 1.0
"""Seconds for which a dropped socket is waited for."""
SAYS_BYE = {
    "ringcentral",
    "ringcentralpcm",
    "asterisk",
    "asteriskplain",
    "audiosocket",
    "freeswitchfork",
    "browser",
}
"""Dialects with a word for hanging up."""


async def speaking(hall: Hall, name: str) -> Over:
    """The caller hangs up while the agent speaks."""
    phone = await ready(hall, name)
    phone.say(0.6)
    await phone.hears(0.3)
    await phone.hang_up()
    return await over(hall, phone)


async def thinking(hall: Hall, name: str) -> Over:
    phone = await ready(hall, name, "slow")
    phone.say(0.6)
    await phone.until(lambda: [turn for turn in hall.all(phone, t.TurnBegan) if turn.words])
    await phone.hang_up()
    return await over(hall, phone)


async def holding(hall: Hall, name: str) -> Over:
    """The caller hangs up in the middle of a word, with which he has stopped the agent."""
    phone = await ready(hall, name)
    phone.say(0.6)
    await phone.hears(0.3)
    phone.say(2.0)
    await phone.until(lambda: hall.all(phone, t.Held))
    await phone.hang_up()
    return await over(hall, phone)


async def closing(hall: Hall, name: str) -> Over:
    """Without a word for it, in good order."""
    phone = await ready(hall, name)
    await phone.link.close()
    await phone.over()
    return await over(hall, phone)


async def both(hall: Hall, name: str) -> Over:
    """Agent and caller hang up in the same moment."""
    phone = await ready(hall, name)
    call = hall.house.calls[phone.id]
    phone.say(0.6)
    await phone.hears(0.3)
    call.close(m.How.COMPLETED, "the agent is done")
    await phone.hang_up()
    return await over(hall, phone)


async def agent(hall: Hall, name: str) -> Over:
    """The agent hangs up while it speaks."""
    phone = await ready(hall, name)
    phone.say(0.6)
    await phone.hears(0.3)
    hall.house.calls[phone.id].close(m.How.COMPLETED, "the agent is done")
    await phone.over()
    return await over(hall, phone)


async def lost(hall: Hall, name: str) -> Over:
    """The line is cut while the agent speaks, and does not come back."""
    phone = await ready(hall, name)
    phone.say(0.6)
    await phone.hears(0.3)
    await phone.cut()
    return await over(hall, phone)


async def back(hall: Hall, name: str) -> Over:
    """The line is cut while the agent speaks and comes back: the reply goes on, and so does the talk."""
    phone = await ready(hall, name)
    phone.say(0.6)
    await phone.hears(0.5)
    await phone.cut()
    await phone.until(lambda: hall.all(phone, t.LineLost))
    ring = replace(phone.ring, ticket=phone.id) if name == "browser" else phone.ring
    again = await hall.call(phone.dialect, ring)
    again.id = phone.id
    await again.hears(0.5)
    await again.silence(0.3)
    again.say(0.6)
    await again.hears(0.5)
    await again.silence(0.3)
    await again.hang_up()
    return await over(hall, again)


@pytest.fixture(scope="module")
def show() -> Show:
    everybody = tuple(DIALECTS)
    choosing = tuple(name for name in DIALECTS if name != "audiosocket")
    return perform(
        {"speaking": (speaking, everybody), "closing": (closing, everybody)},
        {"thinking": (thinking, choosing), "agent": (agent, everybody)},
        {"holding": (holding, everybody), "both": (both, everybody)},
        {"lost": (lost, everybody), "back": (back, everybody)},
        settings={"media": {"reconnect": PATIENCE}},
    )


every = pytest.mark.parametrize("name", DIALECTS)


@pytest.mark.parametrize("play", ["speaking", "thinking", "holding", "closing"])
@every
def test_the_caller_hangs_up(show: Show, name: str, play: str) -> None:
    if (play, name) == ("thinking", "audiosocket"):
        pytest.skip("AudioSocket cannot choose the agent that thinks slowly")
    ended: Over = show.of(play, name)
    if (play, name) == ("closing", "audiosocket"):
        # Asterisk says that it hangs up; a connection that just ends is one that may come back.
        assert ended.end == ("completed", "carrier")
    else:
        assert ended.end == ("completed", "caller")
    assert len(ended.all(t.TurnGone)) == len(ended.all(t.TurnBegan))


@every
def test_of_a_reply_that_was_cut_off_the_record_has_what_was_heard(show: Show, name: str) -> None:
    reply = show.of("speaking", name).all(t.TurnEnded)[-1]
    assert reply.outcome != "played"
    assert 0.2 < reply.heard_seconds < 1.2
    assert reply.said.startswith(reply.heard)


@every
def test_the_agent_hangs_up(show: Show, name: str) -> None:
    ended: Over = show.of("agent", name)
    assert ended.end == ("completed", "house")
    assert ended.phone.code == (None if ended.phone.dialect.stream else 1000)
    assert len(ended.phone.all(Bye)) == (1 if name in SAYS_BYE else 0)


@every
def test_both_hang_up_at_once_and_the_call_ends_once(show: Show, name: str) -> None:
    ended: Over = show.of("both", name)
    assert ended.end[0] == "completed"
    assert len(ended.all(t.CallEnded)) == 1


@every
def test_a_line_that_is_cut_and_stays_away_ends_the_call(show: Show, name: str) -> None:
    ended: Over = show.of("lost", name)
    assert ended.end == ("completed", "carrier")
    assert (len(ended.all(t.LineLost)), len(ended.all(t.LineBack))) == (1, 0)


@every
def test_a_line_that_comes_back_is_the_same_call(show: Show, name: str) -> None:
    ended: Over = show.of("back", name)
    assert ended.end == ("completed", "caller")
    assert [len(ended.all(kind)) for kind in (t.CallStarted, t.LineLost, t.LineBack)] == [1, 1, 1]
    assert ended.all(t.LineBack)[0].seconds < PATIENCE
    replies = [turn for turn in ended.all(t.TurnEnded) if turn.said.startswith("Of course")]
    assert [(turn.outcome, turn.heard) for turn in replies] == [("played", turn.said) for turn in replies]
    assert len(replies) == 2


def test_nothing_is_left(show: Show) -> None:
    assert show.left == {}
