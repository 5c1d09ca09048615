"""Rough lines: carriers that send nothing while the caller is silent, and frames that come late and all at once."""

from __future__ import annotations

import pytest
import trio
from hall import Hall, Show, perform
from phone import Phone, voiced

from bench.dialects import DIALECTS
from parlance.engine import trace as t

NUMBERED = ("twilio", "telnyx", "plivo", "plivo16")
"""Carriers that number or time their messages."""


async def suppressed(hall: Hall, name: str) -> tuple[Phone, list[t.TraceEvent], int]:
    """A second frame in a row of silence is never sent."""
    phone = await hall.dial(name)
    phone.silent = False
    if phone.dialect.stream:
        await phone.hears()
        await phone.silence(0.3)
    sent = phone.sent
    phone.say(0.8)
    await phone.said()
    await phone.hears(1.0)
    sent = phone.sent - sent
    await phone.silence(0.3)
    await phone.hang_up()
    await hall.ended(phone)
    return phone, hall.events(phone), sent


async def late(hall: Hall, name: str) -> tuple[Phone, list[t.TraceEvent], int]:
    """In the middle of what the caller says nothing comes for 0.3 s, and then all of it."""
    phone = await hall.dial(name)
    if phone.dialect.stream:
        await phone.hears()
        await phone.silence(0.3)
    sent = phone.sent
    phone.say(1.2)
    await trio.sleep(0.4)
    resume = phone.stall(0.3)
    await trio.sleep(0.3)
    resume()
    await phone.said()
    await phone.hears(1.0)
    await phone.silence(0.3)
    sent = phone.sent - sent
    await phone.hang_up()
    await hall.ended(phone)
    return phone, hall.events(phone), sent


async def jumbled(hall: Hall, name: str) -> tuple[bytes, int, bytes]:
    """Two frames change places, and one is lost. What was said, where the lost frame is in it, and what has reached
    the ear."""
    phone = await hall.dial(name)
    await hall.answered(phone)
    await trio.sleep(0.1)
    # Ahead of what is being sent.
    first = phone.place + 4
    phone.swaps, phone.loses = {first + 5}, {first + 15}
    await phone.until(lambda: phone.place >= first)
    phone.say(0.6)
    at = phone.place
    await phone.said()
    await phone.hears(0.5)
    await phone.silence(0.3)
    await phone.hang_up()
    await hall.ended(phone)
    return b"".join(voiced(0.6, phone.line)), (first + 15 - at) * phone.line.frame, bytes(hall.house.fed[phone.id])


@pytest.fixture(scope="module")
def show() -> Show:
    everybody = tuple(DIALECTS)
    return perform(
        {"suppressed": (suppressed, everybody), "late": (late, everybody)},
        {"jumbled": (jumbled, NUMBERED)},
    )


rough = pytest.mark.parametrize("play", ["suppressed", "late"])
every = pytest.mark.parametrize("name", DIALECTS)


@rough
@every
def test_the_caller_is_understood_once_and_answered_whole(show: Show, name: str, play: str) -> None:
    phone, events, _ = show.of(play, name)
    assert len([said for said in events if isinstance(said, t.CallerSaid) and said.final and said.text]) == 1
    turns = [turn for turn in events if isinstance(turn, t.TurnEnded)]
    assert [turn.outcome for turn in turns] == ["played"] * (2 if phone.dialect.stream else 1)
    assert not [event for event in events if isinstance(event, t.LineFault | t.Held)]


@every
def test_nothing_was_sent_in_the_silence(show: Show, name: str) -> None:
    """Of the play itself: what is tested with it did happen."""
    _, _, sent = show.of("suppressed", name)
    assert sent == 40


@rough
@every
def test_the_call_ends_when_the_caller_does(show: Show, name: str, play: str) -> None:
    phone, events, _ = show.of(play, name)
    (ended,) = [event for event in events if isinstance(event, t.CallEnded)]
    assert (ended.how, ended.by) == ("completed", "caller")
    assert phone.unspoken == []


@pytest.mark.parametrize("name", NUMBERED)
def test_frames_that_change_places_are_put_in_order_and_one_that_is_lost_leaves_no_hole(show: Show, name: str) -> None:
    said, lost, fed = show.of("jumbled", name)
    frame = DIALECTS[name]().format.frame
    heard = fed[fed.index(said[:lost]) :][: len(said)]
    assert heard[:lost] == said[:lost]
    assert heard[lost + frame :] == said[lost + frame :]
    assert heard[lost : lost + frame] not in (said[lost : lost + frame], b"")


def test_nothing_is_left(show: Show) -> None:
    assert show.left == {}
