"""Calls that come in, from the carrier's webhook to the record: whole houses, real sockets, simulated clouds."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from clouds.carrier import Call, Cloud
from clouds.cast import CAST, TELLING
from clouds.scenes import Scenes
from clouds.town import CURT, HELPFUL, NARROW, PERSON, Town

from bench.dialects.port import Transfer

scene = Scenes(CAST, lives={"setup": 5.0, "media": 2.5, "ring": 5.0, "ending": 5.0})


def moved(cloud: Cloud, call: Call) -> list[str]:
    """The numbers with which we had the caller connected, by REST or by a message of the media socket."""
    told = [] if call.phone is None else [told.number for _, told in call.phone.all(Transfer)]
    asked = [order for order in call.orders if order[0] != "dtmf"]
    assert all(order[0] == "transfer" for order in asked), asked
    return [f"+{str(number).lstrip('+')}" for number in (*told, *(order[1] for order in asked))]


@scene()
async def a_caller_is_greeted_answered_and_hangs_up(town: Town, cloud: Cloud) -> None:
    call = await cloud.rings()
    phone = await cloud.connect(call)
    await cloud.tell(call, "answered")
    await town.greeted(phone)
    await town.talk(phone)
    id = town.id(call)
    assert (await town.get(id))["status"] == "in_progress"
    await cloud.hang_up(call)
    record = await town.ended(call)
    assert (record["status"], record["ended_by"], record["direction"]) == ("ended", "caller", "inbound")
    assert (record["agent"], record["carrier"], record["line"]) == ("desk", cloud.carrier, call.id)
    assert (record["from"], record["to"]) == (call.caller, call.called)
    assert record["created"] <= record["connected"] <= record["started"] <= record["ended"]
    assert call.orders == [], "who has gone is not hung up"


@scene()
async def the_agent_hangs_up(town: Town, cloud: Cloud) -> None:
    call = await cloud.rings(CURT)
    phone = await cloud.connect(call)
    await cloud.tell(call, "answered")
    await town.greeted(phone)
    await town.talk(phone)
    record = await town.ended(call)
    assert (record["status"], record["ended_by"], record["agent"]) == ("ended", "agent", "curt")
    assert call.orders == [("hang_up",)]
    await phone.over()


@scene()
async def an_operator_ends_it(town: Town, cloud: Cloud) -> None:
    call = await cloud.rings()
    phone = await cloud.connect(call)
    await cloud.tell(call, "answered")
    await town.greeted(phone)
    await phone.silence(0.1)
    since = trio.current_time()
    done = await town.command(town.id(call), "terminate", words="The office closes now.", reason="closing time")
    assert (done["done"], done["call"]["status"]) == (True, "ending")
    record = await town.ended(call)
    assert (record["status"], record["ended_by"], record["reason"]) == ("ended", "operator", "closing time")
    assert phone.ear.seconds(since, trio.current_time()) > 0.2, "the last words"
    assert call.orders == [("hang_up",)]


@scene()
async def the_agent_connects_the_caller_with_a_person(town: Town, cloud: Cloud) -> None:
    call = await cloud.rings(HELPFUL)
    phone = await cloud.connect(call)
    await cloud.tell(call, "answered")
    await town.greeted(phone)
    await town.talk(phone)
    record = await town.ended(call)
    assert (record["status"], record["ended_by"]) == ("ended", "agent")
    assert moved(cloud, call) == [PERSON], "and nobody hangs up a call that is somebody else's now"
    assert record["transferred"] == PERSON


@scene(*TELLING)
async def a_call_whose_media_never_comes_is_ended(town: Town, cloud: Cloud) -> None:
    call = await cloud.rings()
    await cloud.tell(call, "answered")
    record = await town.ended(call)
    assert (record["status"], record["ended_by"]) == ("failed", "house")
    # A gateway's own word on a call is its media.
    lost = "nothing was heard of it any more" if cloud.carrier == "ringcentral" else "its media never came"
    assert record["reason"] == lost
    assert record["started"] is None
    assert call.orders == [("hang_up",)]


@scene(*TELLING)
async def a_caller_gives_up_before_the_media_comes(town: Town, cloud: Cloud) -> None:
    call = await cloud.rings()
    await cloud.hang_up(call)
    record = await town.ended(call, within=1.5)
    assert (record["ended_by"], record["started"]) == (cloud.missed, None)
    assert call.orders == []


@scene("acs", "telnyx")
async def a_caller_is_hung_up_while_the_carrier_answers(town: Town, cloud: Cloud) -> None:
    """Where a call is taken by a request of ours, it is the answer to that which says what there is to hang up."""
    call = cloud.new(cloud.somebody(), cloud.ours(1))
    cloud.slow.add(call.caller)
    assert (await cloud.send(cloud.offering(call))).status == 200
    id = town.id(call)
    await town.command(id, "terminate")
    record = await town.ended(id)
    assert (record["ended_by"], record["started"]) == ("operator", None)
    await town.until(lambda: call.over, "the hang-up")
    assert call.orders == [("hang_up",)]


@scene(*TELLING)
async def a_number_without_a_free_channel_is_busy(town: Town, cloud: Cloud) -> None:
    first = await cloud.rings(NARROW)
    phone = await cloud.connect(first)
    second = await cloud.rings(NARROW)
    assert second.refused == cloud.refusal
    assert second.media is None
    record = await town.ended(second)
    assert (record["status"], record["ended_by"], record["reason"]) == ("failed", "house", "number-full")
    await town.greeted(phone)
    await cloud.hang_up(first)
    await town.ended(first)
    third = await cloud.rings(NARROW)
    assert not third.refused, "the channel is free again"
    await cloud.hang_up(third)


@scene(*TELLING)
async def webhooks_come_twice_and_out_of_order(town: Town, cloud: Cloud) -> None:
    call = await cloud.rings()
    offered = call.media
    answer = await cloud.send(cloud.offering(call))
    assert answer.status in (200, 204)
    cloud.understand(call, answer)
    assert call.media == offered, "the same answer again"
    phone = await cloud.connect(call)
    answered = cloud.event(call, "answered")
    assert answered is not None
    # Azure does not tell when it rings.
    ringing = cloud.event(call, "ringing") or answered
    for sent in (answered, ringing, answered, ringing):
        assert (await cloud.send(sent)).status in (200, 204)
    await town.greeted(phone)
    assert (await town.get(town.id(call)))["status"] == "in_progress"
    await cloud.hang_up(call)
    record = await town.ended(call)
    for sent in (ringing, answered, cloud.event(call, "ended"), cloud.event(call, "unknown")):
        assert sent is not None
        assert (await cloud.send(sent)).status in (200, 204)
    assert await town.get(town.id(call)) == record, "what has ended stays as it was"
    assert call.orders == []


@scene()
async def a_media_socket_that_was_dropped_comes_back(town: Town, cloud: Cloud) -> None:
    call = await cloud.rings()
    phone = await cloud.connect(call)
    await cloud.tell(call, "answered")
    await town.greeted(phone)
    id = town.id(call)
    started = (await town.get(id))["started"]
    await phone.cut()
    await trio.sleep(0.3)
    assert town.status(id) == "in_progress"
    again = await cloud.connect(call)
    await town.talk(again)
    assert town.id(call) == id, "it is no second call"
    assert (await town.get(id))["started"] == started
    await cloud.hang_up(call)
    record = await town.ended(call)
    assert (record["ended_by"], record["status"]) == ("caller", "ended"), record["reason"]


@scene("twilio", "ringover", "acs")
async def a_media_socket_that_does_not_come_back_ends_the_call(town: Town, cloud: Cloud) -> None:
    call = await cloud.rings()
    phone = await cloud.connect(call)
    await cloud.tell(call, "answered")
    await town.greeted(phone)
    await phone.cut()
    record = await town.ended(call)
    assert (record["status"], record["ended_by"]) == ("ended", "carrier")
    assert call.orders == [("hang_up",)]


@scene("ringover", "ringcentral")
async def the_media_comes_before_any_webhook(town: Town, cloud: Cloud) -> None:
    """These carriers may open the socket that was set up with them once, and tell later."""
    call = cloud.new(cloud.somebody(), cloud.ours(1))
    phone = await cloud.connect(call)
    await town.greeted(phone)
    id = town.id(call)
    await cloud.tell(call, "ringing")
    await cloud.tell(call, "answered")
    assert town.id(call) == id, "it is no second call"
    record = await town.get(id)
    assert (record["status"], record["from"], record["to"]) == ("in_progress", call.caller, call.called)
    done = await town.command(id, "terminate")
    assert done["done"]
    assert (await town.ended(call))["ended_by"] == "operator"
    assert call.orders == [("hang_up",)], "the webhooks said how to reach it"


@pytest.fixture(scope="module")
def results(request: pytest.FixtureRequest) -> Any:
    return scene.selected(request)


@pytest.mark.parametrize(("title", "carrier"), scene.table)
def test_inbound(results: Any, title: str, carrier: str) -> None:
    results[title, carrier].unwrap()


def test_nothing_is_left(results: Any) -> None:
    results["", ""].unwrap()
