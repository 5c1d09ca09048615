"""The runner of errands against a carrier's REST on this machine: what is sent again, what is not, and what is told."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import pytest
import trio

from parlance.actors.media import runner as module
from parlance.actors.media.errand import Control, Errand, Handle, Stamp
from parlance.actors.media.runner import Runner
from parlance.engine.errors import Ended, Lost, Overloaded, ProviderError, Rejected, Unreachable

SECRET = "the-secret-of-the-account"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nc9"
NEVER = b""
"""No answer, and the connection stays open."""
CUT = b"cut"
"""The connection is closed without an answer."""


def answer(status: int, **headers: str) -> bytes:
    named = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} Whatever\r\nContent-Length: 0\r\n{named}\r\n".encode()


class Carrier:
    """Answers requests one after the other with what it was given, and then with 200; counts them."""

    def __init__(self, answers: tuple[bytes, ...]) -> None:
        self.answers = deque(answers)
        self.came: list[float] = []
        self.heads: list[str] = []
        self.port = 0
        self.once = trio.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/calls?key={SECRET}"

    async def serve(self, *, task_status: trio.TaskStatus[None]) -> None:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.port = listeners[0].socket.getsockname()[1]
        task_status.started()
        await trio.serve_listeners(self._answer, listeners)

    async def _answer(self, stream: trio.SocketStream) -> None:
        async with stream:
            while True:
                head = b""
                # A request of ours has the body {} or none.
                while not (head.startswith(b"GET") and head.endswith(b"\r\n\r\n")) and not head.endswith(b"{}"):
                    some = await stream.receive_some(65536)
                    if not some:
                        return
                    head += some
                self.came.append(trio.current_time())
                self.heads.append(head.decode())
                self.once.set()
                said = self.answers.popleft() if self.answers else OK
                if said is CUT:
                    return
                if said is NEVER:
                    await trio.sleep_forever()
                try:
                    await stream.send_all(said)
                except (trio.BrokenResourceError, trio.ClosedResourceError):
                    return


class Plain:
    """A control that has one request."""

    carrier, verbs = "tel", frozenset(("place", "hang_up"))
    pause = 0.05

    def __init__(self, url: Callable[[], str]) -> None:
        self._url = url
        self.stamps: list[Stamp] = []

    def errand(self, stamp: Stamp, *, again: bool) -> Errand:
        self.stamps.append(stamp)
        return Errand("POST", self._url(), {"Authorization": f"Bearer {SECRET}"}, b"{}", again)

    def read(self, verb: str, status: int, headers: Mapping[str, str], body: bytes) -> Handle:
        if status == 200:
            return Handle(body.decode())
        kinds = {404: Ended, 429: Overloaded, 503: Overloaded}
        raise kinds.get(status, Unreachable if status >= 500 else Rejected)("tel", f"it says {status}")


class Work:
    def __init__(self, runner: Runner, control: Plain, carrier: Carrier) -> None:
        self.runner, self.control, self.carrier = runner, control, carrier

    async def do(self, *, again: bool = False) -> Handle:
        return await self.runner.do("place", lambda _, stamp: self.control.errand(stamp, again=again))

    async def fails(self, kind: type[ProviderError], *, again: bool = False) -> str:
        """The words of the error, in which there is no secret."""
        with pytest.raises(ProviderError) as raised:
            await self.do(again=again)
        assert type(raised.value) is kind
        seen: BaseException | None = raised.value
        while seen is not None and not seen.__suppress_context__:
            assert SECRET not in str(seen)
            seen = seen.__context__
        assert SECRET not in str(raised.value)
        return str(raised.value)


@asynccontextmanager
async def work(*answers: bytes, learners: tuple[Any, ...] = ()) -> AsyncIterator[Work]:
    carrier = Carrier(answers)
    control: Any = Plain(lambda: carrier.url)
    walls = iter(range(1000, 100_000))
    runner = Runner(control, wall=lambda: float(next(walls)), learners=learners, random=Random(1))
    async with trio.open_nursery() as nursery:
        await nursery.start(carrier.serve)
        for learner in learners:
            learner.url = carrier.url
        await nursery.start(runner.run)
        yield Work(runner, control, carrier)
        nursery.cancel_scope.cancel()


async def test_an_errand_is_run() -> None:
    async with work() as w:
        assert await w.do() == Handle("c9")
        assert f"Authorization: Bearer {SECRET}" in w.carrier.heads[0]


async def test_what_was_asked_too_often_is_asked_again_in_every_case() -> None:
    async with work(answer(429), answer(503)) as w:
        assert await w.do(again=False) == Handle("c9")
        assert len(w.carrier.came) == 3
        first, second, third = w.carrier.came
        assert second - first >= 0.05
        assert third - second >= 0.1
        # Each attempt is signed anew, and all of them are one act.
        assert len({stamp.id for stamp in w.control.stamps}) == 1
        assert len({stamp.now for stamp in w.control.stamps}) == 3


async def test_the_carrier_says_how_long_to_wait() -> None:
    async with work(answer(429, Retry_After="0.6")) as w:
        await w.do()
        assert w.carrier.came[1] - w.carrier.came[0] >= 0.6


@pytest.mark.parametrize("after", ["Wed, 21 Oct 2026 07:28:00 GMT", "soon", "-5"])
async def test_what_is_no_number_of_seconds_is_no_time_to_wait(after: str) -> None:
    async with work(answer(429, Retry_After=after)) as w:
        with trio.fail_after(5):
            assert await w.do() == Handle("c9")


@pytest.mark.parametrize("after", ["3600", "inf"])
async def test_a_carrier_that_wants_us_to_wait_too_long_is_not_waited_for(after: str) -> None:
    async with work(answer(429, Retry_After=after)) as w:
        with trio.fail_after(2):
            await w.fails(Overloaded)
        assert len(w.carrier.came) == 1


async def test_it_is_asked_three_times_at_most() -> None:
    async with work(*[answer(429)] * 5) as w:
        assert await w.fails(Overloaded) == "tel: it says 429"
        assert len(w.carrier.came) == 3


@pytest.mark.parametrize(
    ("said", "again", "times", "kind"),
    [
        (answer(500), False, 1, Unreachable),
        (answer(500), True, 3, Unreachable),
        (CUT, False, 1, Lost),
        (CUT, True, 3, Lost),
        (answer(404), True, 1, Ended),
        (answer(400), True, 1, Rejected),
    ],
    ids=["500", "500 again", "cut", "cut again", "gone", "no"],
)
async def test_only_what_cannot_be_done_twice_is_sent_again(
    said: bytes, again: bool, times: int, kind: type[ProviderError]
) -> None:
    async with work(*[said] * 5) as w:
        await w.fails(kind, again=again)
        assert len(w.carrier.came) == times


async def test_a_carrier_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.3)
    async with work(NEVER) as w:
        with trio.fail_after(5):
            assert await w.fails(Lost) == "tel: no answer within 0.3 s"
        assert await w.do() == Handle("c9"), "the next one is not held up"


async def test_an_answer_that_trickles_in_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every byte would be in time for a time-out of the socket."""
    monkeypatch.setattr(module, "PATIENCE", 0.4)
    async with trio.open_nursery() as nursery:

        async def trickle(stream: trio.SocketStream) -> None:
            async with stream:
                try:
                    await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
                    while True:
                        await trio.sleep(0.05)
                        await stream.send_all(b"x")
                except trio.BrokenResourceError:
                    pass

        [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, trickle, [listener])
        port = listener.socket.getsockname()[1]
        async with work() as w:
            w.control._url = lambda: f"http://127.0.0.1:{port}/?key={SECRET}"
            with trio.fail_after(5):
                await w.fails(Lost)
        nursery.cancel_scope.cancel()


async def test_a_carrier_that_is_not_there() -> None:
    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    await listener.aclose()
    async with work() as w:
        w.control._url = lambda: f"http://127.0.0.1:{port}/?key={SECRET}"
        assert "ConnectError" in await w.fails(Unreachable)


@pytest.mark.parametrize("url", [f"http://[{SECRET}/", f"gopher://host/{SECRET}", f"http://host:99999/{SECRET}"])
async def test_an_address_that_is_none(url: str) -> None:
    async with work() as w:
        w.control._url = lambda: url
        with trio.fail_after(5):
            await w.fails(Unreachable)


async def test_an_answer_that_is_too_long_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGEST", 1000)
    body = b"x" * 5000
    async with work(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + body) as w:
        assert "more than 1000 bytes" in await w.fails(Lost)
        assert await w.do() == Handle("c9")


async def test_before_and_after_its_life_nothing_is_sent() -> None:
    control: Any = Plain(lambda: "http://127.0.0.1:9/")
    idle = Runner(control, wall=lambda: 0.0)
    with pytest.raises(Unreachable, match="closing"):
        await idle.do("place", lambda _, stamp: control.errand(stamp, again=False))


async def test_so_many_are_on_their_way_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AT_ONCE", 3)
    async with work(NEVER, NEVER, NEVER) as w:
        with trio.move_on_after(0.4):
            async with trio.open_nursery() as nursery:
                for _ in range(8):
                    nursery.start_soon(w.do)
        assert len(w.carrier.came) == 3
        assert await w.do() == Handle("c9"), "those that were cancelled have made room"


async def test_a_request_that_cannot_even_be_written_is_rejected() -> None:
    async with work() as w:

        def impossible(_: Control, stamp: Stamp) -> Errand:
            raise ValueError(f"a header with {SECRET}")

        with pytest.raises(Rejected, match="ValueError") as raised:
            await w.runner.do("place", impossible)
        assert SECRET not in str(raised.value)


# ------------------------------------------------------------------------------------------ learners


class Pupil:
    """Wants until it was answered with 200, and again when it is told to."""

    def __init__(self) -> None:
        self.wanted: Callable[[], None] = lambda: None
        self.url = ""
        self.heard: list[tuple[int, bytes]] = []
        self.knows = False

    def wants(self, now: float) -> Errand | None:
        return None if self.knows else Errand("GET", self.url, {"Authorization": SECRET}, again=True)

    def learned(self, status: int, body: bytes, now: float) -> None:
        self.heard.append((status, body))
        self.knows = self.knows or status == 200


async def test_what_has_to_be_known_is_learned_at_once_and_before_any_errand() -> None:
    pupil = Pupil()
    async with work(learners=(pupil,)) as w:
        assert await w.do() == Handle("c9")
        assert [head.split()[0] for head in w.carrier.heads] == ["GET", "POST"]
        assert pupil.heard == [(200, b"c9")]


async def test_what_is_wanted_again_is_learned_again_without_an_errand() -> None:
    pupil = Pupil()
    async with work(learners=(pupil,)) as w:
        await w.do()
        pupil.knows = False
        pupil.wanted()
        with trio.fail_after(5):
            while len(pupil.heard) < 2:
                await trio.sleep(0.01)
        assert [head.split()[0] for head in w.carrier.heads] == ["GET", "POST", "GET"]


@pytest.mark.parametrize(("said", "status"), [(answer(401), 401), (CUT, 0), (NEVER, 0)], ids=["401", "cut", "never"])
async def test_who_has_not_learned_is_not_heard_for_a_while(
    said: bytes, status: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A carrier may count failed logins, and lock the account."""
    monkeypatch.setattr(module, "PATIENCE", 0.3)
    monkeypatch.setattr(module, "TIRED", 0.5)
    pupil = Pupil()
    with caplog.at_level(logging.WARNING):
        async with work(said, learners=(pupil,)) as w:
            with trio.fail_after(5):
                while not pupil.heard:
                    await trio.sleep(0.01)
            assert pupil.heard == [(status, b"")]
            for _ in range(3):
                pupil.wanted()
                await w.do()
            assert len(pupil.heard) == 1
            await trio.sleep(0.6)
            await w.do()
            assert pupil.heard[1:] == [(200, b"c9")]
    assert "tel" in caplog.text
    assert SECRET not in caplog.text


async def test_a_crowd_logs_in_once() -> None:
    pupil = Pupil()
    async with work(learners=(pupil,)) as w:
        await w.do()
        pupil.knows = False
        async with trio.open_nursery() as nursery:
            for _ in range(6):
                nursery.start_soon(w.do)
        assert [head.split()[0] for head in w.carrier.heads].count("GET") == 2
