"""Who may come in, and when: tickets, tokens, signatures, a second socket of a call, and media before the answer."""

from __future__ import annotations

from dataclasses import replace

import pytest
import trio
from hall import Hall, Rejected, Show, perform
from over import Over, over, ready
from phone import Phone

from bench.dialects import DIALECTS
from parlance.engine import life as l
from parlance.engine import trace as t
from parlance.engine.record import Direction, Status
from parlance.office import Office

TOKENED = tuple(name for name in DIALECTS if name not in ("browser", "audiosocket"))
"""A page needs nothing in a house that is open, and AudioSocket goes by the address."""


async def twice(hall: Hall, name: str) -> tuple[Phone, Over]:
    """Another socket says that it is the call that is on the line."""
    phone = await ready(hall, name)
    ring = replace(phone.ring, ticket=phone.id) if name == "browser" else phone.ring
    second = await hall.call(phone.dialect, ring)
    await second.over()
    phone.say(0.6)
    await phone.hears(1.0)
    await phone.hang_up()
    return second, await over(hall, phone)


async def stranger(hall: Hall, name: str) -> list[int | None]:
    """Without a token, and with a wrong one: HTTP statuses, or close codes."""
    codes: list[int | None] = []
    for token in ("", "another-token"):
        try:
            phone = await hall.dial(name, token=token)
            await phone.over()
            codes.append(phone.code)
            assert phone.id not in hall.house.calls
        except Rejected as rejected:
            codes.append(rejected.status)
    return codes


async def unsigned(hall: Hall, name: str) -> int:
    """Azure's socket with our token and without Azure's signature."""
    try:
        await hall.dial(name, bearer="")
    except Rejected as rejected:
        return rejected.status
    return 0


async def ticketed(hall: Hall, name: str) -> tuple[Phone, str, int | None, int | None]:
    """The ticket of one call lets its socket in once, and another carrier's never."""
    board = hall.house.office.board
    dialect = DIALECTS[name]()
    entry = board.open(dialect.carrier, Direction.INBOUND, "brief", line=f"line-{name}")
    other = "twilio" if dialect.carrier != "twilio" else "ringover"
    wrong = await hall.dial(other, token="", ticket=entry.ticket)
    await wrong.over()
    phone = await hall.dial(name, agent="", token="", ticket=entry.ticket)
    phone.id = entry.id
    await hall.answered(phone)
    await phone.hang_up()
    await hall.ended(phone)
    try:
        late = await hall.dial(name, token="", ticket=entry.ticket)
        await late.over()
    except Rejected as rejected:
        return phone, hall.house.calls[entry.id].agent, wrong.code, rejected.status
    return phone, hall.house.calls[entry.id].agent, wrong.code, late.code


async def early(hall: Hall, name: str) -> Over:
    """Media of a call that we have placed come while it still rings: nobody listens until it is answered."""
    board = hall.house.office.board
    dialect = DIALECTS[name]()
    entry = board.open(dialect.carrier, Direction.OUTBOUND, "receptionist", line=f"early-{name}", attempts=1)
    board.happen(entry, l.Rang())
    phone = await hall.dial(name, agent="", token="", ticket=entry.ticket)
    phone.id = entry.id
    await hall.answered(phone)
    phone.say(0.6)
    await phone.said()
    await trio.sleep(0.3)
    assert phone.arrived == []
    assert not hall.all(phone, t.CallerBegan)
    board.happen(entry, l.Answered())
    assert entry.media is not None
    entry.media.answered()
    await phone.hears()
    await phone.silence(0.2)
    await phone.hang_up()
    return await over(hall, phone)


@pytest.fixture(scope="module")
def show() -> Show:
    everybody = tuple(DIALECTS)
    with pytest.MonkeyPatch.context() as patch:
        # No wire here says that its media come early; whichever does, the call has to cope.
        patch.setattr(Office, "early", lambda self, entry, wire: entry.life.status is Status.RINGING)
        return perform(
            {"twice": (twice, everybody), "stranger": (stranger, TOKENED), "unsigned": (unsigned, ("acs", "acs24"))},
            {"ticketed": (ticketed, TOKENED), "early": (early, TOKENED)},
        )


every = pytest.mark.parametrize("name", DIALECTS)


@every
def test_a_second_socket_of_a_call_on_the_line_is_refused(show: Show, name: str) -> None:
    second, first = show.of("twice", name)
    assert second.code == (None if second.dialect.stream else 1008)
    assert first.end == ("completed", "caller")
    assert first.all(t.TurnEnded)[-1].heard_seconds > 0.8


@pytest.mark.parametrize("name", TOKENED)
def test_nobody_comes_in_without_the_token(show: Show, name: str) -> None:
    codes = show.of("stranger", name)
    assert len(codes) == 2
    assert set(codes) <= {401, 403, 1008}


@pytest.mark.parametrize("name", TOKENED)
def test_a_ticket_is_good_for_its_own_call_once(show: Show, name: str) -> None:
    phone, agent, wrong, late = show.of("ticketed", name)
    assert (agent, wrong) == ("brief", 1008)
    assert phone.code == 1000
    assert late in (401, 403, 1008)


@pytest.mark.parametrize("name", TOKENED)
def test_before_the_answer_nobody_listens_and_then_the_agent_greets(show: Show, name: str) -> None:
    ended: Over = show.of("early", name)
    assert ended.end == ("completed", "caller")
    (greeting,) = ended.all(t.TurnEnded)
    assert (greeting.outcome, greeting.heard) == ("played", "Hello, who is there?")


@pytest.mark.parametrize("name", ["acs", "acs24"])
def test_a_token_without_azures_signature_is_not_enough(show: Show, name: str) -> None:
    assert show.of("unsigned", name) == 401


def test_nothing_is_left(show: Show) -> None:
    assert show.left == {}
