"""A caller's call over a socket."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import wsproto
from wsproto.events import CloseConnection

from bench.callers import wire
from bench.callers.carrier import Carrier
from bench.callers.line import Call, State
from bench.dialects.port import Ring
from bench.measure.record import Record, Said

TWILIO, RING = Carrier("twilio"), Ring("CA1", "rehearsal")


@contextmanager
def dialed(answer: str) -> Iterator[tuple[Call, socket.socket, Callable[[], None]]]:
    """A call whose handshake was answered so, the server's socket, and what lets the call read and write.

    "" answers nothing.
    """
    with socket.create_server(("127.0.0.1", 0)) as server, select.epoll() as poller:
        address = server.family, server.getsockname()
        call = Call(Record(0, 0.0), RING, TWILIO, address, poller, lambda *_: None)
        call.dial(0.0, wire.upgrade("x", "/"))
        peer, _ = server.accept()

        def turn() -> None:
            for _, event in poller.poll(0.05):
                call.ready(1.0, event)

        with peer:
            turn()
            assert peer.recv(4096).startswith(b"GET / HTTP/1.1\r\n")
            peer.sendall(answer.encode())
            turn()
            yield call, peer, turn
            call.give_up(9.0)


OPEN = f"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: {wire.accept()}\r\n\r\n"


def test_a_refused_handshake_ends_the_call_before_start() -> None:
    with dialed("HTTP/1.1 503 Service Unavailable\r\n\r\n") as (call, _, _):
        assert (call.state, call.record.started, call.record.by) == (State.OVER, None, "server")
        assert call.record.why == "HTTP 503 Service Unavailable"


def test_a_call_that_the_server_closes_knows_why() -> None:
    server = wsproto.Connection(wsproto.ConnectionType.SERVER)
    with dialed(OPEN) as (call, peer, turn):
        assert call.record.started is not None
        peer.sendall(server.send(CloseConnection(1013, "all lines are taken")))
        turn()
        assert (call.state, call.record.by, call.record.why) == (State.OVER, "server", "1013 all lines are taken")
        call.hang_up(2.0, abrupt=False)
        assert call.record.by == "server", "it is over already"


def test_a_caller_hangs_up_with_a_stop_or_with_a_reset() -> None:
    with dialed(OPEN) as (call, peer, turn):
        call.hang_up(2.0, abrupt=False)
        assert peer.recv(4096).endswith(TWILIO.stop(RING) + wire.closing())
        peer.close()
        turn()
        assert (call.state, call.record.by, call.record.ended) == (State.OVER, "us", 2.0)
    with dialed(OPEN) as (call, peer, _):
        call.hang_up(2.0, abrupt=True)
        peer.recv(4096)  # what was sent before
        with pytest.raises(ConnectionResetError):
            peer.recv(4096)
        assert (call.state, call.record.by) == (State.OVER, "us")


def test_an_utterance_counts_only_if_the_call_had_all_of_it() -> None:
    with dialed(OPEN) as (call, _, _):
        call.end(1.0, Said("turn", 0, 0))
        call.begin(2.0)
        call.end(3.48, Said("turn", 0, 0))
        call.end(5.0, Said("turn", 0, 0))
        assert call.record.said == [Said("turn", 1.98, 3.48)]


def test_an_utterance_that_was_due_before_the_answer_is_unsaid_even_if_the_call_has_the_end_of_it() -> None:
    due = Said("turn", 0.5, 2.0)
    with dialed("") as (call, peer, turn):
        call.begin(0.52)
        call.end(2.0, due)
        call.begin(3.02)
        peer.sendall(OPEN.encode())
        turn()
        call.end(4.5, due)
        assert (call.record.unsaid, call.record.said, call.record.partial) == ([due, due], [], [])
        call.end(7.0, due)
        assert (call.record.unsaid, call.record.partial) == ([due, due], [due]), "it was dialed in the middle of it"
        call.begin(8.02)
        assert call.record.talking == 8.0
        call.hang_up(8.5, abrupt=True)
        call.end(9.0, due)
        assert (call.record.said, call.record.talking) == ([], 8.0), "it was cut off"


@pytest.mark.parametrize(("now", "by"), [(2.5, "server"), (1.5, "us")])
def test_a_server_that_never_answers_is_blamed_if_it_had_the_time(now: float, by: str) -> None:
    with dialed("") as (call, _, _):
        call.give_up(now)
        assert (call.record.by, call.record.why) == (by, "no answer to the handshake" if by == "server" else "")


def test_what_the_kernel_does_not_take_is_kept_in_order_and_counted() -> None:
    with dialed(OPEN) as (call, peer, turn):
        sent = TWILIO.hello(RING)
        frames = (wire.frame(wire.BINARY, bytes([number % 256]) * 50_000) for number in range(2000))
        while call.unread < 5:
            sent += (frame := next(frames))
            call.send(frame)
        got = bytearray()
        while len(got) < len(sent) and (data := peer.recv(1 << 20)):
            got += data
            turn()
        assert got == sent
        call.send(wire.closing())
        assert call.unread == 5, "all was taken, and what follows goes straight on"
