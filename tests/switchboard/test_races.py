"""What carriers answer too late, twice, or not at all, while a call goes on; and what outsiders may try."""

from __future__ import annotations

import pytest
import trio
from rig import EPOCH, OURS, THEIRS, Rig, refused, seats

from parlance.actors.media.errand import Handle
from parlance.actors.media.webhook import Refusal, Welcome, What
from parlance.engine.errors import Ended, Lost, Refused
from parlance.engine.message import By
from parlance.engine.record import Status
from parlance.switchboard.arrivals import bounded
from parlance.switchboard.desk import Declined, Filter, Mute, Order, Terminate, Transfer
from parlance.switchboard.port import Times

HUMAN = "+33142685399"


async def settle() -> None:
    await trio.testing.wait_all_tasks_blocked()


async def test_what_is_answered_after_its_call_has_ended_is_hung_up(autojump_clock: trio.testing.MockClock) -> None:
    """Azure knows a call by another id once it was answered: hanging up before that hangs up nothing."""
    async with Rig().open() as rig:
        rig.tel.takes, rig.tel.handles["answer"] = 1.0, Handle("c1", "connection")
        welcome = rig.offer()
        await trio.sleep(0.5)
        await rig.clerk.command(welcome.call, Terminate())
        assert rig.tel.asked("hang_up") == []
        await trio.sleep(3)
        assert rig.tel.asked("hang_up") == [(Handle("c1", "connection"),)]
        assert (await rig.clerk.get(welcome.call)).status is Status.ENDED


async def test_what_is_placed_after_its_call_was_given_up_is_hung_up(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig().open() as rig:
        rig.tel.takes, rig.tel.handles["place"] = 200.0, Handle("c9")
        record, _ = await rig.clerk.place(Order(THEIRS))
        await trio.sleep(150)
        assert (await rig.clerk.get(record.id)).status is Status.FAILED
        await trio.sleep(60)
        assert rig.tel.asked("hang_up") == [(Handle("c9"),)]
        assert len(rig.tel.asked("place")) == 1


async def test_a_late_answer_to_a_hang_up_does_not_end_the_next_attempt(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig().open() as rig:
        rig.tel.handles["place"] = Handle("c1")
        record, _ = await rig.clerk.place(Order(THEIRS))
        await settle()
        rig.news(What.RINGING, "c1")
        rig.tel.takes, rig.tel.fails["hang_up"] = 5.0, [Ended("tel", "404")]
        await trio.sleep(36)
        assert rig.tel.asked("hang_up") == [(Handle("c1"),)]
        rig.news(What.UNANSWERED, "c1")
        await trio.sleep(10)
        after = await rig.clerk.get(record.id)
        assert (after.status, after.due is not None) == (Status.INITIALIZING, True)


async def test_a_call_of_which_nobody_knows_whether_it_was_placed_is_not_placed_twice(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with Rig().open() as rig:
        rig.tel.fails["place"] = [Lost("tel", "no answer within 10 s")]
        record, _ = await rig.clerk.place(Order(THEIRS))
        await trio.sleep(3600)
        assert len(rig.tel.asked("place")) == 1
        assert (await rig.clerk.get(record.id)).status is Status.FAILED


async def test_and_if_it_was_it_goes_on(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig().open() as rig:
        rig.tel.fails["place"] = [Lost("tel", "no answer within 10 s")]
        record, _ = await rig.clerk.place(Order(THEIRS))
        await settle()
        rig.news(What.ANSWERED, "c9", ours=record.id)
        entry, _ = rig.media(ticket=rig.placed().ticket)
        assert (entry.id, entry.record.status, entry.record.line) == (record.id, Status.IN_PROGRESS, "c9")


async def test_news_of_an_order_that_waits_are_of_the_attempt_before(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig().open() as rig:
        record, _ = await rig.clerk.place(Order(THEIRS))
        await settle()
        rig.news(What.BUSY, ours=record.id)
        rig.news(What.ANSWERED, "", ours=record.id)
        assert (await rig.clerk.get(record.id)).status is Status.INITIALIZING


async def test_a_house_that_closes_hangs_up_what_rings_and_what_was_promised(
    autojump_clock: trio.testing.MockClock,
) -> None:
    rig = Rig()
    rig.tel.handles["place"] = Handle("c9")
    async with rig.open():
        rig.offer("c1")
        record, _ = await rig.clerk.place(Order(THEIRS))
        later, _ = await rig.clerk.place(Order(THEIRS, not_before=EPOCH + 900))
        await settle()
        rig.news(What.RINGING, "c9")
        assert record.id != later.id
    assert sorted(rig.tel.asked("hang_up"), key=str) == [(Handle("c1"),), (Handle("c9"),)]
    page = await rig.clerk.find(Filter(), cursor=None, limit=9)
    assert {one.status for one in page.records} == {Status.FAILED}
    assert len(rig.board.index) == 0


async def test_media_that_ends_while_the_house_closes_is_hung_up(autojump_clock: trio.testing.MockClock) -> None:
    rig = Rig()
    async with trio.open_nursery() as nursery:
        async with rig.open():
            entry, call = rig.media(ticket="fixed", call="c1")

            async def end_soon() -> None:
                await trio.sleep(1)
                rig.part(entry, call, "closing", By.HOUSE)

            nursery.start_soon(end_soon)
    assert rig.tel.asked("hang_up") == [(Handle("c1"),)]


async def test_last_words_that_outlast_the_deadline_keep_no_line(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig(times=Times(ending=5)).open() as rig:
        entry, call = rig.media(ticket="fixed", call="c1")
        await rig.clerk.command(entry.id, Terminate("A very long goodbye."))
        await trio.sleep(6)
        assert rig.tel.asked("hang_up") == [(Handle("c1"),)]
        assert entry.record.status is Status.ENDED
        rig.part(entry, call, "at last", By.OPERATOR)
        assert entry.record.status is Status.ENDED


async def test_what_speaks_with_our_agent_is_ours_whoever_told_of_it_first(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with Rig().open() as rig:
        rig.news(What.RINGING)
        entry, call = rig.media(ticket="fixed", call="c1")
        rig.part(entry, call, "agent hung up", By.AGENT)
        await settle()
        assert rig.tel.asked("hang_up") == [(Handle("c1"),)]


async def test_a_question_after_the_call_has_ended(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig().open() as rig:
        rig.news(What.RINGING)
        rig.news(What.CANCELED)
        refusal = rig.offer()
        await settle()
        assert isinstance(refusal, Refusal)
        assert (refusal.reason, seats(rig), rig.tel.asked("answer"), rig.tel.asked("reject")) == ("ended", 0, [], [])


async def test_a_question_after_the_media_has_come(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig(total=1).open() as rig:
        entry, call = rig.media(ticket="fixed", call="c1")
        welcome = rig.offer()
        await settle()
        assert isinstance(welcome, Welcome)
        assert (welcome.call, call.said, rig.tel.asked("answer")) == (entry.id, [], [])
        assert seats(rig) == 1


async def test_a_transfer_is_carried_through_though_its_operator_has_gone(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with Rig().open() as rig:
        rig.tel.takes = 2.0
        entry, call = rig.media(ticket="fixed", call="c1")
        with trio.move_on_after(1):
            await rig.clerk.command(entry.id, Transfer(HUMAN))
        rig.part(entry, call, "transferred", By.OPERATOR)
        await settle()
        assert (entry.record.transferred, rig.tel.asked("hang_up")) == (HUMAN, [])


async def test_a_caller_who_is_being_transferred_is_not_hung_up_on(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig().open() as rig:
        rig.tel.takes = 10.0
        entry, call = rig.media(ticket="fixed", call="c1")
        with pytest.raises(Lost):
            await rig.board.onward(entry, HUMAN)
        rig.part(entry, call, "agent transferred the call", By.AGENT)
        await trio.sleep(20)
        assert (entry.record.transferred, rig.tel.asked("hang_up")) == (HUMAN, [])


async def test_a_transfer_that_comes_to_nothing_leaves_the_line_ours(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig().open() as rig:
        entry, call = rig.media(ticket="fixed", call="c1")
        await rig.board.onward(entry, HUMAN)
        rig.news(What.UNTRANSFERRED, "c1")
        assert entry.record.transferred == ""
        rig.part(entry, call, "agent transferred the call", By.AGENT)
        await settle()
        assert rig.tel.asked("hang_up") == [(Handle("c1"),)]


async def test_commands_to_one_call_come_one_after_another(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig().open() as rig:
        rig.tel.takes = 1.0
        entry, call = rig.media(ticket="fixed", call="c1")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(rig.clerk.command, entry.id, Mute(True))
            await trio.sleep(0.5)
            nursery.start_soon(rig.clerk.command, entry.id, Mute(False))
        assert (entry.record.muted, call.said) == (False, [("mute", True), ("mute", False)])


async def test_a_call_that_was_canceled_at_the_carrier_is_not_dialed_again(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with Rig().open() as rig:
        record, _ = await rig.clerk.place(Order(THEIRS))
        await settle()
        rig.news(What.CANCELED, ours=record.id)
        assert (await rig.clerk.get(record.id)).status is Status.FAILED


async def test_a_person_who_answers_our_number_is_no_failure_of_ours(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig().open() as rig:
        rig.news(What.RINGING)
        rig.news(What.ANSWERED)
        await trio.sleep(11)
        (record,) = (await rig.clerk.find(Filter(), cursor=None, limit=9)).records
        assert (record.status, record.reason, rig.board.failed) == (Status.ENDED, "taken elsewhere", 0)


async def test_an_order_for_another_century_is_declined(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig().open() as rig:
        with pytest.raises(Declined) as error:
            await rig.clerk.place(Order(THEIRS, not_before=253402300799.0))
        assert error.value.code == "too-late"


async def test_a_fault_in_a_carriers_control_ends_its_call_and_no_other(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig().open() as rig:
        rig.tel.fails["hang_up"] = [ZeroDivisionError("ours")]  # type: ignore[list-item]
        entry, call = rig.media(ticket="fixed", call="c1")
        other, _ = rig.media(ticket="fixed", call="c2")
        rig.part(entry, call, "agent hung up", By.AGENT)
        await settle()
        assert (entry.record.status, other.record.status) == (Status.ENDED, Status.IN_PROGRESS)


async def test_thousands_of_orders_that_wait_for_a_line_cost_nothing(autojump_clock: trio.testing.MockClock) -> None:
    """Each pass asks the agent and the number once, and counts no refusals."""
    async with Rig(channels=1).open() as rig:
        asked = 0
        busy = rig.board.busy

        def counted(*arguments: object) -> int:
            nonlocal asked
            asked += 1
            return busy(*arguments)  # type: ignore[arg-type]

        rig.board.busy = counted  # type: ignore[method-assign]
        for number in range(300):
            await rig.clerk.place(Order(f"+33612345{number:03}"))
        await settle()
        asked = 0
        await trio.sleep(10)
        assert asked <= 12
        assert rig.exchange.statistics().refused == {}
        assert len(rig.tel.asked("place")) == 1


# ------------------------------------------------------------------------------------ who may do what


async def test_a_socket_that_is_turned_away_leaves_no_record(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig().open() as rig:
        with pytest.raises(Refused) as error:
            rig.media(ticket="fixed", call="c1", agent="nobody")
        assert refused(error.value) == ("unknown-agent", 1003)
        entry = rig.arrivals.of("tel", _started("c2"))
        rig.arrivals.turned_away(entry, "all lines are taken")
        await settle()
        assert (await rig.clerk.find(Filter(), cursor=None, limit=9)).records == []
        assert (len(rig.board.index), rig.board.failed, rig.tel.asked("hang_up")) == (0, 0, [])


async def test_an_id_that_cannot_stand_in_a_path_is_not_ours(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig().open() as rig:
        entry, _ = rig.media(ticket="fixed", call="a/b?c")
        assert (entry.record.line, "/" in entry.id) == ("a/b?c", False)


async def test_parameters_are_kept_in_measure() -> None:
    kept = bounded({f"{number:02}" + "n" * 100: "v" * 1000 for number in range(100)})
    assert (len(kept), {len(name) for name in kept}, {len(value) for value in kept.values()}) == (20, {64}, {512})


async def test_one_carrier_does_not_speak_for_anothers_call(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig().open() as rig:
        entry, call = rig.media(carrier="page", caller=THEIRS, called=OURS)
        rig.news(What.ENDED, "c1", ours=entry.id)
        assert (call.said, entry.record.line) == ([], "")


async def test_a_socket_that_says_nothing_takes_no_call_that_has_a_ticket(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with Rig().open() as rig:
        welcome = rig.offer()
        other, _ = rig.media(ticket="fixed")
        assert other.id != welcome.call
        mine, _ = rig.media(ticket=welcome.ticket)
        assert mine.id == welcome.call


async def test_the_index_forgets_what_nobody_asks_for(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig().open() as rig:
        for number in range(2100):
            entry, call = rig.media(ticket="fixed", call=f"a{number}")
            rig.news(What.NOTED, f"b{number}", ours=entry.id)
            rig.part(entry, call, "hung up", By.CALLER)
        assert len(rig.board.index._lines) <= 4000
        assert rig.board.index.line("tel", "a0") is None
        assert rig.board.index.line("tel", "b0") is None


def _started(call: str):  # type: ignore[no-untyped-def]
    from parlance.actors.media.port import Started

    return Started(call=call, ticket="fixed")
