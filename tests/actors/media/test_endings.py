"""A line's ending and its interruption, on whole calls: one goodbye, one close, and a `clear` that nothing delays."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trio
from desk import FRAME, SILENT
from stage import Stage, says, speech

from parlance.actors.media.actor import Bounds
from parlance.actors.media.fake import FakeWire
from parlance.actors.media.port import Message
from parlance.engine import message as m
from parlance.engine import trace as t

# ----------------------------------------------------------------------------------------- interruption


async def test_between_the_frame_that_proves_speech_and_the_clear_nothing_else_runs(autojump_clock: object) -> None:
    stage = Stage(ear=["tell me everything"], mind=["There is so much to tell that I do not know where to begin."])
    seen: list[object] = []

    def cut_in(stage: Stage) -> None:
        # Not a coroutine: no other task can run before it returns.
        voice = speech(1.0)
        for at in range(0, 4 * FRAME, FRAME):
            stage.media.hear(voice[at : at + FRAME])
            seen.append((stage.call.state.agent.value, stage.line.sent[-1]))
        seen.append(stage.line._play() == SILENT)

    await stage.play((1.0, says(1.0)), (4.0, cut_in), until=4.1)
    assert [agent for agent, _ in seen[:4]] == ["speaking", "speaking", "held", "held"]  # type: ignore[misc]
    assert [sent for _, sent in seen[2:4]] == ["clear", "clear"]  # type: ignore[misc]
    assert seen[4] is True, "and the caller hears nothing more"
    assert stage.line.sent.count("clear") == 1


# --------------------------------------------------------------------------------------------- endings


def deluge(stage: Stage) -> None:
    for _ in range(400):
        stage.line.tell(SILENT)


def mumble(stage: Stage) -> None:
    for _ in range(11):
        stage.line.tell("nonsense")


def mute(stage: Stage) -> None:
    """The line goes on playing, and says nothing any more."""
    hear = stage.media.hear
    stage.line._hear = lambda message: None if isinstance(message, bytes) else hear(message)


def deafen(stage: Stage) -> None:
    stage.line.reads = False


def hang_up(stage: Stage) -> None:
    stage.call.close(m.How.COMPLETED, "agent hung up")


ENDINGS: dict[str, tuple[Callable[[Stage], object], int, str, str]] = {
    "caller hangs up": (lambda s: s.line.tell("stop caller hung up"), 1000, "caller hung up", "completed"),
    "line dropped": (lambda s: s.line.vanish(), 1000, "the line was dropped", "completed"),
    "page closed": (lambda s: s.line.vanish("gone away", 1001), 1001, "gone away", "completed"),
    "agent hangs up": (hang_up, 1000, "agent hung up", "completed"),
    "too fast": (deluge, 1008, "audio arrives faster than real time", "failed"),
    "bad messages": (mumble, 1008, "more than 10 bad messages", "failed"),
    "started twice": (lambda s: s.line.tell("start x"), 1008, "the call was started twice", "failed"),
    "no audio": (mute, 1008, "no audio from the line for 4 s", "failed"),
    "never reads": (deafen, 1008, "the other side does not read", "failed"),
}


@pytest.mark.parametrize("ending", ENDINGS)
async def test_every_ending_says_goodbye_and_closes_the_socket_once(ending: str, autojump_clock: object) -> None:
    act, code, reason, how = ENDINGS[ending]
    # Whoever does not read echoes no marks either, which would be noticed first.
    wire = FakeWire(marks=ending != "never reads")
    greeting = "Hello, " + "and again, " * 40 + "welcome."
    stage = Stage(agent={"greeting": greeting}, bounds=Bounds(silence=4.0), wire=wire)
    sent: list[Message] = []
    closed: list[tuple[int, str]] = []
    send, close = stage.line.send, stage.line.close

    def sending(data: Message) -> None:
        assert not closed, "sent after the close"
        sent.append(data)
        send(data)

    async def closing(code: int = 1000, reason: str = "") -> None:
        closed.append((code, reason))
        await close(code, reason)

    stage.line.send, stage.line.close = sending, closing  # type: ignore[method-assign]
    await stage.play((2.0, act), until=20.0)
    assert closed == [(code, reason)]
    assert sent[-1] == f"bye {reason}"
    assert [data for data in sent if isinstance(data, str)].count(f"bye {reason}") == 1
    (event,) = stage.all(t.CallEnded)
    assert (event.how, event.reason) == (how, reason)


async def test_a_socket_that_does_not_close_holds_the_call_for_a_second_at_most(autojump_clock: object) -> None:
    stage = Stage(agent={"greeting": "Hello."})

    async def closing(code: int = 1000, reason: str = "") -> None:
        await trio.sleep_forever()

    stage.line.close = closing  # type: ignore[method-assign]
    start = trio.current_time()
    await stage.play((2.0, lambda s: s.line.tell("stop enough")), until=20.0)
    assert trio.current_time() - start == pytest.approx(3.0, abs=0.05)
    assert len(stage.all(t.CallEnded)) == 1
