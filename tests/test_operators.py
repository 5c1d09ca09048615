"""What operators do to live calls over HTTP, and what of it reaches the carrier and the caller."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from clouds.carrier import Call, Cloud
from clouds.cast import CAST
from clouds.scenes import Scenes
from clouds.town import PERSON, READER, Town
from phone import Phone

from bench.dialects.port import Digits, Transfer
from parlance.codecs import tone

scene = Scenes(CAST)

PRESSED: dict[str, list[tuple[Any, ...]]] = {
    "acs": [("dtmf", ["one", "two", "pound"])],
    "telnyx": [("dtmf", "12#")],
    "vonage": [("dtmf", "12#")],
    "asterisk": [("dtmf", "12#")],
}
"""Who is asked by REST to press keys. Ringover and Plivo are told on the media socket, others hear the tones."""
MUTED: dict[str, list[tuple[Any, ...]]] = {
    "ringover": [("mute", "toggle"), ("mute", "toggle")],
    "ringcentral": [("mute", True), ("mute", False)],
    "asterisk": [("mute", True), ("mute", False)],
}
HELD: dict[str, list[tuple[Any, ...]]] = {
    "ringover": [("hold", "toggle"), ("hold", "toggle")],
    "acs": [("hold", True), ("hold", False)],
    "ringcentral": [("hold", True), ("hold", False)],
    "asterisk": [("hold", True), ("hold", False)],
}
"""Who has a word of its own for it; everybody else's caller hears silence just the same."""


async def live(town: Town, cloud: Cloud) -> tuple[Call, Phone, str]:
    call = await cloud.rings()
    phone = await cloud.connect(call)
    await cloud.tell(call, "answered")
    await town.greeted(phone)
    await phone.silence(0.1)
    return call, phone, town.id(call)


async def speaks(phone: Phone, since: float, seconds: float = 0.2) -> None:
    await phone.until(lambda: phone.ear.seconds(since, trio.current_time()) > seconds)


@scene()
async def an_operator_says_something(town: Town, cloud: Cloud) -> None:
    call, phone, id = await live(town, cloud)
    since = trio.current_time()
    assert (await town.command(id, "say", text="Please hold the line."))["done"]
    await speaks(phone, since)
    await cloud.hang_up(call)
    await town.ended(call)


@scene()
async def an_operator_presses_keys(town: Town, cloud: Cloud) -> None:
    call, phone, id = await live(town, cloud)
    since = trio.current_time()
    assert (await town.command(id, "dtmf", digits="12#"))["done"]
    if cloud.carrier in PRESSED:
        assert call.orders == PRESSED[cloud.carrier]
    elif phone.dialect.presses:
        await phone.until(lambda: phone.all(Digits))
        assert "".join(told.digits for _, told in phone.all(Digits)) == "12#"
    else:
        await speaks(phone, since, 0.3)
        await phone.silence(0.2)
        assert tones(phone, since) == "12#"
        assert call.orders == []
    await cloud.hang_up(call)
    await town.ended(call)


def tones(phone: Phone, since: float) -> str:
    detector, size = tone.Detector(phone.line), phone.line.frame
    heard = phone.ear.heard(since, trio.current_time())
    frames = [heard[at : at + size] for at in range(0, len(heard) - size + 1, size)]
    silence = phone.line.silence * (size // phone.line.width)
    return "".join(digit for frame in (*frames, *[silence] * 5) for digit in detector.feed(frame))


@scene()
async def an_operator_mutes_the_agent(town: Town, cloud: Cloud) -> None:
    call, phone, id = await live(town, cloud)
    for _ in range(2):
        assert (await town.command(id, "mute"))["call"]["muted"]
    since = trio.current_time()
    await town.command(id, "say", text="Nobody is to hear this.")
    await trio.sleep(0.8)
    assert sound(phone, since) == b"", "the caller hears silence"
    assert not (await town.command(id, "unmute"))["call"]["muted"]
    assert call.orders == MUTED.get(cloud.carrier, [])
    since = trio.current_time()
    await town.command(id, "say", text="This is to be heard.")
    await phone.until(lambda: sound(phone, since))
    await cloud.hang_up(call)
    await town.ended(call)


def sound(phone: Phone, since: float) -> bytes:
    """What was heard, without silence."""
    return phone.ear.heard(since, trio.current_time()).replace(phone.line.silence, b"")


@scene()
async def an_operator_holds_the_call(town: Town, cloud: Cloud) -> None:
    call, phone, id = await live(town, cloud)
    assert (await town.command(id, "hold"))["call"]["held"]
    since = trio.current_time()
    await town.command(id, "say", text="This has to wait.")
    await trio.sleep(0.8)
    assert sound(phone, since) == b""
    since = trio.current_time()
    assert not (await town.command(id, "unhold"))["call"]["held"]
    await phone.until(lambda: sound(phone, since))
    assert call.orders == HELD.get(cloud.carrier, [])
    await cloud.hang_up(call)
    await town.ended(call)


@scene()
async def an_operator_transfers_the_call(town: Town, cloud: Cloud) -> None:
    call, phone, id = await live(town, cloud)
    done = await town.command(id, "transfer", to=PERSON)
    assert done["done"]
    record = await town.ended(call)
    assert (record["status"], record["ended_by"], record["transferred"]) == ("ended", "operator", PERSON)
    await phone.over()
    told = [str(one.number) for _, one in phone.all(Transfer)]
    await town.until(lambda: told or call.orders, "the transfer")
    digits = PERSON.lstrip("+")
    assert [number.lstrip("+") for number in told] == ([digits] if phone.dialect.transfers else [])
    asked = [(word, str(number).lstrip("+")) for word, number in call.orders]
    assert asked == ([] if phone.dialect.transfers else [("transfer", digits)])
    await trio.sleep(0.3)
    assert len(call.orders) <= 1, "a call that is somebody else's is not hung up"


COMMANDS: dict[str, dict[str, Any]] = {
    "terminate": {},
    "transfer": {"to": PERSON},
    "mute": {},
    "unmute": {},
    "hold": {},
    "unhold": {},
    "dtmf": {"digits": "1"},
    "say": {"text": "Hello?"},
}


@scene()
async def a_call_that_has_ended_answers_every_command(town: Town, cloud: Cloud) -> None:
    call, _, id = await live(town, cloud)
    await cloud.hang_up(call)
    record = await town.ended(call)
    for word, body in COMMANDS.items():
        done = await town.command(id, word, **body)
        assert (done["done"], done["detail"]) == (False, "the call has ended"), word
        assert done["call"] == record
    assert call.orders == []


@scene("twilio")
async def a_command_needs_a_call_and_a_key_that_may(town: Town, cloud: Cloud) -> None:
    call, phone, id = await live(town, cloud)
    for word, body in COMMANDS.items():
        path = f"/api/v1/calls/{id}/{word}"
        assert (await town.api("POST", path, body or None, key=READER)).status == 403
        unknown = await town.api("POST", f"/api/v1/calls/nobody/{word}", body or None)
        assert (unknown.status, unknown.json["code"]) == (404, "unknown-call")
        assert unknown.headers["content-type"] == "application/problem+json"
    for key in ("", "plk_of_nobody"):
        denied = await town.api("POST", f"/api/v1/calls/{id}/terminate", key=key)
        assert (denied.status, denied.headers["www-authenticate"].split()[0]) == (401, "Bearer")
        assert (await town.api("GET", f"/api/v1/calls/{id}", key=key)).status == 401
    assert (await town.api("POST", "/api/v1/calls", {"to": PERSON}, key=READER)).status == 403
    assert (await town.api("GET", f"/api/v1/calls/{id}", key=READER)).json["status"] == "in_progress"
    assert call.orders == []
    assert not phone.down.is_set()
    await cloud.hang_up(call)
    await town.ended(call)


@scene("ringover")
async def a_call_that_only_rings_cannot_be_spoken_to(town: Town, cloud: Cloud) -> None:
    to = cloud.somebody()
    id = await town.order(cloud, to)
    call = await town.placed(cloud, to)
    await cloud.tell(call, "ringing")
    await town.becomes(id, "ringing")
    for word in ("mute", "hold"):
        answer = await town.api("POST", f"/api/v1/calls/{id}/{word}")
        assert (answer.status, answer.json["code"]) == (409, "not-now")
    await town.command(id, "terminate")
    await town.ended(id)


@scene("twilio", "acs")
async def a_call_that_the_carrier_has_lost_cannot_be_transferred(town: Town, cloud: Cloud) -> None:
    call, phone, id = await live(town, cloud)
    call.over = True
    done = await town.command(id, "transfer", to=PERSON)
    assert (done["done"], done["detail"]) == (False, "the call has ended")
    assert (await town.get(id))["transferred"] == ""
    await phone.hang_up()
    await town.ended(call)


@pytest.fixture(scope="module")
def results(request: pytest.FixtureRequest) -> Any:
    return scene.selected(request)


@pytest.mark.parametrize(("title", "carrier"), scene.table)
def test_operators(results: Any, title: str, carrier: str) -> None:
    results[title, carrier].unwrap()


def test_nothing_is_left(results: Any) -> None:
    results["", ""].unwrap()
