"""Operators' commands: the one place through which calls are placed, looked up and commanded (`desk.Desk`).

A command goes to the carrier where the carrier has a word for it, and to the call itself; a call that has ended answers
every command, and none of them is an error.
"""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import asdict

import trio

from parlance.engine import life as l
from parlance.engine.call import Call
from parlance.engine.errors import Ended, Full, ProviderError
from parlance.engine.message import By, How
from parlance.engine.record import Direction, Record, Status
from parlance.persistence.port import Directory
from parlance.switchboard.board import Switchboard
from parlance.switchboard.desk import (
    Answer,
    Command,
    Declined,
    Filter,
    Hold,
    Mute,
    Order,
    Page,
    Press,
    Say,
    Terminate,
    Text,
    Transfer,
    Unknown,
)
from parlance.switchboard.dialer import Dialer
from parlance.switchboard.entry import Entry, new_id
from parlance.switchboard.numbers import BadNumber, e164, same_number
from parlance.switchboard.routing import OurNumber

FARTHEST = 366 * 24 * 3600.0
"""Seconds for which an order may wait at the most."""
PATIENCE = 30.0
"""Seconds for one command: it is carried through even if whoever gave it does not wait."""
REMEMBERED = 24 * 3600.0
"""Seconds for which an idempotency key is known."""
OVER, ENDING = "the call has ended", "the call is ending"


class Clerk:
    """The desk of this process's switchboard."""

    def __init__(self, board: Switchboard, dialer: Dialer, directory: Directory) -> None:
        self._board, self._dialer, self._directory = board, dialer, directory

    # ------------------------------------------------------------------------------------------- place

    async def place(self, order: Order, key: str = "") -> tuple[Record, bool]:
        """Queue a call. The same `key` and order again give the same call, and False. Raises `Declined`."""
        agent = order.agent or self._board.router.default
        record = self._checked(order, agent)
        if self._dialer.full:
            raise Declined("full", "too many calls wait to be placed: try again later")
        if key:
            said = hashlib.sha256(json.dumps(asdict(order), sort_keys=True).encode()).hexdigest()
            before = await self._directory.claim(f"order {key}", f"{record.id} {said}", REMEMBERED)
            if before is not None:
                return await self._placed_before(before, said), False
        due = max(order.not_before or 0.0, record.created)
        entry = self._board.open(
            record.carrier,
            Direction.OUTBOUND,
            agent,
            id=record.id,
            caller=record.caller,
            called=record.called,
            metadata=dict(order.metadata),
            due=due,
        )
        entry.attempts = order.attempts
        self._dialer.add(entry)
        return entry.record, True

    def _checked(self, order: Order, agent: str) -> Record:
        """What the order comes to. Raises `Declined`."""
        board = self._board
        if agent not in board.host.agents:
            known = ", ".join(sorted(board.host.agents))
            raise Declined("unknown-agent", f"there is no agent {agent[:64]!r}; there are {known}")
        to, number = self._numbers(agent, order)
        if board.host.closed(agent) == "draining":
            raise Declined("draining", "this server is going down: no more calls are placed")
        if (order.not_before or 0.0) > board.wall() + FARTHEST:
            raise Declined("too-late", "no call is kept for longer than a year")
        carrier = board.errands.carriers.get(number.carrier)
        if carrier is None or "place" not in carrier.verbs:
            raise Declined("not-possible", f"{number.carrier} cannot place calls, or its keys are not set")
        return Record(
            new_id(), number.carrier, Direction.OUTBOUND, agent, caller=number.number, called=to, created=board.wall()
        )

    def _numbers(self, agent: str, order: Order | Text) -> tuple[str, OurNumber]:
        """The number to be reached, and ours. Raises `Declined`."""
        try:
            to = e164(order.to)
        except BadNumber as error:
            raise Declined("bad-number", str(error)) from None
        number = self._board.router.source(agent, number=order.source, carrier=order.carrier)
        if number is None and order.source:
            raise Declined("unknown-number", f"{order.source[:32]} is none of our numbers: [[numbers]] has those")
        if number is None:
            where = f" at {order.carrier[:32]}" if order.carrier else ""
            raise Declined("no-carrier", f"agent {agent} has no number{where} to call from: [[numbers]] has none")
        if any(same_number(own.number, to) for own in self._board.router.numbers):
            raise Declined("bad-number", f"{to} is one of our own numbers")
        return to, number

    async def send(self, message: Text) -> OurNumber:
        """Send a text message; from which number it went. Raises `Declined`."""
        to, number = self._numbers(self._board.router.default, message)
        carrier = self._board.errands.carriers.get(number.carrier)
        if carrier is None or "message" not in carrier.verbs:
            raise Declined("not-possible", f"{number.carrier} cannot send text messages, or its keys are not set")
        try:
            await carrier.do("message", lambda control, stamp: control.message(number.number, to, message.words, stamp))
        except ProviderError as error:
            raise Declined("carrier", str(error)) from error
        return number

    async def _placed_before(self, claimed: str, said: str) -> Record:
        id, _, order = claimed.partition(" ")
        if order != said:
            raise Declined("conflict", "this Idempotency-Key was used for another order: take a new one")
        try:
            return await self.get(id)
        except Unknown:
            raise Declined("conflict", "the call that this Idempotency-Key placed is not known any more") from None

    # ------------------------------------------------------------------------------------------ look up

    async def get(self, id: str) -> Record:
        """Raises `Unknown`."""
        entry = self._board.index.get(id)
        record = entry.record if entry is not None else await self._board.store.get(id)
        if record is None:
            raise Unknown(f"there is no call {id[:64]!r}")
        return record

    async def find(self, which: Filter, *, cursor: str | None, limit: int) -> Page:
        """Raises `Declined` (`bad-cursor`)."""
        before = None if cursor is None else _position(cursor)
        found = await self._board.store.find(lambda record: _fits(record, which), before=before, limit=limit + 1)
        records = list(found[:limit])
        return Page(records, _cursor(records[-1]) if len(found) > limit else None)

    # ------------------------------------------------------------------------------------------ command

    async def command(self, id: str, command: Command) -> Answer:
        """Raises `Unknown`, and `Declined` for what is not possible with a call that goes on."""
        entry = self._board.index.get(id)
        if entry is None:
            return Answer(await self.get(id), False, OVER)
        # A caller must not be cut off because whoever had him transferred did not wait for the answer.
        with trio.move_on_after(PATIENCE, shield=True):
            async with entry.lock:
                return await self._obey(entry, command)
        raise Declined("carrier", f"{entry.record.carrier} did not answer in time")

    async def _obey(self, entry: Entry, command: Command) -> Answer:
        if entry.life.status.final:
            return Answer(entry.record, False, OVER)
        if entry.life.status is Status.ENDING and not isinstance(command, Terminate):
            return Answer(entry.record, False, ENDING)
        try:
            match command:
                case Terminate():
                    return self._terminate(entry, command)
                case Transfer(to):
                    await self._transfer(entry, to)
                case Mute(on):
                    await self._mute(entry, on)
                case Hold(on):
                    await self._hold(entry, on)
                case Press(digits):
                    await self._press(entry, digits)
                case Say(text, interrupt):
                    self._talking(entry).say(text, interrupt)
        except Ended:
            return Answer(entry.record, False, OVER)
        except Full as full:
            raise Declined("not-now", str(full)) from None
        except ProviderError as error:
            raise Declined("carrier", str(error)) from error
        return Answer(entry.record)

    def _terminate(self, entry: Entry, command: Terminate) -> Answer:
        if entry.life.status is Status.ENDING:
            if entry.call is None or command.words is not None:
                return Answer(entry.record, False, ENDING)
            # The agent says its last words: these are cut short.
            entry.call.close(How.COMPLETED, command.reason, by=By.OPERATOR)
            return Answer(entry.record)
        if self._dialer.drop(entry):
            self._board.happen(entry, l.Over(By.OPERATOR, "canceled"))
        else:
            self._board.happen(entry, l.End(By.OPERATOR, command.reason, words=command.words))
        return Answer(entry.record)

    def _talking(self, entry: Entry) -> Call:
        """Its call. Raises `Declined` where there is no conversation."""
        if entry.call is None:
            status = entry.record.status.value
            raise Declined("not-now", f"the call is {status}: this needs a call in progress")
        return entry.call

    async def _transfer(self, entry: Entry, to: str) -> None:
        call = self._talking(entry)
        try:
            number = e164(to)
        except BadNumber as error:
            raise Declined("bad-number", str(error)) from None
        handle = entry.handle
        if entry.wire is not None and entry.wire.transfer(number) is not None:
            self._board.handed_over(entry, number)
            call.transfer(number)
            return
        if not self._board.errands.can(entry, "transfer"):
            raise Declined("not-possible", f"{entry.record.carrier} cannot transfer calls, or its keys are not set")
        await self._board.errands.ask(
            entry,
            "transfer",
            lambda control, stamp: control.transfer(handle, number, stamp),
            lambda: self._board.handed_over(entry, number),
        )
        call.close(How.COMPLETED, f"transferred to {number}", by=By.OPERATOR)

    async def _mute(self, entry: Entry, on: bool) -> None:
        call, handle = self._talking(entry), entry.handle
        if entry.record.muted == on:
            return
        if self._board.errands.can(entry, "mute"):
            await self._board.errands.ask(entry, "mute", lambda control, stamp: control.mute(handle, on, stamp))
        call.mute(on)
        entry.change(muted=on)

    async def _hold(self, entry: Entry, on: bool) -> None:
        call, handle = self._talking(entry), entry.handle
        if entry.record.held == on:
            return
        if self._board.errands.can(entry, "hold"):
            await self._board.errands.ask(entry, "hold", lambda control, stamp: control.hold(handle, on, stamp))
        call.pause(on)
        entry.change(held=on)

    async def _press(self, entry: Entry, digits: str) -> None:
        call, handle = self._talking(entry), entry.handle
        in_band = entry.wire is not None and entry.wire.press(digits) is not None
        if not in_band and self._board.errands.can(entry, "dtmf"):
            await self._board.errands.ask(entry, "dtmf", lambda control, stamp: control.dtmf(handle, digits, stamp))
        else:
            call.press(digits)


def _fits(record: Record, which: Filter) -> bool:
    return (
        (not which.status or record.status in which.status)
        and which.direction in (None, record.direction)
        and which.agent in ("", record.agent)
        and which.carrier in ("", record.carrier)
        and (not which.number or any(same_number(which.number, own) for own in (record.caller, record.called)))
        and (which.since is None or record.created >= which.since)
        and (which.until is None or record.created < which.until)
        and all(record.metadata.get(name) == value for name, value in which.metadata.items())
    )


def _cursor(record: Record) -> str:
    return urlsafe_b64encode(json.dumps([record.created, record.id]).encode()).decode().rstrip("=")


def _position(cursor: str) -> tuple[float, str]:
    try:
        created, id = json.loads(urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4)))
        return float(created), str(id)
    except (ValueError, TypeError):
        raise Declined("bad-cursor", "this cursor is none of ours: take the one that the page before gave") from None
