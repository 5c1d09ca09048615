"""A barge-in at every checkpoint of a turn, in turn: whatever the engine was doing, the same must hold.

A Trio instrument counts the steps of a turn in one run; then the turn is played again once for every step, and the
caller cuts in exactly there.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trio
from stage import Stage, says

from parlance.actors.media.port import Message
from parlance.engine import trace as t

EAR = ["tell me everything", "stop please"]
MIND = ["There is so much to tell. I do not know where I should begin, or where to end.", "I stop."]
BEGIN, END = 2.5, 7.0


class AtStep(trio.abc.Instrument):
    """Calls `act` after scheduler step number `step` of the time between `BEGIN` and `END`."""

    def __init__(self, step: int | None, act: Callable[[], None] = lambda: None) -> None:
        self.step, self.act = step, act
        self.count = 0
        self.error: BaseException | None = None

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        if not BEGIN <= trio.current_time() - self.start <= END:
            return
        self.count += 1
        if self.count == self.step:
            try:
                self.act()
            except BaseException as error:  # Trio would only log it and go on.
                self.error = error

    start = 0.0


async def play(step: int | None) -> tuple[Stage, list[str], AtStep]:
    """One run: the stage, everything the line was sent in order ('audio', 'clear', 'turn N'), and the instrument."""
    stage = Stage(ear=EAR[:1], mind=MIND)
    sent: list[str] = []
    inner = stage.line.send

    def send(data: Message) -> None:
        sent.append("audio" if isinstance(data, bytes) else data.split()[0])
        inner(data)

    stage.line.send = send  # type: ignore[method-assign]

    def note(record: t.Record) -> None:
        if isinstance(record.event, t.TurnBegan):
            sent.append(f"turn {record.event.turn}")
        elif isinstance(record.event, t.TurnEnded):
            sent.append(f"end {record.event.turn}")

    stage.call.trace.sinks.append(note)

    def cut_in() -> None:
        now = stage.call.clock()
        stage.call.voice_began(now - 0.06)
        stage.call.words("stop please", 99)
        stage.call.voice_ended(now + 0.5)

    instrument = AtStep(step, cut_in)
    instrument.start = trio.current_time()
    trio.lowlevel.add_instrument(instrument)
    try:
        await stage.play((1.0, says(1.0)), until=12)
    finally:
        trio.lowlevel.remove_instrument(instrument)
    if instrument.error is not None:
        raise instrument.error
    return stage, sent, instrument


def check(stage: Stage, sent: list[str]) -> None:
    began = [event.turn for event in stage.all(t.TurnBegan)]
    ended = stage.all(t.TurnEnded)
    assert [event.turn for event in ended] == began, "one end for each turn"
    assert sorted(event.turn for event in stage.all(t.TurnGone)) == began, "nothing works for a turn that has ended"
    for event in ended:
        assert event.said.startswith(event.heard), f"{event.heard!r} is no part of {event.said!r}"
        assert (event.outcome == "played") <= (event.heard == event.said)
    talking = False
    for what in sent:
        if what.startswith("turn"):
            talking = True
        elif what.startswith("end"):
            talking = False
        elif what == "audio":
            assert talking, "audio of a turn that has ended"
    agent_lines = [line.text for line in stage.history.lines() if line.who == "agent"]
    assert agent_lines == [event.heard for event in ended if event.heard], "history is what was heard"
    assert len(stage.all(t.CallEnded)) == 1


async def test_a_turn_nobody_interrupts_has_steps_to_interrupt(autojump_clock: object) -> None:
    stage, sent, instrument = await play(None)
    check(stage, sent)
    assert stage.all(t.TurnEnded)[0].outcome == "played"
    assert instrument.count > 200


@pytest.mark.parametrize("part", range(4))
async def test_barge_in_at_every_checkpoint(part: int, autojump_clock: object) -> None:
    _, _, counted = await play(None)
    outcomes = set()
    for step in range(1 + part, counted.count, 4):
        before = trio.lowlevel.current_statistics().tasks_living
        stage, sent, _ = await play(step)
        check(stage, sent)
        outcomes.add(stage.all(t.TurnEnded)[0].outcome)
        assert trio.lowlevel.current_statistics().tasks_living == before
    assert "interrupted" in outcomes


async def test_after_a_hold_the_reply_goes_on_at_the_sample_where_it_stopped(autojump_clock: object) -> None:
    reply = ["tell me everything"], ["There is so much to tell that I do not know where I should begin."]
    whole = Stage(ear=reply[0], mind=reply[1])
    await whole.play((1.0, says(1.0)), until=10)
    held = Stage(ear=[*reply[0], ""], mind=reply[1])
    await held.play((1.0, says(1.0)), (4.0, says(0.24)), until=10)
    assert held.all(t.Held)
    assert held.all(t.Resumed)
    silence = bytes([held.wire.format.silence[0]])
    assert squeeze(held.heard, silence) == squeeze(whole.heard, silence), "every sample heard once, in order"


def squeeze(audio: bytearray, silence: bytes) -> bytes:
    """The audio without the silent frames before, within and after it."""
    frames = (bytes(audio[i : i + 160]) for i in range(0, len(audio), 160))
    return b"".join(frame for frame in frames if frame.strip(silence))
