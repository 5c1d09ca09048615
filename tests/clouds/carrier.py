"""What all simulated clouds have in common: they keep calls, send webhooks, take our requests, and open media sockets.

A subclass writes its carrier's own words: its webhooks, signed as the carrier signs them, and its REST, which checks
whoever asks as the carrier would. Where a webhook or a media socket goes stands in our own answers and requests.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, Self
from urllib.parse import urlsplit

import trio
from links import WAITING, WebSocket
from phone import Phone
from trio_websocket import wrap_client_stream

from bench.dialects.port import Dialect, Message, Ring
from clouds.web import Answer, Asked, Sent, ask, serve

PUBLIC = "https://house.example"
"""Where carriers are told to find us."""
_NUMBERS = count(1)


@dataclass(eq=False)
class Call:
    """A call as its carrier knows it."""

    id: str
    caller: str
    called: str
    outbound: bool = False
    leg: str = ""
    media: Any = None
    """Where the media socket goes, as we have said it, in the carrier's own form; None until we have."""
    refused: str = ""
    """`busy`, or the number to which it was sent instead."""
    wishes: dict[str, Any] = field(default_factory=dict)
    """What we said about it besides."""
    orders: list[tuple[Any, ...]] = field(default_factory=list)
    """What our requests did to it, in their order."""
    over: bool = False
    phone: Phone | None = None
    sequence: int = 0
    answered: float | None = None

    @property
    def theirs(self) -> str:
        """The number of whoever is not us."""
        return self.called if self.outbound else self.caller


class Cloud:
    """One carrier's."""

    carrier: str
    dialect: Callable[[], Dialect]
    busy = "busy"
    """Its word for who cannot be reached."""
    refusal = "busy"
    """What becomes of a caller for whom there is no room: he hears this, or is sent to this number."""
    missed = "caller"
    """Who has ended a call whose caller gave up before anybody answered: as far as this carrier says."""
    secret = ""
    """What it signs with, where that can be another one."""
    token = ""
    """What its media sockets show, where that was set up once."""
    age = 0.0
    """Seconds ago that its webhooks say they were signed."""
    dated = True
    """Whether they say that."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.port = 0
        self.door = 0
        """Our house's port."""
        self.calls: dict[str, Call] = {}
        self.next: dict[str, deque[Answer]] = {}
        """What the next requests to place a call to a number are answered with instead of what is usual."""
        self.early: set[str] = set()
        """Numbers whose calls ring before we have the answer to our request."""
        self.lost: set[str] = set()
        """Numbers that are called, but our request is never answered."""
        self.slow: set[str] = set()
        """Numbers for which our requests to place or to answer a call take a while."""
        self.acts: dict[str, Answer] = {}
        """What was answered to requests that name the act they are of, where this carrier does nothing twice."""
        self.placing: list[tuple[str, float]] = []
        """The number and the time of each request to place a call."""
        self.strangers: list[str] = []
        """Requests that were not authenticated, or make no sense to this carrier; and what went wrong besides."""

    # ------------------------------------------------------------------------------- what a carrier says

    def settings(self) -> dict[str, Any]:
        """The table `[carriers.<carrier>]`."""
        raise NotImplementedError

    def offering(self, call: Call) -> Sent:
        """The signed webhook that tells of a call that has come in."""
        raise NotImplementedError

    def understand(self, call: Call, answer: Answer) -> None:
        """What we have answered to that. Nothing, where our own request says what becomes of the call."""

    def event(self, call: Call, what: str) -> Sent | None:
        """The signed webhook for `ringing`, `answered`, `ended`, `busy`, `no-answer`, `canceled`, `machine`, `human`
        and `unknown`; None where this carrier has none."""
        raise NotImplementedError

    def handshake(self, call: Call) -> tuple[str, Sequence[tuple[str, str]], Sequence[str]]:
        """The media socket's address, headers and subprotocols."""
        raise NotImplementedError

    def hello(self, call: Call, dialect: Dialect) -> Sequence[Message]:
        """The first messages of the media socket."""
        return dialect.hello(Ring(call.id, caller=call.caller, called=call.called))

    async def asked(self, asked: Asked) -> Answer:
        """Our request."""
        raise NotImplementedError

    # --------------------------------------------------------------------------------------- the machinery

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ours(self, place: int) -> str:
        """One of our numbers at this carrier."""
        return f"+3314268{self.index:02}{place:02}"

    def somebody(self) -> str:
        """A number that nobody else has."""
        return f"+33612{next(_NUMBERS):06}"

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        async with trio.open_nursery() as self.nursery:
            self.port = await self.nursery.start(serve, self._answer)
            task_status.started()

    async def _answer(self, asked: Asked) -> Answer:
        try:
            return await self.asked(asked)
        except Exception as error:
            # A carrier lives on, whatever it is asked; the tests see that it was.
            self.strangers.append(f"500 {asked.method} {asked.target}: {error!r}")
            return Answer(500)

    def soon(self, act: Callable[..., Awaitable[Any]], *arguments: Any) -> None:
        self.nursery.start_soon(self._act, act, *arguments)

    async def _act(self, act: Callable[..., Awaitable[Any]], *arguments: Any) -> None:
        try:
            await act(*arguments)
        except Exception as error:
            self.strangers.append(f"{act.__name__}: {error!r}")

    async def send(self, sent: Sent) -> Answer:
        return await ask(self.door, sent)

    def stranger(self, asked: Asked, status: int = 401) -> Answer:
        self.strangers.append(f"{status} {asked.method} {asked.target}")
        return Answer(status)

    async def tell(self, call: Call, what: str) -> None:
        """Send a webhook, if there is one for it."""
        if what == "answered":
            call.answered = trio.current_time()
        sent = self.event(call, what)
        if sent is not None:
            answer = await self.send(sent)
            assert 200 <= answer.status < 300, f"{self.carrier}: {what} was answered with {answer.status}"

    async def rings(self, place: int = 1, caller: str = "") -> Call:
        """Somebody calls one of our numbers; our word on it is there when this returns."""
        call = self.new(caller or self.somebody(), self.ours(place))
        await self.offer(call)
        return call

    def unsigned(self, sent: Sent) -> Sent:
        kept = {name: value for name, value in sent.headers.items() if name == "Content-Type"}
        return replace(sent, headers=kept)

    def forged(self, sent: Sent) -> Sent:
        """The same with something else in it than what was signed."""
        return replace(sent, body=sent.body.replace(b"1", b"2"))

    def another(self, **changes: Any) -> Self:
        """The same carrier, with something about it different."""
        other = type(self)(self.index)
        other.__dict__.update(self.__dict__ | {"calls": {}} | changes)
        return other

    async def offer(self, call: Call) -> None:
        """Tell us that a call has come in, and wait for our word."""
        answer = await self.send(self.offering(call))
        assert answer.status in (200, 204), answer
        self.understand(call, answer)
        with trio.fail_after(5):
            while call.media is None and not call.refused:
                await trio.sleep(0.01)

    def new(self, caller: str, called: str, *, outbound: bool = False) -> Call:
        number = next(_NUMBERS)
        call = Call(self.name(number), caller, called, outbound, leg=f"leg-{number}")
        self.calls[call.id] = call
        return call

    def name(self, number: int) -> str:
        """The carrier's id of a call."""
        return f"{self.carrier}-{number}"

    async def place(self, call: Call) -> Answer | None:
        """We have asked to place `call`: whatever a test wants to be answered instead."""
        self.placing.append((call.called, trio.current_time()))
        await self.hesitate(call)
        waiting = self.next.get(call.called)
        if waiting:
            del self.calls[call.id]
            return waiting.popleft()
        if call.called in self.early:
            await self.tell(call, "ringing")
        return Answer(0) if call.called in self.lost else None

    async def hesitate(self, call: Call) -> None:
        if call.theirs in self.slow:
            await trio.sleep(0.5)

    async def once(self, act: str, call: Call, usual: Answer) -> Answer:
        """The answer to a request to place `call`, which is done once, however often it is asked for."""
        answer = await self.place(call)
        if call.id in self.calls:
            self.acts[act] = usual
        return answer or usual

    async def connect(self, call: Call) -> Phone:
        """Open the media socket as we have said."""
        url, headers, protocols = self.handshake(call)
        parts = urlsplit(url)
        assert parts.scheme == "wss", url
        dialect = type(self).dialect()
        extra = [(name.encode(), value.encode()) for name, value in headers]
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        stream = await trio.open_tcp_stream("127.0.0.1", self.door)
        try:
            link = WebSocket(
                await wrap_client_stream(
                    self.nursery,
                    stream,
                    parts.netloc,
                    target,
                    subprotocols=list(protocols) or None,
                    extra_headers=extra,
                    message_queue_size=WAITING,
                )
            )
        except BaseException:
            # A handshake that is refused leaves it open.
            await trio.aclose_forcefully(stream)
            raise
        phone = call.phone = Phone(dialect, Ring(call.id))
        for message in self.hello(call, dialect):
            await link.send(message)
        phone.serve(link, self.nursery)
        return phone

    async def hang_up(self, call: Call) -> None:
        """The other side hangs up."""
        call.over = True
        if call.phone is not None:
            await call.phone.hang_up()
        await self.tell(call, "ended")

    async def hung_up(self, call: Call) -> None:
        """We have asked for the end of a call, and get it."""
        call.over = True
        if call.phone is not None and not call.phone.down.is_set():
            await call.phone.hang_up()
        with suppress(OSError):
            # Whoever has hung up may be gone.
            await self.tell(call, "ended")

    def order(self, call: Call | None, *order: Any) -> bool:
        """Note what is asked of a call; False: it is over, or there is none."""
        if call is None or call.over:
            return False
        call.orders.append(order)
        if order[0] == "hang_up":
            self.soon(self.hung_up, call)
        return True

    def legs(self, leg: str) -> Call | None:
        return next((call for call in self.calls.values() if call.leg == leg), None)

    def to(self, number: str) -> Call:
        """The last call that we have placed to this number."""
        return next(call for call in reversed(self.calls.values()) if call.outbound and call.called == number)


def now() -> float:
    """Seconds since 1970."""
    from parlance.office import wall

    return wall()
