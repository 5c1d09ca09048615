"""A media socket that is dropped, and another one that takes its place in the same call."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable
from contextlib import suppress

import pytest
import trio
from stage import Stage, says, speech

from parlance.actors.media.actor import Bounds
from parlance.actors.media.fake import FakeLine, FakeWire
from parlance.codecs.format import Format
from parlance.engine import message as m
from parlance.engine import trace as t
from parlance.engine.errors import Full, LineError, Stalled

PATIENT = Bounds(reconnect=5.0)
LONG = "There is so much to tell that I do not know where I should begin, or where to end."


def sound(stage: Stage) -> bytes:
    """What the caller heard, without silence."""
    return bytes(stage.heard).replace(b"\xff", b"")


def shared(one: Iterable[int], other: Iterable[int]) -> int:
    """How long both are the same."""
    return len(list(itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))))


def drop(stage: Stage) -> None:
    stage.line.vanish(code=1006)


class Greeting(FakeWire):
    """A wire whose carrier is greeted."""

    def hello(self, call: str, agent: str) -> tuple[str, ...]:
        return ("hello",)


@pytest.mark.parametrize("clears", [True, False], ids=["clears", "no clear"])
@pytest.mark.parametrize("at", [3.1, 3.57, 4.0, 5.33])
async def test_after_a_dropped_socket_the_reply_goes_on_at_the_sample_where_it_stopped(
    at: float, clears: bool, autojump_clock: object
) -> None:
    def stage() -> Stage:
        wire = FakeWire(clears=clears, marks=clears)
        return Stage(ear=["tell me everything"], mind=[LONG], bounds=PATIENT, wire=wire)

    whole, broken = stage(), stage()
    await whole.play((1.0, says(1.0)), until=14)
    await broken.play((1.0, says(1.0)), (at, drop), (at + 2.0, Stage.rejoin), until=16)
    heard, said = sound(broken), sound(whole)
    # The ear's clock is not ours: a frame at the place where the line broke may be heard twice, or not.
    assert abs(len(heard) - len(said)) <= 160
    assert shared(heard, said) + shared(reversed(heard), reversed(said)) >= len(said) - 160
    assert [line.text for line in broken.history.lines()] == ["tell me everything", LONG]
    assert [turn.outcome for turn in broken.all(t.TurnEnded)] == ["played"]


async def test_the_new_socket_is_greeted_and_gets_everything_from_then_on_and_the_goodbye(
    autojump_clock: object,
) -> None:
    wire, other = Greeting(), Greeting()
    stage = Stage(ear=["hello"], mind=["Hi."], bounds=PATIENT, wire=wire)
    first = stage.line
    done: list[bool] = []
    await stage.play((1.0, drop), (2.0, lambda s: done.append(s.rejoin(other))), (3.0, says(0.8)), until=8)
    assert done == [True]
    assert first.sent == ["hello"]
    assert stage.line is not first
    assert stage.line.sent[0] == "hello"
    assert stage.line.sent[-1] == "bye caller hung up"
    assert stage.line.closed == (1000, "caller hung up")
    assert [said.text for said in stage.all(t.CallerSaid) if said.final] == ["hello"]
    assert stage.all(t.LineLost) == [t.LineLost("the line was dropped")]
    assert stage.all(t.LineBack)[0].seconds == pytest.approx(1.0)


async def test_a_call_that_does_not_wait_takes_no_other_socket(autojump_clock: object) -> None:
    stage = Stage(bounds=PATIENT)
    took: list[object] = []

    def try_it(stage: Stage) -> None:
        took.append((stage.media.waiting, stage.media.rejoin(FakeWire(), FakeLine())))

    late = (9.0, try_it)
    await stage.play((1.0, try_it), (2.0, drop), (3.0, Stage.rejoin), (4.0, try_it), (5.0, drop), until=9.5)
    assert took == [(False, False), (False, False)]
    assert stage.all(t.CallEnded)[0].by == "caller"
    await (again := Stage(bounds=PATIENT)).play((1.0, drop), late, until=7)
    assert again.media.rejoin(FakeWire(), FakeLine()) is False, "nor does one that has ended"
    assert again.media.waiting is False


async def test_a_socket_with_other_audio_is_refused_and_the_call_waits_on(autojump_clock: object) -> None:
    stage = Stage(bounds=PATIENT)

    def other(stage: Stage) -> None:
        wide = Format("pcm16", 16000)
        with pytest.raises(LineError, match="mulaw at 8000 Hz") as error:
            stage.media.rejoin(FakeWire(wide), FakeLine(wide))
        assert (error.value.fatal, error.value.code) == (True, 1003)
        assert stage.media.waiting

    await stage.play((1.0, drop), (2.0, other), (3.0, Stage.rejoin), until=5)
    assert stage.all(t.CallEnded) == [t.CallEnded("completed", "caller hung up", "caller")]


@pytest.mark.parametrize(
    ("code", "waits", "by"),
    [
        (None, True, "carrier"),
        (1006, True, "carrier"),
        (1011, True, "carrier"),
        (1012, True, "carrier"),
        (1013, True, "carrier"),
        (1000, False, "caller"),
        (1001, False, "caller"),
        (1005, False, "caller"),
        (1008, False, "carrier"),
        (4000, False, "carrier"),
    ],
)
async def test_only_a_socket_without_a_proper_goodbye_is_waited_for(
    code: int | None, waits: bool, by: str, autojump_clock: object
) -> None:
    stage = Stage(bounds=PATIENT)
    start = trio.current_time()
    await stage.play((1.0, lambda s: s.line.vanish("gone", code)), until=30)
    assert trio.current_time() - start == pytest.approx(6.0 if waits else 1.0, abs=0.05)
    assert stage.all(t.CallEnded) == [t.CallEnded("completed", "gone", by)]


ENDS = {
    "closed": lambda s: s.call.close(m.How.COMPLETED, "enough"),
    "closed with words": lambda s: s.call.close(m.How.FAILED, "enough", ""),
    "drained": lambda s: s.call.drain(),
    "transferred": lambda s: s.call.transfer("+331"),
    "failed": lambda s: s.call.fail(ValueError("a bug")),
}


@pytest.mark.parametrize("end", ENDS)
async def test_a_call_that_ends_while_its_line_is_lost_ends_at_once(end: str, autojump_clock: object) -> None:
    stage = Stage(bounds=PATIENT, wire=FakeWire(transfers=True))
    start = trio.current_time()
    try:
        await stage.play((1.0, drop), (2.0, ENDS[end]), until=30)
    except* ValueError:
        assert end == "failed"
    assert trio.current_time() - start < 2.2
    assert len(stage.all(t.CallEnded)) == 1
    assert stage.media.waiting is False
    assert stage.ordered == (["+331"] if end == "transferred" else []), "no message can reach a line that is lost"


async def test_a_call_cancelled_while_its_line_is_lost_leaves_nothing_behind(autojump_clock: object) -> None:
    stage = Stage(bounds=PATIENT)
    before = trio.lowlevel.current_statistics().tasks_living
    with trio.move_on_after(2.0):
        await stage.play((1.0, drop), until=30)
    assert trio.lowlevel.current_statistics().tasks_living == before
    assert stage.all(t.CallEnded) == [t.CallEnded("failed", "cancelled", "house")]


async def test_no_limit_counts_while_the_line_is_lost_but_the_call_s_own(autojump_clock: object) -> None:
    limits = {"silence": 2.0, "call": 60.0}
    stage = Stage(agent={"limits": limits}, bounds=Bounds(reconnect=20.0, silence=3.0))
    await stage.play((1.0, drop), (15.0, Stage.rejoin), until=15.9)
    assert stage.all(t.TurnBegan) == [], "nobody is asked whether he is there"
    assert stage.all(t.CallEnded)[0].reason == "caller hung up"
    limited = Stage(agent={"limits": {"call": 5.0}}, bounds=Bounds(reconnect=20.0))
    await limited.play((1.0, drop), until=30)
    assert limited.at(t.CallEnded)[0] == pytest.approx(5.0, abs=0.05)
    assert limited.all(t.CallEnded) == [t.CallEnded("completed", "time limit", "house")]


async def test_faults_of_the_old_socket_are_forgiven_the_new_one(autojump_clock: object) -> None:
    def mumble(stage: Stage) -> None:
        for _ in range(8):
            stage.line.tell("nonsense")

    stage = Stage(bounds=PATIENT)
    await stage.play((1.0, mumble), (2.0, drop), (3.0, Stage.rejoin), (4.0, mumble), until=6)
    assert [fault.count for fault in stage.all(t.LineFault)] == [*range(1, 9), *range(1, 9)]
    assert stage.all(t.CallEnded)[0].reason == "caller hung up"


async def test_a_new_socket_that_does_not_read_ends_the_call_and_is_closed(autojump_clock: object) -> None:
    stage = Stage(bounds=PATIENT, wire=Greeting())

    class Stalling(FakeLine):
        def send(self, data: object) -> None:
            raise Stalled("nobody reads")

    line = Stalling()
    taken: list[bool] = []
    await stage.play((1.0, drop), (2.0, lambda s: taken.append(s.media.rejoin(Greeting(), line))), until=9)
    assert taken == [True]
    assert stage.all(t.CallEnded) == [t.CallEnded("failed", "nobody reads", "carrier")]
    assert line.closed is not None


async def test_a_line_may_be_lost_again_and_again(autojump_clock: object) -> None:
    stage = Stage(ear=["tell me everything"], mind=[LONG], bounds=PATIENT)
    cues = [cue for at in range(3, 9) for cue in ((at + 0.1, drop), (at + 0.6, Stage.rejoin))]
    await stage.play((1.0, says(1.0)), *cues, until=16)
    assert len(stage.all(t.LineBack)) == 6
    assert [line.text for line in stage.history.lines()] == ["tell me everything", LONG]


async def test_keys_half_pressed_survive_a_lost_line(autojump_clock: object) -> None:
    stage = Stage(mind=["Thank you."], bounds=PATIENT)
    press = [(at, lambda s, d=d: s.line.tell(f"digit {d}")) for at, d in ((1.0, "4"), (6.5, "2"))]
    await stage.play(*press, (1.5, drop), (5.5, Stage.rejoin), until=12)
    assert [turn.words for turn in stage.all(t.TurnBegan)] == ["42"]


async def test_what_the_caller_said_before_the_drop_and_after_it_is_heard(autojump_clock: object) -> None:
    stage = Stage(ear=["first", "second"], mind=["Yes.", "Good."], bounds=PATIENT)

    def talk(stage: Stage) -> None:
        stage.line.say(speech(2.0))

    await stage.play((1.0, talk), (2.0, drop), (3.0, Stage.rejoin), (5.0, talk), until=12)
    assert [said.text for said in stage.all(t.CallerSaid) if said.final] == ["first", "second"]


async def test_a_line_that_is_lost_while_it_rings_may_come_back_and_be_answered(autojump_clock: object) -> None:
    def answer(stage: Stage) -> None:
        stage.media.answered()

    rings = Stage(agent={"greeting": "Hello.", "limits": {"ringing": 4.0}}, bounds=PATIENT, early=True)
    await rings.play((1.0, drop), (5.0, Stage.rejoin), (6.0, answer), until=9)
    assert rings.all(t.TurnEnded)[0].heard == "Hello.", "the ringing stood still too"
    lost = Stage(agent={"greeting": "Hello."}, bounds=PATIENT, early=True)
    await lost.play((1.0, drop), (2.0, answer), (3.0, Stage.rejoin), until=9)
    assert lost.at(t.Spoken)[0] == pytest.approx(3.0, abs=0.1), "the greeting waited for the line"


@pytest.mark.parametrize("seed", range(12))
async def test_whatever_operators_and_the_line_do_the_call_ends_once_and_its_turns_are_in_order(
    seed: int, autojump_clock: object
) -> None:
    chance = random.Random(seed)
    words = ["one two three", "", "four", "five six seven eight"] * 10
    stage = Stage(
        ear=words,
        mind=["Here is a reply of some length. It has two phrases.", "{book} Done.", "...", "Short."] * 8,
        agent={"greeting": "Hello and welcome.", "limits": {"silence": 3.0, "thinking": 4.0, "call": 60.0}},
        bounds=PATIENT,
        wire=FakeWire(clears=seed % 2 == 0, marks=seed % 3 == 0, presses=seed % 5 == 0),
    )

    def say(stage: Stage) -> None:
        with suppress(Full):
            stage.call.say("An operator speaks.", interrupt=chance.random() < 0.3)

    def press(stage: Stage) -> None:
        with suppress(Full):
            stage.call.press("12")

    acts = [
        drop,
        Stage.rejoin,
        Stage.rejoin,
        say,
        press,
        says(0.3),
        says(1.2),
        lambda s: s.call.mute(True),
        lambda s: s.call.mute(False),
        lambda s: s.call.pause(True),
        lambda s: s.call.pause(False),
        lambda s: s.line.tell("digit 4"),
        lambda s: s.line.tell("digit #"),
    ]
    cues = [(chance.uniform(0.1, 50.0), chance.choice(acts)) for _ in range(120)]
    before = trio.lowlevel.current_statistics().tasks_living
    start = trio.current_time()
    await stage.play(*cues, until=70)
    assert trio.lowlevel.current_statistics().tasks_living == before
    # The limit of the whole call and its last words, whatever stood still.
    assert trio.current_time() - start < 70
    begun = [event.turn for event in stage.all(t.TurnBegan)]
    ended = [event.turn for event in stage.all(t.TurnEnded)]
    assert begun == ended == list(range(1, len(begun) + 1))
    assert len(stage.all(t.TurnGone)) == len(begun)
    assert len(stage.all(t.CallEnded)) == 1
    assert isinstance(stage.records[-1].event, t.CallEnded)
    assert stage.all(t.ChildFailed) == []
    for turn in stage.all(t.TurnEnded):
        # In its order, and nothing that was not said; what was muted is left out.
        rest = iter(turn.said.split())
        assert all(word in rest for word in turn.heard.split())
