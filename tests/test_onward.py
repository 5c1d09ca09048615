"""A call's edges, on whole calls: going on to somebody else at its end, and early audio before it is answered."""

from __future__ import annotations

import pytest
import trio
from stage import Stage, says

from parlance.actors.media.courier import ONWARD
from parlance.actors.media.fake import FakeWire
from parlance.engine import trace as t
from parlance.engine.effort import CallUsed
from parlance.engine.errors import Unreachable

# ---------------------------------------------------------------------------------------------- transfer


@pytest.mark.parametrize("transfers", [True, False], ids=["by message", "by order"])
async def test_a_transfer_comes_before_the_goodbye_and_the_end_of_the_socket(
    transfers: bool, autojump_clock: object
) -> None:
    wire = FakeWire(transfers=transfers)
    order: list[str] = []

    async def onward(number: str) -> None:
        await trio.sleep(0.5)
        assert stage.line.closed is None
        assert not any(text.startswith("bye") for text in stage.line.sent)
        order.append(number)

    stage = Stage(
        ear=["a person"], mind=["{transfer} One moment."], agent={"transfer": "+331"}, wire=wire, onward=onward
    )
    await stage.play((1.0, says(0.8)), until=20)
    texts = [text for text in stage.line.sent if text.split()[0] in ("transfer", "bye")]
    assert texts == [*(["transfer +331"] if transfers else []), "bye agent transferred the call"]
    assert order == ([] if transfers else ["+331"])
    assert stage.line.closed == (1000, "agent transferred the call")
    assert [type(record.event) for record in stage.records][-3:] == [t.Transferred, CallUsed, t.CallEnded]
    assert stage.call.onward == "+331"


async def test_a_transfer_that_takes_too_long_or_fails_ends_the_call_all_the_same(autojump_clock: object) -> None:
    async def never(number: str) -> None:
        await trio.sleep_forever()

    async def fails(number: str) -> None:
        raise Unreachable("carrier", "no route")

    slow = Stage(onward=never)
    await slow.play((1.0, lambda s: s.call.transfer("+331")), until=20)
    assert slow.all(t.Transferred) == [t.Transferred("+331", "no answer within 3 s")]
    assert slow.at(t.CallEnded)[0] == pytest.approx(1.0 + ONWARD, abs=0.05)
    assert slow.line.closed == (1000, "transferred")
    failed = Stage(onward=fails)
    await failed.play((1.0, lambda s: s.call.transfer("+331")), until=20)
    assert failed.all(t.Transferred) == [t.Transferred("+331", "carrier: no route")]
    assert failed.all(t.CallEnded) == [t.CallEnded("completed", "transferred", "operator")]


async def test_an_agent_without_a_number_hangs_up_instead(autojump_clock: object) -> None:
    stage = Stage(ear=["a person"], mind=["{transfer} Sorry."])
    await stage.play((1.0, says(0.8)), until=20)
    assert stage.all(t.CallEnded) == [t.CallEnded("completed", "agent hung up", "agent")]
    assert stage.ordered == []


# ------------------------------------------------------------------------------------------------- early


async def test_a_call_may_be_answered_before_its_line_is_up_and_twice(autojump_clock: object) -> None:
    stage = Stage(agent={"greeting": "Hello."}, early=True)
    stage.media.answered()
    await stage.play((1.0, lambda s: s.media.answered()), until=3)
    assert [turn.cue for turn in stage.all(t.TurnBegan)] == ["greeting"]
    assert stage.at(t.TurnBegan) == [0.0]


async def test_early_audio_counts_for_nothing_but_its_pace(autojump_clock: object) -> None:
    def burst(stage: Stage) -> None:
        for _ in range(400):
            stage.line.tell(b"\xff" * 160)

    stage = Stage(agent={"greeting": "Hello."}, early=True)
    await stage.play((1.0, says(1.0)), (2.5, lambda s: s.line.tell("digit 1")), (5.0, burst), until=20)
    assert stage.all(t.TurnBegan) == stage.all(t.CallerBegan) == []
    assert stage.all(t.CallEnded)[0].reason == "audio arrives faster than real time"


async def test_a_line_that_sends_nothing_while_it_rings_is_not_given_up_for_it(autojump_clock: object) -> None:
    stage = Stage(agent={"greeting": "Hello.", "limits": {"ringing": 50.0}}, early=True)
    stage.line.tick = lambda now: None  # type: ignore[method-assign]
    await stage.play(until=70)
    assert stage.all(t.CallEnded) == [t.CallEnded("failed", "never answered", "house")]
    assert stage.at(t.CallEnded)[0] == pytest.approx(50.0, abs=0.05)
