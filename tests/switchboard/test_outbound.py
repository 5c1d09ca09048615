"""Calls that we place: their turn, the hour, channels, retries, answering machines."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
import trio
from rig import EPOCH, OURS, THEIRS, FakeCall, Rig, seats

from parlance.actors.media.errand import Handle
from parlance.actors.media.webhook import What
from parlance.engine.errors import Rejected, Unreachable
from parlance.engine.message import By
from parlance.engine.record import Direction, Status
from parlance.engine.trace import CallerBegan, CallerSaid, CallerStopped, TurnEnded
from parlance.engine.trace import Record as Event
from parlance.switchboard.desk import Declined, Order, Terminate
from parlance.switchboard.entry import Entry
from parlance.switchboard.machine import Recognizer
from parlance.switchboard.voicemail import Voicemail

ORDER = Order(THEIRS, agent="clinic", metadata={"visit": "7"})


async def settle() -> None:
    await trio.testing.wait_all_tasks_blocked()


async def test_a_call_is_dialed_answered_and_spoken(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig().open() as rig:
        rig.tel.handles["place"] = Handle("c9", "l9")
        record, new = await rig.clerk.place(ORDER)
        assert new
        assert (record.direction, record.caller, record.called) == (Direction.OUTBOUND, OURS, THEIRS)
        await settle()
        outgoing = rig.placed()
        assert (outgoing.to, outgoing.source, outgoing.agent, outgoing.machines) == (THEIRS, OURS, "clinic", True)
        assert seats(rig) == 1
        rig.news(What.RINGING, "c9")
        rig.news(What.ANSWERED, "c9")
        entry, call = rig.media(ticket=outgoing.ticket)
        assert entry.id == record.id
        rig.part(entry, call, "hung up", By.CALLER)
        after = await rig.clerk.get(record.id)
        assert (after.status, after.attempts, after.metadata) == (Status.ENDED, 1, {"visit": "7"})
        assert seats(rig) == 0


async def test_news_may_come_before_the_answer_that_says_whose_they_are(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with Rig().open() as rig:
        rig.tel.handles["place"], rig.tel.takes = Handle("c9"), 0.5
        record, _ = await rig.clerk.place(ORDER)
        await trio.sleep(0.1)
        rig.news(What.RINGING, "c9", outbound=True)
        await trio.sleep(0.5)
        assert (await rig.clerk.get(record.id)).status is Status.RINGING


async def test_what_was_busy_is_dialed_again_and_each_pause_doubles(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig().open() as rig:
        record, _ = await rig.clerk.place(ORDER)
        dialed = []
        for attempt in range(3):
            while len(rig.tel.asked("place")) == attempt:
                await trio.sleep(1)
            dialed.append(trio.current_time())
            assert rig.placed().call == record.id
            rig.news(What.BUSY, f"c{attempt}", ours=record.id)
            assert seats(rig) == 0
        assert [b - a for a, b in pairwise(dialed)] == pytest.approx([120, 240], abs=2)
        after = await rig.clerk.get(record.id)
        assert (after.status, after.reason, after.attempts) == (Status.FAILED, "busy", 3)
        tickets = [outgoing.ticket for (outgoing,) in rig.tel.asked("place")]
        assert len(set(tickets)) == 3


@pytest.mark.parametrize(("what", "pause"), [(What.UNANSWERED, 600), (What.FAILED, 60), (What.BUSY, 120)])
async def test_the_pause_is_the_reasons(autojump_clock: trio.testing.MockClock, what: What, pause: int) -> None:
    async with Rig().open() as rig:
        record, _ = await rig.clerk.place(ORDER)
        await settle()
        rig.news(what, ours=record.id)
        after = await rig.clerk.get(record.id)
        assert (after.status, round((after.due or 0) - rig.wall())) == (Status.INITIALIZING, pause)


async def test_a_carrier_that_cannot_be_reached_is_tried_again(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig().open() as rig:
        rig.tel.fails["place"] = [Unreachable("tel", "no answer"), Rejected("tel", "400 no such number")]
        record, _ = await rig.clerk.place(ORDER)
        await settle()
        assert (await rig.clerk.get(record.id)).due is not None
        await trio.sleep(61)
        assert len(rig.tel.asked("place")) == 2


async def test_an_order_says_how_often(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig().open() as rig:
        record, _ = await rig.clerk.place(Order(THEIRS, attempts=1))
        await settle()
        rig.news(What.BUSY, ours=record.id)
        assert (await rig.clerk.get(record.id)).status is Status.FAILED


async def test_nobody_is_called_at_night(autojump_clock: trio.testing.MockClock) -> None:
    """It is Friday noon; Monday at eight in Paris is seven by UTC."""
    plan = {"hours": "Mo-Fr 08:00-10:00", "zone": "Europe/Paris"}
    async with Rig(agent={"outbound": plan}).open() as rig:
        record, _ = await rig.clerk.place(ORDER)
        await settle()
        due = (await rig.clerk.get(record.id)).due
        assert due == datetime(2026, 11, 23, 7, 0, tzinfo=UTC).timestamp()
        await trio.sleep(due - EPOCH - 1)
        assert rig.tel.asked("place") == []
        await trio.sleep(2)
        assert len(rig.tel.asked("place")) == 1


async def test_not_before_the_time_that_was_asked_for(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig().open() as rig:
        await rig.clerk.place(Order(THEIRS, not_before=EPOCH + 3600))
        await trio.sleep(3599)
        assert rig.tel.asked("place") == []
        await trio.sleep(2)
        assert len(rig.tel.asked("place")) == 1


async def test_a_number_places_as_many_calls_as_it_has_channels(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig(channels=1).open() as rig:
        first, _ = await rig.clerk.place(ORDER)
        await rig.clerk.place(Order("+33612345679"))
        await trio.sleep(5)
        assert len(rig.tel.asked("place")) == 1
        await rig.clerk.command(first.id, Terminate())
        await trio.sleep(5)
        assert [outgoing.to for (outgoing,) in rig.tel.asked("place")] == [THEIRS, "+33612345679"]


async def test_inbound_calls_take_a_numbers_channels_too(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig(channels=1).open() as rig:
        rig.offer()
        await rig.clerk.place(ORDER)
        await trio.sleep(5)
        assert rig.tel.asked("place") == []


async def test_orders_wait_for_the_agents_seats(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig().open() as rig:
        for number in range(5):
            await rig.clerk.place(Order(f"+3361234567{number}"))
        await trio.sleep(5)
        assert (len(rig.tel.asked("place")), seats(rig)) == (3, 3)


async def test_nobody_who_never_answers_is_called_for_ever(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig().open() as rig:
        rig.tel.handles["place"] = Handle("c9")
        record, _ = await rig.clerk.place(ORDER)
        await trio.sleep(61)
        # Nothing was heard of it: that is the carrier's failure or ours, and not dialed again.
        after = await rig.clerk.get(record.id)
        assert after.status is Status.FAILED
        assert rig.tel.asked("hang_up") == [(Handle("c9"),)]
        assert seats(rig) == 0


async def test_a_queued_call_is_canceled(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig().open() as rig:
        record, _ = await rig.clerk.place(Order(THEIRS, not_before=EPOCH + 10))
        answer = await rig.clerk.command(record.id, Terminate())
        assert (answer.record.status, answer.record.ended_by) == (Status.ENDED, "operator")
        await trio.sleep(20)
        assert rig.tel.asked("place") == []


async def test_a_call_that_an_operator_ended_is_not_dialed_again(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig().open() as rig:
        rig.tel.handles["place"] = Handle("c9")
        record, _ = await rig.clerk.place(ORDER)
        await settle()
        await rig.clerk.command(record.id, Terminate())
        await trio.sleep(5000)
        assert len(rig.tel.asked("place")) == 1


@pytest.mark.parametrize(
    ("order", "code"),
    [
        (Order(THEIRS, agent="nobody"), "unknown-agent"),
        (Order("0612345678"), "bad-number"),
        (Order(THEIRS, source="+33142685399"), "unknown-number"),
        (Order(THEIRS, agent="shop"), "no-carrier"),
        (Order(THEIRS, carrier="other"), "no-carrier"),
    ],
)
async def test_an_order_that_cannot_be(autojump_clock: trio.testing.MockClock, order: Order, code: str) -> None:
    async with Rig().open() as rig:
        with pytest.raises(Declined) as error:
            await rig.clerk.place(order)
        assert error.value.code == code
        assert len(rig.board.index) == 0


async def test_a_carrier_that_cannot_place_calls(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig(verbs="hang_up").open() as rig:
        with pytest.raises(Declined, match="cannot place calls"):
            await rig.clerk.place(ORDER)


async def test_the_same_key_and_order_is_the_same_call(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig().open() as rig:
        first, new = await rig.clerk.place(ORDER, "key")
        again, twice = await rig.clerk.place(ORDER, "key")
        assert (first.id, new, twice) == (again.id, True, False)
        with pytest.raises(Declined) as error:
            await rig.clerk.place(Order("+33612345679"), "key")
        assert error.value.code == "conflict"
        await settle()
        assert len(rig.tel.asked("place")) == 1


async def test_what_was_ended_while_it_was_placed_is_hung_up(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig().open() as rig:
        rig.tel.handles["place"], rig.tel.takes = Handle("c9", "l9"), 1.0
        record, _ = await rig.clerk.place(ORDER)
        await trio.sleep(0.5)
        assert (await rig.clerk.command(record.id, Terminate())).record.status is Status.ENDING
        assert rig.tel.asked("hang_up") == []
        await trio.sleep(2)
        assert rig.tel.asked("hang_up") == [(Handle("c9", "l9"),)]
        assert (await rig.clerk.get(record.id)).status is Status.ENDED


async def test_an_attempt_that_was_placed_too_late_is_not_the_next_one(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig().open() as rig:
        rig.tel.handles["place"], rig.tel.takes = Handle("c1"), 50.0
        record, _ = await rig.clerk.place(ORDER)
        await trio.sleep(1)
        # The carrier tells that it has failed before it answers who placed it.
        rig.news(What.FAILED, "c1", ours=record.id)
        await trio.sleep(30)
        assert (await rig.clerk.get(record.id)).due is not None
        await trio.sleep(20)
        assert rig.tel.asked("hang_up") == [(Handle("c1"),)]
        assert (await rig.clerk.get(record.id)).line == ""


async def test_a_call_known_by_its_leg_alone_is_hung_up(autojump_clock: trio.testing.MockClock) -> None:
    """Plivo's, before it rings."""
    async with Rig().open() as rig:
        rig.tel.handles["place"] = Handle(leg="l9")
        record, _ = await rig.clerk.place(ORDER)
        await settle()
        await rig.clerk.command(record.id, Terminate())
        await settle()
        assert rig.tel.asked("hang_up") == [(Handle(leg="l9"),)]


async def test_whoever_ends_a_conversation_is_the_one_we_called(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig().open() as rig:
        entry, _, _ = await dialed(rig)
        rig.news(What.ENDED, "c9")
        assert entry.life.by is By.CALLER


# ----------------------------------------------------------------------------------------- machines


def heard(*events: tuple[float, Any]) -> list[bool | None]:
    recognizer = Recognizer(4.0)
    return [recognizer.hear(Event(number, at, event)) for number, (at, event) in enumerate(events, 1)]


def test_a_person_says_hello_and_waits() -> None:
    assert heard((1.0, CallerBegan(0.9)), (1.6, CallerStopped(1.5)), (9.0, CallerBegan(8.9))) == [None, False, None]


def test_a_machine_speaks_on() -> None:
    assert heard(
        (1.0, CallerBegan(0.9)), (3.0, CallerSaid("you have", False, 1)), (5.1, CallerSaid("reached", False, 1))
    ) == [
        None,
        None,
        True,
    ]
    assert heard((1.0, CallerBegan(0.9)), (9.0, CallerStopped(8.5))) == [None, True]


def test_whoever_hears_our_greeting_out_is_a_person() -> None:
    played = TurnEnded(1, "played", "", "Hello", "Hello", 2.0)
    assert heard((2.5, played), (3.0, CallerBegan(2.9)), (9.0, CallerStopped(8.9))) == [False, None, None]


async def dialed(rig: Rig) -> tuple[Entry, FakeCall, Voicemail]:
    rig.tel.handles["place"] = Handle("c9")
    await rig.clerk.place(ORDER)
    await settle()
    entry, call = rig.media(ticket=rig.placed().ticket)
    return entry, call, Voicemail(rig.board, entry)


async def test_a_machine_is_hung_up_on(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig().open() as rig:
        entry, call, voicemail = await dialed(rig)
        voicemail.note(Event(1, 1.0, CallerBegan(0.9)))
        voicemail.note(Event(2, 6.0, CallerStopped(5.5)))
        assert call.said[-1][0] == "close"
        rig.part(entry, call, "machine", By.AGENT)
        await settle()
        assert (entry.record.answered_by, entry.record.reason, entry.record.status) == (
            "machine",
            "machine",
            Status.ENDED,
        )
        assert len(rig.tel.asked("place")) == 1


async def test_a_message_is_left_when_the_machine_has_spoken(autojump_clock: trio.testing.MockClock) -> None:
    plan = {"machines": "leave", "message": "Please call us back."}
    async with Rig(agent={"outbound": plan}).open() as rig:
        _, call, voicemail = await dialed(rig)
        voicemail.note(Event(1, 1.0, CallerBegan(0.9)))
        voicemail.note(Event(2, 5.5, CallerSaid("you have reached", False, 1)))
        assert call.said == [("mute", True)]
        voicemail.note(Event(3, 8.0, CallerStopped(7.5)))
        assert call.said[1] == ("mute", False)
        assert call.said[2][0] == "close"
        assert "Please call us back." in call.said[2]


async def test_the_carriers_word_counts_as_much(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig().open() as rig:
        entry, call, _ = await dialed(rig)
        rig.news(What.MACHINE, "c9")
        assert entry.record.answered_by == "machine"
        assert call.said[-1][0] == "close"


async def test_a_message_waits_for_a_machine_that_speaks(autojump_clock: trio.testing.MockClock) -> None:
    """Carriers tell of a machine in the middle of its announcement."""
    plan = {"machines": "leave", "message": "Please call us back."}
    async with Rig(agent={"outbound": plan}).open() as rig:
        _, call, voicemail = await dialed(rig)
        voicemail.note(Event(1, 1.0, CallerBegan(0.9)))
        rig.news(What.MACHINE, "c9")
        assert call.said == [("mute", True)]
        voicemail.note(Event(2, 3.0, CallerStopped(2.9)))
        assert [said[0] for said in call.said] == ["mute", "mute", "close"]


async def test_the_carriers_word_may_come_before_the_media(autojump_clock: trio.testing.MockClock) -> None:
    plan = {"machines": "leave", "message": "Please call us back."}
    async with Rig(agent={"outbound": plan}).open() as rig:
        rig.tel.handles["place"] = Handle("c9")
        await rig.clerk.place(ORDER)
        await settle()
        rig.news(What.MACHINE, "c9")
        entry, call = rig.media(ticket=rig.placed().ticket)
        voicemail = Voicemail(rig.board, entry)
        voicemail.note(Event(1, 0.1, CallerBegan(0.0)))
        voicemail.note(Event(2, 4.0, CallerStopped(3.5)))
        assert [said[0] for said in call.said] == ["mute", "mute", "close"]


async def test_late_news_of_an_attempt_are_not_the_next_ones(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig().open() as rig:
        rig.tel.handles["place"] = Handle("c1")
        record, _ = await rig.clerk.place(ORDER)
        await settle()
        rig.news(What.BUSY, "c1", ours=record.id)
        rig.tel.handles["place"] = Handle("c2")
        await trio.sleep(122)
        assert len(rig.tel.asked("place")) == 2
        rig.news(What.FAILED, "c1", ours=record.id, event="late")
        assert (await rig.clerk.get(record.id)).line == "c2"
