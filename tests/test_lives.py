"""What must not become a call, and what must not disturb one: webhooks that nobody has signed, sockets that nobody
waits for, and a house that is full.
"""

from __future__ import annotations

import json
import os
import re
import signal
from dataclasses import replace
from typing import Any

import pytest
import trio
from clouds.carrier import Call, Cloud
from clouds.cast import CAST, TELLING
from clouds.scenes import Scenes
from clouds.town import Town, town
from phone import Phone
from trio_websocket import ConnectionRejected

from parlance.switchboard.arrivals import POLICY

scene = Scenes(CAST)
TICKETED = ("acs", "twilio", "telnyx", "vonage", "plivo")
"""Those whose media sockets bring a ticket of one call."""
HOUR = 3600.0


async def counted(town: Town, cloud: Cloud, reason: str) -> int:
    counts = (await town.health())["webhooks"]["counts"]
    number: int = counts.get(cloud.carrier, {}).get(reason, 0)
    return number


async def silently(link: Phone) -> int | None:
    """The close code of a socket that is not let in, and said nothing."""
    await link.over()
    assert link.arrived == []
    return link.code


async def refused(cloud: Cloud, call: Call) -> int:
    """The status or the close code with which this socket is refused."""
    status = 0
    try:
        async with trio.open_nursery() as nursery:
            phone = await cloud.another(nursery=nursery).connect(call)
            status = await silently(phone) or 0
    except* ConnectionRejected as rejected:
        status = rejected.exceptions[0].status_code  # type: ignore[union-attr]
    return status


def spoiled(call: Call) -> Call:
    """The call, with another ticket in what was said about its media."""
    wrong = re.sub("[0-9a-f]{48}", "0" * 48, json.dumps(call.media))
    return replace(call, media=json.loads(wrong))


@scene(*TELLING)
async def webhooks_that_are_not_the_carriers_do_nothing(town: Town, cloud: Cloud) -> None:
    call = cloud.new(cloud.somebody(), cloud.ours(1))
    offer = cloud.offering(call)
    old = cloud.another(age=HOUR).event(call, "answered")
    assert old is not None
    bad = {
        "unsigned": (cloud.unsigned(offer), 401),
        "signature": (cloud.forged(offer), 401),
        "oversized": (replace(offer, body=offer.body + b" " * 300_000), 413),
    }
    if cloud.dated:
        bad["expired"] = (old, 401)
    for reason, (sent, status) in bad.items():
        before = await counted(town, cloud, reason)
        answer = await cloud.send(sent)
        assert answer.status == status, reason
        assert answer.headers["content-type"] == "application/problem+json"
        assert await counted(town, cloud, reason) == before + 1
    assert town.known(call.caller) == []
    assert call.orders == []
    await forged_news_end_no_call(town, cloud)


async def forged_news_end_no_call(town: Town, cloud: Cloud) -> None:
    call = await cloud.rings()
    phone = await cloud.connect(call)
    await town.greeted(phone)
    genuine = cloud.event(call, "ended")
    assert genuine is not None
    assert (await cloud.send(cloud.unsigned(genuine))).status == 401
    if cloud.carrier != "acs":
        assert (await cloud.send(cloud.forged(genuine))).status == 401
    await trio.sleep(0.2)
    assert town.status(town.id(call)) == "in_progress"
    await cloud.hang_up(call)
    await town.ended(call)


@scene(*TELLING)
async def unknown_events_are_taken_and_nothing_more(town: Town, cloud: Cloud) -> None:
    call = cloud.new(cloud.somebody(), cloud.ours(1))
    before = await counted(town, cloud, "ok")
    unknown = cloud.event(call, "unknown")
    assert unknown is not None
    assert (await cloud.send(unknown)).status in (200, 204)
    assert await counted(town, cloud, "ok") > before
    assert town.known(call.caller) == []


@scene(*TELLING)
async def news_of_other_peoples_calls_are_none_of_ours(town: Town, cloud: Cloud) -> None:
    call = cloud.new(cloud.somebody(), "+33999999999")
    for what in ("answered", "ended"):
        await cloud.tell(call, what)
    assert town.known(call.caller) == []
    assert call.orders == []


@scene(*TICKETED)
async def a_socket_with_a_wrong_ticket_is_refused_and_the_call_waits_on(town: Town, cloud: Cloud) -> None:
    call = await cloud.rings()
    assert await refused(cloud, spoiled(call)) in (401, POLICY)
    id = town.id(call)
    assert (await town.get(id))["started"] is None
    phone = await cloud.connect(call)
    await town.greeted(phone)
    assert await refused(cloud, replace(call)) == POLICY, "a second one for the same call"
    assert not phone.down.is_set()
    await cloud.hang_up(call)
    await town.ended(call)
    # What has ended has no ticket any more.
    assert await refused(cloud, replace(call)) in (401, POLICY)
    assert town.id(call) == id, "and it makes no other call"


@scene("ringover", "ringcentral", "asterisk")
async def a_socket_with_a_wrong_token_is_refused(town: Town, cloud: Cloud) -> None:
    for token in ("somebody-elses-token", "0"):
        stranger = cloud.another(token=token)
        call = stranger.new(cloud.somebody(), cloud.ours(1))
        assert await refused(stranger, call) in (401, POLICY)
        assert town.known(call.caller) == []


@scene("twilio")
async def health_says_how_many_were_not_let_in(town: Town, cloud: Cloud) -> None:
    acs = town.clouds["acs"]
    call = acs.new(acs.somebody(), acs.ours(1))
    call.media = "wss://house.example/api/v1/media/stream"
    before = (await town.health())["denied"]["media"].get("acs unsigned", 0)
    assert await refused(acs, call) == 401
    assert (await town.health())["denied"]["media"]["acs unsigned"] == before + 1


@pytest.fixture(scope="module")
def results(request: pytest.FixtureRequest) -> Any:
    return scene.selected(request)


@pytest.mark.parametrize(("title", "carrier"), scene.table)
def test_lives(results: Any, title: str, carrier: str) -> None:
    results[title, carrier].unwrap()


def test_nothing_is_left(results: Any) -> None:
    results["", ""].unwrap()


async def test_a_full_house_is_busy_at_every_carrier() -> None:
    clouds = {name: CAST[name](index) for index, name in enumerate(TELLING, 1)}
    async with town(clouds, limits={"calls": 1, "lateness": 0}) as place:
        first = await clouds["twilio"].rings()
        phone = await clouds["twilio"].connect(first)
        await place.greeted(phone)
        for cloud in clouds.values():
            call = await cloud.rings()
            assert call.refused
            assert call.media is None
            record = await place.ended(call)
            assert (record["status"], record["ended_by"], record["reason"]) == ("failed", "house", "full")
            assert call.orders == []
        assert not phone.down.is_set()
        await clouds["twilio"].hang_up(first)
        await place.ended(first)
        second = await clouds["acs"].rings()
        assert not second.refused, "there is room again"
        await clouds["acs"].hang_up(second)
        await place.ended(second)


async def test_a_house_that_goes_down_hangs_up() -> None:
    """Whoever waits for media when the process ends is not left in silence."""
    clouds = {name: CAST[name](index) for index, name in enumerate(("twilio", "telnyx"), 1)}
    async with town(clouds, drain={"limit": 0.2, "grace": 2.0}) as place:
        calls = [await cloud.rings() for cloud in clouds.values()]
        talking = await clouds["twilio"].rings()
        phone = await clouds["twilio"].connect(talking)
        await place.greeted(phone)
        os.kill(os.getpid(), signal.SIGTERM)
        await phone.over()
        await place.until(lambda: all(call.orders for call in (*calls, talking)), "the hang-ups")
    assert [call.orders for call in (*calls, talking)] == [[("hang_up",)]] * 3
