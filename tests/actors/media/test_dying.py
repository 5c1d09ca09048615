"""Lines that die some time before their socket does: what was sent to nobody is said again, and is not history."""

from __future__ import annotations

import pytest
from stage import Stage, says

from parlance.actors.media.actor import Bounds
from parlance.actors.media.fake import FakeWire
from parlance.actors.media.pace import Pace
from parlance.engine import trace as t

LONG = "There is so much to tell that I do not know where I should begin, or where to end."
PATIENT = Bounds(reconnect=5.0)


def sound(stage: Stage) -> bytes:
    return bytes(stage.heard).replace(b"\xff", b"")


def die(stage: Stage) -> None:
    """The far end hears nothing and says nothing any more; nobody tells us."""
    stage.metronome.leave(stage.line)


def drop(stage: Stage) -> None:
    stage.line.vanish(code=1006)


@pytest.mark.parametrize("clears", [True, False], ids=["clears", "no clear"])
@pytest.mark.parametrize("silent", [0.5, 1.5, 3.0])
async def test_a_reply_goes_on_where_the_line_died_not_where_its_socket_did(
    clears: bool, silent: float, autojump_clock: object
) -> None:
    def stage() -> Stage:
        return Stage(ear=["hi"], mind=[LONG], bounds=PATIENT, wire=FakeWire(clears=clears, marks=False))

    whole, broken = stage(), stage()
    await whole.play((1.0, says(0.8)), until=14)
    await broken.play((1.0, says(0.8)), (3.5, die), (3.5 + silent, drop), (8.0, Stage.rejoin), until=20)
    # What the line may have lived on for after its last sign of life counts as heard.
    assert 0 <= len(sound(whole)) - len(sound(broken)) <= 0.1 * 8000 + 160
    assert [line.text for line in broken.history.lines()] == ["hi", LONG]


async def test_what_a_dead_line_did_not_play_is_not_in_the_history(autojump_clock: object) -> None:
    def stage() -> Stage:
        return Stage(ear=["hi"], mind=[LONG], bounds=PATIENT, wire=FakeWire(marks=False))

    gone, alive = stage(), stage()
    await gone.play((1.0, says(0.8)), (3.5, die), (5.5, drop), until=20)
    await alive.play((1.0, says(0.8)), (3.6, drop), until=20)
    assert gone.history.lines()[-1].text == alive.history.lines()[-1].text
    assert gone.history.lines()[-1].text != LONG
    assert gone.all(t.CallEnded) == [t.CallEnded("completed", "the line was dropped", "carrier")]


async def test_a_line_that_is_lost_just_after_the_caller_was_put_on_hold_has_lost_what_was_on_its_way(
    autojump_clock: object,
) -> None:
    def stage() -> Stage:
        return Stage(ear=["hi"], mind=[LONG], bounds=PATIENT, wire=FakeWire(clears=False, marks=False))

    whole, held = stage(), stage()
    await whole.play((1.0, says(0.8)), until=14)
    back = (6.0, lambda s: s.call.pause(False))
    await held.play(
        (1.0, says(0.8)), (3.5, lambda s: s.call.pause(True)), (3.54, drop), (5.0, Stage.rejoin), back, until=14
    )
    assert abs(len(sound(whole)) - len(sound(held))) <= 160
    assert held.history.lines()[-1].text == LONG


def test_audio_and_marks_are_signs_of_life() -> None:
    pace = Pace(8000)
    pace.audio(160, 1.0)
    assert pace.alive == 1.0
    pace.signal(2.0)
    assert pace.alive == 2.0
    pace.audio(160, 3.0)
    assert pace.alive == 3.0
