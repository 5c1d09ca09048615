"""Bad input on every line: another rate, garbage, mutated messages. The call that brings it ends with its code, or does
not mind; the one beside it is untouched.
"""

from __future__ import annotations

import ast
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cloud import Cloud
from hall import Hall, Rejected, Show, perform
from hypothesis import given, settings
from hypothesis import strategies as st
from installed import TOKEN, carriers
from phone import Phone

from bench import dialects
from bench.dialects import DIALECTS
from bench.dialects.port import Dialect, Message, Ring
from parlance import carriers as parts
from parlance.actors.media.port import Digit, Marked, Started, Stopped, Visit, Wire
from parlance.engine import trace as t
from parlance.engine.errors import LineError
from parlance.front import browser
from parlance.settings import Settings

FAULTS = 11
"""One more than a call survives."""
SAYS = tuple(name for name in DIALECTS if DIALECTS[name]().wrong(Ring("c")))
"""Dialects that say what their audio is."""


async def wrong(hall: Hall, name: str) -> tuple[Phone | int, list[t.TraceEvent]]:
    """The carrier says that its audio is of a kind that is not taken here."""
    dialect = DIALECTS[name]()
    ring = hall.ring(name)
    try:
        link = await hall.link(dialect, ring)
    except Rejected as rejected:
        return rejected.status, []
    phone = Phone(dialect, ring)
    phone.talks = False
    for message in dialect.wrong(ring):
        await link.send(message)
    phone.serve(link, hall.nursery)
    await phone.over()
    if phone.id in hall.house.calls:
        await hall.ended(phone)
    return phone, hall.events(phone)


def garbage(dialect: Dialect) -> Message:
    """What breaks this dialect's rules, and is no end by itself. Those that pass over text get half a sample."""
    if dialect.stream:
        return bytes((0x03, 0, 1)) + b"x"
    return b"\x01" if dialect.carrier in ("ringover", "freeswitch") else "{"


async def bad(hall: Hall, name: str) -> tuple[Phone, Phone, list[t.TraceEvent], list[t.TraceEvent]]:
    """Two calls, one of which brings garbage."""
    other, culprit = await hall.dial(name), await hall.dial(name)
    for phone in (other, culprit):
        await hall.answered(phone)
    for _ in range(FAULTS):
        await culprit.link.send(garbage(culprit.dialect))
    await culprit.over()
    await hall.ended(culprit)
    if other.dialect.stream:
        await other.hears()
        await other.silence(0.3)
    other.say(0.6)
    await other.hears(1.0)
    await other.silence(0.3)
    await other.hang_up()
    await hall.ended(other)
    return culprit, other, hall.events(culprit), hall.events(other)


@pytest.fixture(scope="module")
def show() -> Show:
    return perform({"wrong": (wrong, SAYS), "bad": (bad, tuple(DIALECTS))})


every = pytest.mark.parametrize("name", DIALECTS)


@pytest.mark.parametrize("name", SAYS)
def test_audio_of_another_kind_is_refused_with_1003(show: Show, name: str) -> None:
    phone, events = show.of("wrong", name)
    if phone.dialect.stream:
        # The call has begun by then, and TCP has no code.
        assert phone.code is None
        assert (ending(events).how, "16000 Hz is not taken" in ending(events).reason) == ("failed", True)
    elif phone.dialect.carrier == "ringcentral":
        # Its call begins with the handshake, and `start` is a message like others.
        assert (phone.code, ending(events).how) == (1003, "failed")
    else:
        assert (phone.code, bool(phone.reason), events) == (1003, True, [])


@every
def test_garbage_ends_its_call_with_the_right_code(show: Show, name: str) -> None:
    culprit, _, events, _ = show.of("bad", name)
    assert culprit.code == (None if culprit.dialect.stream else 1008)
    assert (ending(events).how, ending(events).reason) == ("failed", "more than 10 bad messages")
    assert [event.count for event in events if isinstance(event, t.LineFault)] == list(range(1, FAULTS + 1))


@every
def test_a_call_beside_it_is_untouched(show: Show, name: str) -> None:
    _, other, _, events = show.of("bad", name)
    assert not [event for event in events if isinstance(event, t.LineFault)]
    assert (ending(events).how, ending(events).by) == ("completed", "caller")
    assert [turn.outcome for turn in events if isinstance(turn, t.TurnEnded)][-1] == "played"
    assert other.unspoken == []


def ending(events: list[t.TraceEvent]) -> t.CallEnded:
    (ended,) = [event for event in events if isinstance(event, t.CallEnded)]
    return ended


def test_nothing_is_left(show: Show) -> None:
    assert show.left == {}


def test_the_carriers_side_knows_nothing_of_the_wires() -> None:
    """Two readings of one document check each other only if neither has copied."""
    for source in Path(dialects.__file__).parent.glob("*.py"):
        imported = [
            name
            for node in ast.walk(ast.parse(source.read_text()))
            for name in (
                [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else []
            )
        ]
        ours = [name for name in imported if name.startswith("parlance")]
        assert set(ours) <= {"parlance.codecs.format"}, source.name
        assert "trio" not in imported, source.name


# ---------------------------------------------------------------------------------------- wires by themselves


@cache
def accesses() -> dict[str, Any]:
    chosen = Settings.model_validate({"public_url": "https://house.example", "carriers": carriers(Cloud(1), 1)})
    return {name: part.access for name, part in parts.make(chosen).items()}


def wire(name: str) -> tuple[Dialect, Ring, Wire]:
    """A wire as the house makes it for this dialect's handshake."""
    dialect = DIALECTS[name]()
    ring = Ring("c1", "brief", token=TOKEN)
    if dialect.stream:
        return dialect, ring, accesses()["asterisk"].connect("127.0.0.1:5")[0]
    shake = dialect.handshake(ring)
    said = shake.path.partition("?")[2]
    query = dict(pair.split("=", 1) for pair in said.split("&")) if said else {}
    headers = {name.lower(): value for name, value in shake.headers}
    if shake.subprotocols:
        headers["sec-websocket-protocol"] = ", ".join(shake.subprotocols)
    visit = Visit({"agent": "brief"}, query, headers, "127.0.0.1:5")
    if dialect.carrier == "browser":
        return dialect, ring, browser("brief", visit)[0]
    return dialect, ring, accesses()[dialect.carrier].open(visit)[0]


def takes(wire: Wire, message: Message) -> None:
    """Audio, a signal, nothing or a `LineError`: whatever else is raised fails the test."""
    try:
        taken = wire.receive(message)
    except LineError as error:
        assert error.code in (1002, 1003, 1007, 1008)
        assert len(str(error)) < 400
    else:
        assert taken is None or isinstance(taken, bytes | Started | Marked | Digit | Stopped)
        assert taken != b""


def valid(dialect: Dialect, ring: Ring) -> list[Message]:
    """One of each message."""
    return [
        *dialect.hello(ring),
        dialect.media(0, bytes(dialect.format.frame)),
        *dialect.digit("5"),
        *([dialect.mark("m1")] if dialect.marks else []),
        *dialect.cleared(),
        *dialect.stop(ring),
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)
anything = st.binary(max_size=400) | st.text(max_size=200) | JSON.map(json.dumps)
begun = st.booleans()
few = settings(max_examples=60, deadline=None)


@every
@few
@given(began=begun, messages=st.lists(anything, max_size=6))
def test_a_wire_takes_anything(name: str, began: bool, messages: list[Message]) -> None:
    dialect, ring, line = wire(name)
    for message in (dialect.hello(ring) if began else []) + messages:
        takes(line, message)


@every
@few
@given(data=st.data())
def test_a_wire_takes_messages_that_are_nearly_right(name: str, data: st.DataObject) -> None:
    dialect, ring, line = wire(name)
    messages = valid(dialect, ring)
    for _ in range(4):
        message = data.draw(st.sampled_from(messages))
        takes(line, mutated(data, message))


def mutated(data: st.DataObject, message: Message) -> Message:
    """This message with one thing in it different."""
    if isinstance(message, bytes):
        at = data.draw(st.integers(0, len(message)))
        return message[:at] + data.draw(st.binary(max_size=3)) + message[data.draw(st.integers(at, len(message))) :]
    try:
        said = json.loads(message)
    except ValueError:
        at = data.draw(st.integers(0, len(message)))
        return message[:at] + data.draw(st.text(max_size=5)) + message[at + data.draw(st.integers(0, 3)) :]
    part = said
    while True:
        key = data.draw(st.sampled_from(sorted(part)))
        if isinstance(part[key], dict) and part[key] and data.draw(st.booleans()):
            part = part[key]
            continue
        if data.draw(st.booleans()):
            part[key] = data.draw(JSON)
        else:
            del part[key]
        return json.dumps(said)


@every
def test_a_wire_takes_what_its_carrier_sends(name: str) -> None:
    """The other way round: what is mutated above is taken as it is."""
    dialect, ring, line = wire(name)
    signals = [line.receive(message) for message in dialect.hello(ring)]
    assert sum(isinstance(signal, Started) for signal in signals) == (1 if name != "browser" else 0) or name.startswith(
        "ringcentral"
    )
    assert line.format == dialect.format
    assert line.receive(dialect.media(0, bytes(dialect.format.frame))) == bytes(dialect.format.frame)
    if dialect.marks:
        assert line.receive(dialect.mark("m1")) == Marked("m1")
    assert [line.receive(message) for message in dialect.digit("5")] == [Digit("5")] * len(dialect.digit("5"))
    stops = dialect.stop(ring)
    assert [type(line.receive(message)) for message in stops] == [Stopped] * len(stops)
    assert (line.marks, line.digits) == (dialect.marks, dialect.digits)
