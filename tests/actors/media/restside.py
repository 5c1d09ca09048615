"""A carrier's REST on this machine, and a runner of errands in front of it."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import pytest
import trio

from parlance.actors.media.errand import Errand, Handle, Stamp
from parlance.actors.media.runner import Runner
from parlance.engine.errors import Ended, Overloaded, ProviderError, Rejected, Unreachable

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
