"""The courier: carries messages between a call and the other side of its line, on one socket after another.

A socket that is dropped without a goodbye need not be the end: for some seconds the call waits for another one in its
place. Here is the waiting, the swap, and the goodbye; what the messages mean is the media actor's business.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import trio

from parlance.actors.media.port import Message, Socket, Wire
from parlance.engine.errors import LineGone, ParlanceError, Stalled, plain

GOODBYE = 1.0
"""Seconds for the last messages and the closing handshake."""
ONWARD = 3.0
"""Seconds that the carrier may take to connect the caller with somebody else, before the socket is closed."""
DROPPED = {None, 1006, 1011, 1012, 1013}
"""Close codes of a line that may come back: none at all, none that was sent, and those of a server in trouble (RFC
6455 and IANA's registry). Any other is a goodbye, of whoever hung up or of a dialect that was violated."""
PROPER = {1000, 1001, 1005}
"""Close codes of somebody who has hung up: normal closure, a page that was left, and a goodbye without a code."""


class Courier:
    """One call's wire and socket. `patience`: seconds to wait for another socket when one is dropped."""

    def __init__(self, wire: Wire, socket: Socket, *, patience: float, names: tuple[str, str]) -> None:
        self.wire, self.socket = wire, socket
        self.waiting = False
        """Whether a dropped socket's successor is waited for."""
        self._patience, self._names = patience, names
        self._lost = False
        """There is no line."""
        self._dropped = 0.0
        self._came = trio.Event()

    def hello(self) -> Sequence[Message]:
        """What a socket is sent first."""
        return self.wire.hello(*self._names)

    def send(self, message: Message) -> None:
        """Raises `Stalled`. What is sent while there is no line is dropped."""
        if not self._lost:
            self.socket.send(message)

    # ------------------------------------------------------------------------------- a line that is lost

    def hopes(self, gone: LineGone) -> bool:
        """Whether a line that ended so may come back."""
        return self._patience > 0 and gone.code in DROPPED

    def lost(self) -> None:
        """From now on a successor is waited for; nothing more is sent on the old socket."""
        self.waiting = self._lost = True
        self._dropped = trio.current_time()
        self._came = trio.Event()
        self.socket.drop()

    async def successor(self) -> bool:
        """Wait. False: none came, and none is taken any more."""
        try:
            with trio.move_on_at(self._dropped + self._patience):
                await self._came.wait()
        finally:
            self.waiting = False
        # It may have come all the same, in the very moment in which patience ended.
        return not self._lost

    def take(self, wire: Wire, socket: Socket) -> float:
        """This is the line now. How many seconds there was none."""
        self.wire, self.socket = wire, socket
        self.waiting = self._lost = False
        self._came.set()
        return trio.current_time() - self._dropped

    # ------------------------------------------------------------------------------------- the goodbye

    async def leave(self, code: int, reason: str) -> None:
        """Say goodbye and close. Shielded and bounded: a call that is cancelled still says it."""
        with trio.CancelScope(shield=True, deadline=trio.current_time() + GOODBYE):
            with suppress(Stalled):
                for message in self.wire.goodbye(reason):
                    self.send(message)
            await self.socket.close(code, reason[:120])
        self.socket.drop()

    async def onward(self, number: str, order: Callable[[str], Awaitable[None]]) -> str:
        """Have the caller connected with `number`: by a message of the line, or by `order`. Why it failed, or nothing.

        Before the socket is closed: a carrier that is told to redirect a call whose stream has ended has hung up.
        """
        messages = None if self._lost else self.wire.transfer(number)
        with trio.CancelScope(shield=True, deadline=trio.current_time() + ONWARD) as scope:
            try:
                for message in messages or ():
                    self.send(message)
                if messages is None:
                    await order(number)
            except ParlanceError as error:
                return plain(error)
        return f"no answer within {ONWARD:g} s" if scope.cancelled_caught else ""
