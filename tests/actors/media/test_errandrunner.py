"""The runner of errands against a carrier's REST on this machine: what is sent again, what is not, and what is told."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from restside import CUT, NEVER, SECRET, Plain, answer, work

from parlance.actors.media import runner as module
from parlance.actors.media.errand import Control, Errand, Handle, Stamp
from parlance.actors.media.runner import Runner
from parlance.engine.errors import Ended, Lost, Overloaded, ProviderError, Rejected, Unreachable


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
