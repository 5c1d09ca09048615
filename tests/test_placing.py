"""Calls that we place, from the order to the record: whole houses, real sockets, simulated clouds."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
import trio
from clouds.carrier import Cloud, now
from clouds.cast import CAST, TELLING
from clouds.scenes import Scenes
from clouds.town import Town
from clouds.web import Answer, said

scene = Scenes(CAST, lives={"setup": 6.0, "media": 3.0, "ring": 8.0, "ending": 5.0})
LISTENING = ("twilio", "telnyx", "vonage", "plivo")
"""Carriers that listen for answering machines."""
TWICE = ("telnyx", "acs")
"""Carriers that know an order which they get twice."""


@scene()
async def a_call_is_placed_answered_and_spoken(town: Town, cloud: Cloud) -> None:
    to = cloud.somebody()
    key = f"order-{to}"
    order = {"to": to, "agent": "desk", "carrier": cloud.carrier, "metadata": {"order": "42"}}
    first = await town.api("POST", "/api/v1/calls", order, Idempotency_Key=key)
    again = await town.api("POST", "/api/v1/calls", order, Idempotency_Key=key)
    other = await town.api("POST", "/api/v1/calls", order | {"agent": "curt"}, Idempotency_Key=key)
    assert (first.status, again.status, other.status) == (201, 200, 409)
    id = first.json["id"]
    assert again.json["id"] == id
    assert first.headers["location"] == f"/api/v1/calls/{id}"
    call = await town.placed(cloud, to)
    assert call.caller == cloud.ours(1)
    await cloud.tell(call, "ringing")
    await cloud.tell(call, "answered")
    phone = await cloud.connect(call)
    await town.greeted(phone)
    await town.talk(phone)
    live = await town.get(id)
    assert (live["status"], live["line"], live["attempts"]) == ("in_progress", call.id, 1)
    done = await town.command(id, "terminate")
    assert done["done"]
    record = await town.ended(id)
    assert (record["status"], record["ended_by"], record["direction"]) == ("ended", "operator", "outbound")
    assert (record["from"], record["to"], record["metadata"]) == (cloud.ours(1), to, {"order": "42"})
    assert call.orders == [("hang_up",)]
    assert [number for number, _ in cloud.placing].count(to) == 1


@scene()
async def whoever_is_called_hangs_up(town: Town, cloud: Cloud) -> None:
    to = cloud.somebody()
    id = await town.order(cloud, to)
    call = await town.placed(cloud, to)
    await cloud.tell(call, "answered")
    phone = await cloud.connect(call)
    await town.greeted(phone)
    await cloud.hang_up(call)
    record = await town.ended(id)
    assert (record["status"], record["ended_by"]) == ("ended", "caller")
    assert call.orders == []
    assert record["attempts"] == 1, "who was reached is not called again"


@scene(*TELLING)
async def who_is_busy_is_called_again(town: Town, cloud: Cloud) -> None:
    to = cloud.somebody()
    id = await town.order(cloud, to)
    first = await town.placed(cloud, to)
    await cloud.tell(first, "ringing")
    first.over = True
    unreached = cloud.event(first, cloud.busy)
    assert unreached is not None
    await cloud.send(unreached)
    second = await town.placed(cloud, to, 2)
    assert second is not first
    waiting = await town.get(id)
    assert (waiting["attempts"], waiting["ended"], waiting["reason"]) == (2, None, "")
    # Late news of the first attempt are none of the second.
    await cloud.send(unreached)
    await cloud.tell(second, "answered")
    phone = await cloud.connect(second)
    await town.greeted(phone)
    assert (await town.get(id))["line"] == second.id
    await cloud.hang_up(second)
    record = await town.ended(id)
    assert (record["status"], record["ended_by"], record["attempts"]) == ("ended", "caller", 2)
    times = [at for number, at in cloud.placing if number == to]
    assert all(later - earlier >= 0.2 for earlier, later in pairwise(times)), "the pause of the agent's settings"


@scene(*TELLING)
async def who_is_never_reached_is_given_up(town: Town, cloud: Cloud) -> None:
    to = cloud.somebody()
    id = await town.order(cloud, to, attempts=2)
    for attempt in (1, 2):
        call = await town.placed(cloud, to, attempt)
        call.over = True
        await cloud.tell(call, cloud.busy)
    record = await town.ended(id)
    assert (record["status"], record["reason"], record["attempts"]) == ("failed", cloud.busy, 2)
    await trio.sleep(0.6)
    assert [number for number, _ in cloud.placing].count(to) == 2


@scene("twilio", "ringover", "telnyx")
async def it_rings_before_the_carrier_has_answered_the_order(town: Town, cloud: Cloud) -> None:
    to = cloud.somebody()
    cloud.early.add(to)
    id = await town.order(cloud, to)
    await town.becomes(id, "ringing")
    call = await town.placed(cloud, to)
    await cloud.tell(call, "answered")
    phone = await cloud.connect(call)
    await town.greeted(phone)
    await cloud.hang_up(call)
    assert (await town.ended(id))["attempts"] == 1


@scene("ringover", "acs", "twilio")
async def a_queued_call_is_canceled(town: Town, cloud: Cloud) -> None:
    to = cloud.somebody()
    later = datetime.fromtimestamp(now() + 3600, UTC).isoformat()
    id = await town.order(cloud, to, not_before=later)
    done = await town.command(id, "terminate")
    assert done["done"]
    record = await town.ended(id, within=1)
    assert (record["status"], record["ended_by"], record["reason"]) == ("ended", "operator", "canceled")
    assert (record["attempts"], record["line"]) == (0, "")
    again = await town.command(id, "terminate")
    assert (again["done"], again["detail"]) == (False, "the call has ended")
    assert to not in [number for number, _ in cloud.placing]


@scene(*TELLING)
async def a_call_that_rings_is_canceled(town: Town, cloud: Cloud) -> None:
    to = cloud.somebody()
    id = await town.order(cloud, to)
    call = await town.placed(cloud, to)
    await cloud.tell(call, "ringing")
    await town.until(lambda: town.records[id][-1].leg or town.records[id][-1].line, "the carrier's id")
    await town.command(id, "terminate")
    record = await town.ended(id)
    assert (record["ended_by"], record["started"]) == ("operator", None)
    await town.until(lambda: call.orders == [("hang_up",)], "the hang-up")
    assert [number for number, _ in cloud.placing].count(to) == 1, "what an operator has ended is not tried again"


@scene(*LISTENING)
async def a_machine_by_the_carriers_word_is_hung_up(town: Town, cloud: Cloud) -> None:
    to = cloud.somebody()
    id = await town.order(cloud, to)
    call = await town.placed(cloud, to)
    await cloud.tell(call, "answered")
    phone = await cloud.connect(call)
    await town.greeted(phone)
    await cloud.tell(call, "machine")
    record = await town.ended(id)
    assert (record["answered_by"], record["ended_by"], record["reason"]) == ("machine", "agent", "machine")
    assert call.orders == [("hang_up",)]
    assert record["attempts"] == 1


@scene(*LISTENING)
async def a_machine_before_the_media_is_hung_up_too(town: Town, cloud: Cloud) -> None:
    to = cloud.somebody()
    id = await town.order(cloud, to)
    call = await town.placed(cloud, to)
    await cloud.tell(call, "answered")
    await cloud.tell(call, "machine")
    phone = await cloud.connect(call)
    record = await town.ended(id)
    assert (record["answered_by"], record["reason"]) == ("machine", "machine")
    await phone.over()
    assert call.orders == [("hang_up",)]


@scene()
async def a_message_is_left_on_a_machine(town: Town, cloud: Cloud) -> None:
    """Known by its long announcement, where the carrier does not listen."""
    to = cloud.somebody()
    id = await town.order(cloud, to, "patient")
    call = await town.placed(cloud, to)
    await cloud.tell(call, "answered")
    phone = await cloud.connect(call)
    phone.say(2.0)
    await trio.sleep(0.7)
    if cloud.carrier in LISTENING:
        await cloud.tell(call, "machine")
    await phone.said()
    said = trio.current_time()
    record = await town.ended(id)
    assert (record["answered_by"], record["ended_by"], record["reason"]) == ("machine", "agent", "message left")
    assert phone.ear.seconds(0, said) < 0.05, "nobody speaks into the announcement"
    assert phone.ear.seconds(said, trio.current_time()) > 0.25, "the message"
    assert call.orders == [("hang_up",)]


@scene(*TELLING)
async def a_carrier_that_is_asked_too_often_is_asked_again(town: Town, cloud: Cloud) -> None:
    to = cloud.somebody()
    cloud.next[to] = deque([said({"message": "slow down"}, 429, Retry_After="1")])
    id = await town.order(cloud, to)
    call = await town.placed(cloud, to, 2)
    await town.until(lambda: town.records[id][-1].leg or town.records[id][-1].line, "the carrier's answer")
    assert (await town.get(id))["attempts"] == 1, "it is one attempt"
    first, second = (at for number, at in cloud.placing if number == to)
    assert second - first >= 1.0
    await town.command(id, "terminate")
    await town.ended(id)
    assert call.orders == [("hang_up",)]


@scene(*TELLING)
async def a_call_is_canceled_while_it_is_placed(town: Town, cloud: Cloud) -> None:
    """Only the carrier's answer says what there is to hang up."""
    to = cloud.somebody()
    cloud.slow.add(to)
    id = await town.order(cloud, to)
    call = await town.placed(cloud, to)
    await town.command(id, "terminate")
    record = await town.ended(id)
    assert (record["ended_by"], record["started"]) == ("operator", None)
    await town.until(lambda: call.over, "the hang-up")
    assert call.orders == [("hang_up",)]
    assert [number for number, _ in cloud.placing].count(to) == 1


@scene("acs", "twilio", "telnyx", "vonage", "plivo")
async def an_order_whose_answer_is_lost_is_not_placed_twice(town: Town, cloud: Cloud) -> None:
    """Nobody knows whether it rings: then it makes itself heard."""
    to = cloud.somebody()
    cloud.lost.add(to)
    id = await town.order(cloud, to)
    call = await town.placed(cloud, to)
    await cloud.tell(call, "ringing")
    await cloud.tell(call, "answered")
    await town.becomes(id, "connected")
    phone = await cloud.connect(call)
    await town.greeted(phone)
    await town.command(id, "terminate")
    await town.ended(id)
    assert call.orders == [("hang_up",)]
    assert [number for number, _ in cloud.placing].count(to) == 1


@scene()
async def a_carrier_that_is_down_fails_the_attempt(town: Town, cloud: Cloud) -> None:
    """Who would dial twice if asked twice is asked once."""
    to = cloud.somebody()
    cloud.next[to] = deque([Answer(502)] * 9)
    id = await town.order(cloud, to, attempts=1)
    record = await town.ended(id, within=15)
    assert (record["status"], record["ended_by"]) == ("failed", "carrier")
    assert "502" in record["reason"]
    asked = [number for number, _ in cloud.placing].count(to)
    assert asked == (3 if cloud.carrier in TWICE else 1)


@scene(*TELLING)
async def a_call_that_nobody_speaks_of_any_more_is_given_up(town: Town, cloud: Cloud) -> None:
    to = cloud.somebody()
    id = await town.order(cloud, to, attempts=1)
    call = await town.placed(cloud, to)
    await cloud.tell(call, "answered")
    record = await town.ended(id)
    assert (record["status"], record["ended_by"], record["reason"]) == ("failed", "house", "its media never came")
    assert call.orders == [("hang_up",)]


@pytest.fixture(scope="module")
def results(request: pytest.FixtureRequest) -> Any:
    return scene.selected(request)


@pytest.mark.parametrize(("title", "carrier"), scene.table)
def test_placing(results: Any, title: str, carrier: str) -> None:
    results[title, carrier].unwrap()


def test_nothing_is_left(results: Any) -> None:
    results["", ""].unwrap()
