"""Inbound calls on the switchboard: webhooks and media in either order, who ends a call, and that nothing is left."""

from __future__ import annotations

import pytest
import trio
from rig import OURS, THEIRS, FakeMedia, Rig, refused, seats

from parlance.actors.media.errand import Handle
from parlance.actors.media.webhook import Refusal, Welcome, What
from parlance.engine.errors import Ended, Refused, Unreachable
from parlance.engine.message import By, How
from parlance.engine.record import Status
from parlance.switchboard.desk import Terminate
from parlance.switchboard.port import Times


async def test_a_call_from_its_offer_to_its_end(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig().open() as rig:
        welcome = rig.offer(leg="l1", context="opaque")
        assert isinstance(welcome, Welcome)
        assert seats(rig) == 1
        await trio.testing.wait_all_tasks_blocked()
        assert rig.tel.asked("answer") == [("c1", "l1", "opaque", welcome.call, welcome.ticket)]
        rig.news(What.RINGING)
        rig.news(What.ANSWERED)
        entry, call = rig.media(ticket=welcome.ticket)
        assert entry.id == welcome.call
        rig.part(entry, call, "agent hung up", By.AGENT)
        await trio.testing.wait_all_tasks_blocked()
        assert rig.tel.asked("hang_up") == [(Handle("c1", "l1"),)]
        record = await rig.clerk.get(welcome.call)
        assert (record.status, record.ended_by, record.reason) == (Status.ENDED, "agent", "agent hung up")
        assert seats(rig) == 0
        statuses = [one.status.value for one in rig.records[welcome.call]]
        assert list(dict.fromkeys(statuses)) == [
            "initializing", "ringing", "connected", "in_progress", "ending", "ended",
        ]  # fmt: skip


async def test_an_offer_twice_is_one_call(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig().open() as rig:
        assert rig.offer() == rig.offer()
        await trio.testing.wait_all_tasks_blocked()
        assert len(rig.tel.asked("answer")) == 1
        assert seats(rig) == 1


async def test_a_call_over_the_limit_is_refused_once_and_cleanly(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig(total=1).open() as rig:
        rig.offer("c1")
        refusal = rig.offer("c2")
        assert isinstance(refusal, Refusal)
        assert (refusal.reason, refusal.busy) == ("full", True)
        assert rig.offer("c2") == refusal
        await trio.testing.wait_all_tasks_blocked()
        assert rig.tel.asked("reject") == [("c2", "", "", True)]
        assert rig.tel.asked("hang_up") == []
        assert [
            record.reason for record in (await rig.store.find(lambda one: one.line == "c2", before=None, limit=9))
        ] == ["full"]


async def test_a_number_carries_as_many_calls_as_it_has_channels(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig(channels=2).open() as rig:
        assert [type(rig.offer(name)).__name__ for name in ("c1", "c2", "c3")] == ["Welcome", "Welcome", "Refusal"]


async def test_an_unknown_agent_is_refused_for_good(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig().open() as rig:
        refusal = rig.offer(parameters={"agent": "nobody"})
        assert (refusal.reason, refusal.busy) == ("unknown-agent", False)


async def test_media_first_and_the_webhook_later(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig().open() as rig:
        entry, call = rig.media(ticket="fixed", call="c1", caller=THEIRS, called=OURS)
        rig.news(What.RINGING)
        rig.news(What.ANSWERED)
        assert (len(rig.board.index), entry.record.status) == (1, Status.IN_PROGRESS)
        rig.news(What.ENDED, by="caller")
        assert call.said == [("close", How.COMPLETED, "hung up", None, By.CALLER)]
        rig.part(entry, call, "hung up", By.CALLER)
        assert (await rig.clerk.get(entry.id)).ended_by == "caller"
        assert rig.tel.asked("hang_up") == []


async def test_the_webhook_first_and_media_without_the_carriers_id(autojump_clock: trio.testing.MockClock) -> None:
    """Ringover's streamer may not say which call it is: the oldest that waits is it, if the numbers fit."""
    async with Rig().open() as rig:
        rig.news(What.RINGING, "other", caller="+4930123456")
        rig.news(What.RINGING, "c1")
        entry, _ = rig.media(ticket="fixed", caller=THEIRS)
        assert entry.record.line == "c1"
        entry, _ = rig.media(ticket="fixed")
        assert entry.record.line == "other"


async def test_media_without_an_id_first_and_the_webhook_later(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig().open() as rig:
        entry, _ = rig.media(ticket="fixed", caller=THEIRS)
        rig.news(What.ANSWERED, "c1", leg="l1")
        assert len(rig.board.index) == 1
        assert entry.handle == Handle("c1", "l1")


async def test_news_of_other_peoples_calls_make_no_call(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig().open() as rig:
        rig.news(What.RINGING, called="+33142685399")
        rig.news(What.ANSWERED, called="+33142685399")
        assert len(rig.board.index) == 0


async def test_a_call_whose_media_never_comes_is_no_ghost(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig().open() as rig:
        welcome = rig.offer()
        rig.news(What.ANSWERED)
        await trio.sleep(9.9)
        assert seats(rig) == 1
        await trio.sleep(0.2)
        record = await rig.clerk.get(welcome.call)
        assert (record.status, record.reason, record.ended_by) == (Status.FAILED, "its media never came", "house")
        assert rig.tel.asked("hang_up") == [(Handle("c1", ""),)]
        assert (seats(rig), len(rig.board.index)) == (0, 0)
        with pytest.raises(Refused) as error:
            rig.media(ticket=welcome.ticket)
        assert refused(error.value) == ("unknown-call", 1008)


async def test_a_call_that_only_news_have_told_of_is_not_hung_up(autojump_clock: trio.testing.MockClock) -> None:
    """A person may have answered our number: it is not ours to end."""
    async with Rig().open() as rig:
        rig.news(What.RINGING)
        rig.news(What.ANSWERED)
        await trio.sleep(11)
        assert len(rig.board.index) == 0
        assert rig.tel.asked("hang_up") == []


async def test_a_carrier_that_never_answers_holds_nothing_up(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig(times=Times(ending=5)).open() as rig:
        rig.tel.takes = 1000
        entry, call = rig.media(ticket="fixed", call="c1")
        rig.part(entry, call, "agent hung up", By.AGENT)
        await trio.sleep(4.9)
        assert entry.record.status is Status.ENDING
        await trio.sleep(0.2)
        assert entry.record.status is Status.ENDED


async def test_what_has_ended_already_is_no_fault(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig().open() as rig:
        rig.tel.fails["hang_up"] = [Ended("tel", "no such call")]
        entry, call = rig.media(ticket="fixed", call="c1")
        rig.part(entry, call, "agent hung up", By.AGENT)
        await trio.testing.wait_all_tasks_blocked()
        assert (entry.record.status, entry.record.reason) == (Status.ENDED, "agent hung up")


async def test_a_call_that_cannot_be_answered_has_failed(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig().open() as rig:
        rig.tel.fails["answer"] = [Unreachable("tel", "no answer within 10 s")]
        welcome = rig.offer()
        await trio.testing.wait_all_tasks_blocked()
        record = await rig.clerk.get(welcome.call)
        assert (record.status, record.ended_by) == (Status.FAILED, "carrier")
        assert seats(rig) == 0


async def test_late_double_and_disordered_news_change_nothing(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig().open() as rig:
        entry, call = rig.media(ticket="fixed", call="c1")
        rig.news(What.ENDED, event="e9", order=9, by="caller")
        rig.news(What.ENDED, event="e9", order=9, by="caller")
        rig.news(What.RINGING, event="e1", order=1)
        assert len(call.said) == 1
        rig.part(entry, call, "hung up", By.CALLER)
        before = entry.record
        rig.news(What.ANSWERED, event="e2", order=2)
        rig.news(What.ENDED, event="e10", order=10, by="carrier")
        assert entry.record == before
        assert len(rig.board.index) == 0


@pytest.mark.parametrize(
    ("ticket", "call", "reason"),
    [("", "", "no-ticket"), ("", "c1", "no-ticket"), ("wrong", "", "unknown-call"), ("wrong", "c1", "unknown-call")],
)
async def test_a_socket_that_may_not(
    autojump_clock: trio.testing.MockClock, ticket: str, call: str, reason: str
) -> None:
    async with Rig().open() as rig:
        rig.offer()
        with pytest.raises(Refused) as error:
            rig.media(ticket=ticket, call=call)
        assert refused(error.value) == (reason, 1008)


async def test_a_ticket_is_for_one_socket_at_a_time(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig().open() as rig:
        welcome = rig.offer()
        entry, call = rig.media(ticket=welcome.ticket)
        with pytest.raises(Refused) as error:
            rig.media(ticket=welcome.ticket)
        assert refused(error.value) == ("duplicate", 1008)
        assert isinstance(entry.media, FakeMedia)
        entry.media.waiting = True
        assert rig.arrivals.of("tel", _started(welcome.ticket)) is entry
        rig.part(entry, call, "hung up", By.CALLER)
        with pytest.raises(Refused) as error:
            rig.media(ticket=welcome.ticket)
        assert refused(error.value) == ("unknown-call", 1008)


async def test_a_ticket_is_for_its_own_carrier(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig().open() as rig:
        welcome = rig.offer()
        with pytest.raises(Refused) as error:
            rig.media(ticket=welcome.ticket, carrier="other")
        assert refused(error.value) == ("no-ticket", 1008)


async def test_an_ending_call_takes_no_socket(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig().open() as rig:
        rig.tel.takes = 1
        welcome = rig.offer()
        await rig.clerk.command(welcome.call, Terminate())
        with pytest.raises(Refused) as error:
            rig.media(ticket=welcome.ticket)
        assert refused(error.value) == ("ended", 1008)


async def test_a_house_that_closes_still_hangs_up(autojump_clock: trio.testing.MockClock) -> None:
    rig = Rig()
    rig.tel.takes = 1
    async with rig.open():
        entry, call = rig.media(ticket="fixed", call="c1")
        rig.part(entry, call, "drained", By.HOUSE)
    assert rig.tel.asked("hang_up") == [(Handle("c1", ""),)]
    assert entry.record.status is Status.ENDED


async def test_a_hundred_calls_leave_nothing(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig().open() as rig:
        before = trio.lowlevel.current_statistics().tasks_living
        for number in range(100):
            welcome = rig.offer(f"c{number}")
            entry, call = rig.media(ticket=welcome.ticket)
            rig.part(entry, call, "hung up", By.CALLER if number % 2 else By.AGENT)
            await trio.testing.wait_all_tasks_blocked()
        assert (seats(rig), len(rig.board.index)) == (0, 0)
        assert trio.lowlevel.current_statistics().tasks_living == before


async def test_a_socket_that_asks_for_a_call_which_is_gone(autojump_clock: trio.testing.MockClock) -> None:
    async with Rig().open() as rig:
        with pytest.raises(Refused) as error:
            rig.media(carrier="page", call="gone", again=True)
        assert refused(error.value) == ("unknown-call", 1008)
        entry, _ = rig.media(carrier="page")
        with pytest.raises(Refused) as error:
            rig.media(ticket="fixed", call=entry.id)
        assert refused(error.value) == ("no-ticket", 1008)
        with pytest.raises(Refused) as error:
            rig.media(carrier="page", call=entry.id, again=True)
        assert refused(error.value) == ("duplicate", 1008)


async def test_a_call_that_comes_again_is_another_call(autojump_clock: trio.testing.MockClock) -> None:
    """A TwiML document may connect its caller with us twice."""
    async with Rig().open() as rig:
        first, call = rig.media(ticket="fixed", call="c1")
        rig.part(first, call, "agent hung up", By.AGENT)
        await trio.testing.wait_all_tasks_blocked()
        second, _ = rig.media(ticket="fixed", call="c1")
        assert (first.id, second.record.line) == ("c1", "c1")
        assert second.id != first.id


def _started(ticket: str):  # type: ignore[no-untyped-def]
    from parlance.actors.media.port import Started

    return Started(ticket=ticket)
