"""Keys in and out, and handing a caller on: by message where the carrier has one, by tones or its REST where not."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
import trio
from hall import Hall, Show, perform
from phone import Phone, frames

from bench.dialects import DIALECTS
from bench.dialects.port import Bye, Digits, Transfer
from parlance.codecs import tone
from parlance.engine import trace as t

KEYED = tuple(name for name in DIALECTS if name != "browser")
"""A page has no keys."""
BY_REST = {"acs", "acs24", "telnyx", "vonage"}
"""Those whose control is set up here, and which have no word for it on the wire."""
ELSEWHERE = "+33199999999"


@dataclass
class Pressed:
    phone: Phone
    events: list[t.TraceEvent]
    pressed: list[str]
    tones: str
    asked: list[str]


async def keys(hall: Hall, name: str) -> Pressed:
    phone = await hall.dial(name)
    call = await hall.answered(phone)
    if phone.dialect.stream:
        await phone.hears()
        await phone.silence(0.3)
    await phone.press("1#9")
    if name in KEYED:
        await phone.until(lambda: len(hall.all(phone, t.DigitPressed)) == 3)
    began = trio.current_time()
    call.press("42")
    await phone.until(lambda: "".join(asked(phone)) == "42" or heard(phone, began) == "42")
    result = Pressed(phone, [], asked(phone), heard(phone, began), [])
    if phone.dialect.carrier == "acs":
        # What Azure says when it has answered a call, which here nobody has asked of it.
        board = hall.house.office.board
        entry = board.index.get(phone.id)
        assert entry is not None
        board.learn(entry, leg=phone.id)
    call.transfer(ELSEWHERE)
    await hall.ended(phone)
    await phone.over()
    result.events = hall.events(phone)
    result.asked = [line for line in hall.cloud.asked if phone.id in re.split(r"[/:? ]", line)]
    return result


def asked(phone: Phone) -> list[str]:
    """Keys by message."""
    return [told.digits for _, told in phone.all(Digits)]


def heard(phone: Phone, since: float) -> str:
    """Keys by their tones in what the ear has had."""
    detector = tone.Detector(phone.line)
    sound = frames(phone.ear.heard(since, trio.current_time()), phone.line)
    return "".join(digit for frame in sound for digit in detector.feed(frame))


@pytest.fixture(scope="module")
def show() -> Show:
    return perform({"keys": (keys, tuple(DIALECTS))})


every = pytest.mark.parametrize("name", DIALECTS)


@pytest.mark.parametrize("name", KEYED)
def test_keys_of_the_caller_arrive_in_order(show: Show, name: str) -> None:
    keys: Pressed = show.of("keys", name)
    assert [event.digit for event in keys.events if isinstance(event, t.DigitPressed)] == ["1", "#", "9"]


@every
def test_keys_are_pressed_in_the_carriers_way(show: Show, name: str) -> None:
    keys: Pressed = show.of("keys", name)
    if keys.phone.dialect.presses:
        assert ("".join(keys.pressed), keys.tones) == ("42", "")
    else:
        assert (keys.pressed, keys.tones) == ([], "42")
    assert [event.digits for event in keys.events if isinstance(event, t.Pressed)] == ["42"]


@every
def test_a_transfer_goes_out_before_the_line_is_closed(show: Show, name: str) -> None:
    keys: Pressed = show.of("keys", name)
    sent = [told.number for _, told in keys.phone.all(Transfer)]
    assert sent == ([ELSEWHERE.lstrip("+")] if keys.phone.dialect.transfers else [])
    (transferred,) = [event for event in keys.events if isinstance(event, t.Transferred)]
    assert transferred.number == ELSEWHERE
    assert len(keys.asked) == (1 if name in BY_REST else 0)


@pytest.mark.parametrize("name", [name for name in DIALECTS if name not in BY_REST and not DIALECTS[name]().transfers])
def test_a_transfer_that_nobody_can_make_is_none_in_the_record(show: Show, name: str) -> None:
    (transferred,) = [event for event in show.of("keys", name).events if isinstance(event, t.Transferred)]
    assert transferred.error


@every
def test_a_transferred_call_has_ended_well(show: Show, name: str) -> None:
    keys: Pressed = show.of("keys", name)
    (ended,) = [event for event in keys.events if isinstance(event, t.CallEnded)]
    assert (ended.how, ended.reason, ended.by) == ("completed", "transferred", "operator")
    # AudioSocket's end has no code.
    assert keys.phone.code == (None if keys.phone.dialect.stream else 1000)
    assert len(keys.phone.all(Bye)) <= 1
    assert keys.phone.unspoken == []


def test_nothing_is_left(show: Show) -> None:
    assert show.left == {}
