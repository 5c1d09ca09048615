"""A second listener beside the first: other paths at another port, one reactor, one end."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import trio
from house import House, StubWire, response_head, until
from trio_websocket import ConnectionClosed

from parlance.actors.media.port import Visit
from parlance.actors.media.webhook import Denied
from parlance.http.bare import bare
from parlance.http.door import Door
from parlance.http.gateway import Gateway, Route
from parlance.http.reactor import Reactor
from parlance.http.serve import serve

pytestmark = pytest.mark.swift


class Two:
    """A house, and beside it a listener for `/ws` only."""

    def __init__(self, page: Path, direct: bool) -> None:
        self.house = House(page, direct=direct, graceful=1.0)
        self.second = House(page)
        """Only its client's side is used."""
        self.ended = trio.Event()

        def guard(visit: Visit) -> None:
            if visit.query.get("token") != "open":
                raise Denied(401, "token", "no")

        self.gateway = Gateway(
            bare,
            self.house._take,
            [Route("/ws", lambda visit: (StubWire("ringover"), None), carrier="ringover", guard=guard)],  # type: ignore[arg-type, return-value]
        )

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        async with trio.open_nursery() as nursery:
            reactor = Reactor()
            await nursery.start(reactor.run)
            async with trio.open_nursery() as both:
                self.house.port = await both.start(self.house.run)
                door = Door(self.gateway, reactor) if self.house.direct else None
                second = partial(
                    serve, self.gateway, host="127.0.0.1", port=0, graceful=1.0, stop=self.house.stop, door=door
                )
                self.second.port = await both.start(second)
                task_status.started()
            nursery.cancel_scope.cancel()
        self.ended.set()


@pytest.fixture(params=[True, False], ids=["reactor", "asgi"])
async def two(request: pytest.FixtureRequest, page: Path, nursery: trio.Nursery) -> Two:
    two = Two(page, request.param)
    await nursery.start(two.run)
    return two


async def test_each_has_its_own_paths(two: Two):
    async with two.second.dial("/ws?token=open") as line, two.house.dial() as other:
        for connection in (line, other):
            await connection.send_message("hello")
            assert await connection.get_message() == "hello"
    for path in ("/", "/health", "/api/v1/agents", "/ws"):
        answer = await two.second.get(path)
        assert (answer.status_code, answer.json()["title"]) == (404, "Not Found")
    assert (await two.second.request("HEAD", "/")).status_code == 404
    async with await two.house.raw("/ws?token=open") as stream:
        assert (await response_head(stream)).startswith("HTTP/1.1 404")
    assert (await two.house.get("/health")).status_code == 200


async def test_its_guard_is_its_own(two: Two):
    for path, status in (("/ws?token=wrong", "401"), ("/api/v1/media/twilio", "404")):
        async with await two.second.raw(path) as stream:
            assert (await response_head(stream)).split()[1] == status
    assert two.gateway.denied == {("ringover", "token"): 1}
    assert two.house.gateway.denied == {}


async def test_one_event_ends_both_and_their_calls_say_goodbye(two: Two):
    async with two.second.dial("/ws?token=open") as line, two.house.dial() as other:
        for connection in (line, other):
            await connection.send_message("hello")
            assert await connection.get_message() == "hello"
        two.house.stop.set()
        for connection in (line, other):
            with pytest.raises(ConnectionClosed) as caught:
                await connection.get_message()
            assert caught.value.reason.code == 1001
    await until(two.ended.is_set)
    for house in (two.house, two.second):
        with pytest.raises(OSError, match="connect"):
            await trio.open_tcp_stream("127.0.0.1", house.port)
