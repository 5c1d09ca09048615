"""Operators' commands to calls, wherever those are in their lives."""

from __future__ import annotations

import pytest
import trio
from rig import OURS, THEIRS, Rig

from parlance.actors.media.dialect import Dialect
from parlance.actors.media.errand import Handle
from parlance.actors.media.port import Message
from parlance.actors.media.webhook import What
from parlance.engine.errors import Ended, Overloaded, Rejected, Unreachable
from parlance.engine.message import By, How
from parlance.engine.record import Status
from parlance.engine.trace import Record as Event
from parlance.engine.trace import Transferred
from parlance.switchboard.desk import (
    Command,
    Declined,
    Filter,
    Hold,
    Mute,
    Press,
    Say,
    Terminate,
    Text,
    Transfer,
    Unknown,
)

HUMAN = "+33142685399"
COMMANDS: list[Command] = [Terminate(), Transfer(HUMAN), Mute(True), Hold(True), Press("12"), Say("hello")]
HANDLE = Handle("c1", "l1")


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: type(command).__name__)
async def test_a_command_to_an_ended_call_is_answered(autojump_clock: trio.testing.MockClock, command: Command) -> None:
    async with Rig().open() as rig:
        entry, call = rig.media(ticket="fixed", call="c1")
        rig.part(entry, call, "hung up", By.CALLER)
        answer = await rig.clerk.command(entry.id, command)
        assert (answer.done, answer.detail, answer.record.status) == (False, "the call has ended", Status.ENDED)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: type(command).__name__)
async def test_a_command_to_no_call(autojump_clock: trio.testing.MockClock, command: Command) -> None:
    async with Rig().open() as rig:
        with pytest.raises(Unknown):
            await rig.clerk.command("nothing", command)


@pytest.mark.parametrize("command", COMMANDS[1:], ids=lambda command: type(command).__name__)
async def test_what_needs_a_conversation(autojump_clock: trio.testing.MockClock, command: Command) -> None:
    async with Rig().open() as rig:
        welcome = rig.offer()
        rig.news(What.RINGING)
        with pytest.raises(Declined, match="the call is ringing") as error:
            await rig.clerk.command(welcome.call, command)
        assert error.value.code == "not-now"


async def test_an_operator_ends_a_call_with_words(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig().open() as rig:
        entry, call = rig.media(ticket="fixed", call="c1")
        answer = await rig.clerk.command(entry.id, Terminate("We close now.", "closing time"))
        assert call.said == [("close", How.COMPLETED, "closing time", "We close now.", By.OPERATOR)]
        assert (answer.done, answer.record.status) == (True, Status.ENDING)
        again = await rig.clerk.command(entry.id, Terminate("And I mean it."))
        assert (again.done, again.detail) == (False, "the call is ending")
        assert (await rig.clerk.command(entry.id, Terminate())).done, "its last words are cut short"
        assert call.said[1:] == [("close", How.COMPLETED, "ended by an operator", By.OPERATOR)]
        rig.part(entry, call, "closing time", By.OPERATOR)
        await trio.testing.wait_all_tasks_blocked()
        assert rig.tel.asked("hang_up") == [(Handle("c1", ""),)]


async def test_a_transfer_by_the_carriers_rest(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig().open() as rig:
        entry, call = rig.media(ticket="fixed", call="c1")
        rig.news(What.ANSWERED, leg="l1")
        await rig.clerk.command(entry.id, Transfer("+33 1 42 68 53 99"))
        assert rig.tel.asked("transfer") == [(HANDLE, HUMAN)]
        assert call.said == [("close", How.COMPLETED, f"transferred to {HUMAN}", By.OPERATOR)]
        rig.part(entry, call, "transferred", By.OPERATOR)
        await trio.testing.wait_all_tasks_blocked()
        # The caller speaks with somebody now.
        assert rig.tel.asked("hang_up") == []
        assert (entry.record.transferred, entry.record.status) == (HUMAN, Status.ENDED)


async def test_a_transfer_in_words_of_the_wire(autojump_clock: trio.testing.MockClock) -> None:
    class Transfers(Dialect):
        def transfer(self, number: str) -> tuple[Message, ...]:
            return (number,)

    async with Rig(verbs="").open() as rig:
        entry, call = rig.media(ticket="fixed", call="c1")
        entry.wire = Transfers()  # type: ignore[assignment]
        await rig.clerk.command(entry.id, Transfer(HUMAN))
        assert call.said == [("transfer", HUMAN)]


async def test_a_transfer_that_nobody_can_do(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig(verbs="hang_up").open() as rig:
        entry, call = rig.media(ticket="fixed", call="c1")
        with pytest.raises(Declined) as error:
            await rig.clerk.command(entry.id, Transfer(HUMAN))
        assert error.value.code == "not-possible"
        with pytest.raises(Declined) as error:
            await rig.clerk.command(entry.id, Transfer("reception"))
        assert error.value.code == "bad-number"
        assert call.said == []


async def test_a_transfer_that_the_carrier_refuses_ends_nothing(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig().open() as rig:
        rig.tel.fails["transfer"] = [Overloaded("tel", "429 slow down")]
        entry, call = rig.media(ticket="fixed", call="c1")
        with pytest.raises(Declined, match="429 slow down") as error:
            await rig.clerk.command(entry.id, Transfer(HUMAN))
        assert error.value.code == "carrier"
        assert (call.said, entry.record.status, entry.record.transferred) == ([], Status.IN_PROGRESS, "")


async def test_the_agents_own_transfer_goes_through_the_same_carrier(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig().open() as rig:
        entry, call = rig.media(ticket="fixed", call="c1")
        await rig.board.onward(entry, HUMAN)
        rig.part(entry, call, "transferred", By.AGENT)
        await trio.testing.wait_all_tasks_blocked()
        assert (entry.record.transferred, rig.tel.asked("hang_up")) == (HUMAN, [])


async def test_a_carrier_that_does_not_transfer_in_time_keeps_nobody_waiting(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with Rig().open() as rig:
        rig.tel.takes = 100
        entry, _ = rig.media(ticket="fixed", call="c1")
        began = trio.current_time()
        with pytest.raises(Unreachable, match="within 3 s"):
            await rig.board.onward(entry, HUMAN)
        assert trio.current_time() - began == pytest.approx(3.0)
        assert entry.record.transferred == ""


async def test_whom_nobody_transfers_is_still_ours_to_hang_up(autojump_clock: trio.testing.MockClock) -> None:
    """A wire that has a word for it transfers without us: only its record tells, and also what went wrong."""
    async with Rig(verbs="hang_up").open() as rig:
        lost, call = rig.media(ticket="fixed", call="c1")
        with pytest.raises(Rejected, match="cannot transfer"):
            await rig.board.onward(lost, HUMAN)
        rig.board.noted(lost, Event(1, 1.0, Transferred(HUMAN, "no route")))
        rig.part(lost, call, "transferred", By.AGENT)
        moved, call = rig.media(ticket="fixed", call="c2")
        rig.board.noted(moved, Event(1, 1.0, Transferred(HUMAN)))
        rig.part(moved, call, "transferred", By.AGENT)
        await trio.testing.wait_all_tasks_blocked()
        assert rig.tel.asked("hang_up") == [(Handle("c1"),)]
        assert (lost.record.transferred, moved.record.transferred) == ("", HUMAN)


async def test_mute_and_hold_are_asked_for_once(autojump_clock: trio.testing.MockClock) -> None:
    """Ringover has toggles: asked twice it would be as before."""
    async with Rig().open() as rig:
        entry, call = rig.media(ticket="fixed", call="c1")
        for command in (Mute(True), Mute(True), Hold(True), Mute(False), Hold(False), Hold(False)):
            assert (await rig.clerk.command(entry.id, command)).done
        assert rig.tel.asked("mute") == [(Handle("c1"), True), (Handle("c1"), False)]
        assert rig.tel.asked("hold") == [(Handle("c1"), True), (Handle("c1"), False)]
        assert call.said == [("mute", True), ("pause", True), ("mute", False), ("pause", False)]


async def test_commands_to_a_carrier_that_has_no_words_go_to_the_call(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig(verbs="").open() as rig:
        entry, call = rig.media(ticket="fixed", call="c1")
        for command in (Mute(True), Hold(True), Press("12#"), Say("hello", True)):
            await rig.clerk.command(entry.id, command)
        assert call.said == [("mute", True), ("pause", True), ("press", "12#"), ("say", "hello", True)]
        assert (entry.record.muted, entry.record.held) == (True, True)


async def test_a_call_that_has_ended_at_the_carrier(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig().open() as rig:
        rig.tel.fails["dtmf"] = [Ended("tel", "no such call")]
        entry, _ = rig.media(ticket="fixed", call="c1")
        answer = await rig.clerk.command(entry.id, Press("1"))
        assert (answer.done, answer.detail) == (False, "the call has ended")


async def test_calls_are_listed_page_by_page_and_filtered(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig().open() as rig:
        ids = []
        for number in range(5):
            entry, call = rig.media(ticket="fixed", call=f"c{number}", caller=THEIRS, called=OURS)
            rig.part(entry, call, "hung up", By.CALLER)
            ids.append(entry.id)
            await trio.sleep(1)
        first = await rig.clerk.find(Filter(number=THEIRS.lstrip("+")), cursor=None, limit=3)
        assert [record.id for record in first.records] == ids[:1:-1]
        rest = await rig.clerk.find(Filter(), cursor=first.cursor, limit=3)
        assert ([record.id for record in rest.records], rest.cursor) == (ids[1::-1], None)
        assert (await rig.clerk.find(Filter(status=frozenset({Status.FAILED})), cursor=None, limit=3)).records == []
        assert (await rig.clerk.find(Filter(agent="shop"), cursor=None, limit=3)).records == []


@pytest.mark.parametrize("cursor", ["", "x", "bnVsbA", "W10", "é"])
async def test_a_cursor_that_is_none(autojump_clock: trio.testing.MockClock, cursor: str) -> None:
    async with Rig().open() as rig:
        with pytest.raises(Declined) as error:
            await rig.clerk.find(Filter(), cursor=cursor, limit=3)
        assert error.value.code == "bad-cursor"


async def test_a_text_message_goes_by_the_numbers_carrier(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig(verbs="message").open() as rig:
        number = await rig.clerk.send(Text("+33 6 12 34 56 78", "See you on Monday."))
        assert (number.carrier, number.number) == ("tel", OURS)
        assert rig.tel.asked("message") == [(OURS, THEIRS, "See you on Monday.")]
        rig.tel.fails["message"] = [Overloaded("tel", "402 no credit")]
        with pytest.raises(Declined, match="no credit") as error:
            await rig.clerk.send(Text(THEIRS, "Again."))
        assert error.value.code == "carrier"


@pytest.mark.parametrize(
    ("verbs", "message", "code"),
    [
        ("message", Text("0612345678", "x"), "bad-number"),
        ("message", Text(THEIRS, "x", source="+33142685399"), "unknown-number"),
        ("message", Text(THEIRS, "x", carrier="other"), "no-carrier"),
        ("place", Text(THEIRS, "x"), "not-possible"),
    ],
)
async def test_a_text_message_that_cannot_be(
    autojump_clock: trio.testing.MockClock, verbs: str, message: Text, code: str
) -> None:
    async with Rig(verbs=verbs).open() as rig:
        with pytest.raises(Declined) as error:
            await rig.clerk.send(message)
        assert error.value.code == code
        assert rig.tel.notes.asked == []
