"""Lines that send nothing while their caller is silent, and lines that stutter: what was said is what is heard."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from desk import BEAT, SILENT, House
from stage import Stage, says, speech

from parlance.actors.media.actor import Bounds
from parlance.actors.media.fake import FakeLine
from parlance.engine import trace as t


def suppressing(line: FakeLine) -> None:
    """The far end sends frames with sound in them and no others."""
    tell = line.tell
    line.tell = lambda message: None if message == SILENT else tell(message)  # type: ignore[method-assign]


def stuttering(seconds: float) -> Callable[[FakeLine], None]:
    """The far end's frames come in bursts, each as late as that at the most, and marks with them."""

    def stutter(line: FakeLine) -> None:
        tell, kept = line.tell, []

        def late(message: str | bytes) -> None:
            kept.append(message)
            if len(kept) >= seconds / BEAT:
                for each in kept:
                    tell(each)
                kept.clear()

        line.tell = late  # type: ignore[method-assign]

    return stutter


async def heard(change: Callable[[FakeLine], None] | None) -> Stage:
    """A conversation with pauses of every length, and a minute of silence in it."""
    stage = Stage(
        ear=["first part of it", "second part", "third"],
        mind=["Yes, of course.", "Good.", "Done."],
        agent={"limits": {"silence": 100.0}},
        bounds=Bounds(silence=100.0),
    )
    if change is not None:
        change(stage.line)
    await stage.play((1.0, says(1.2)), (7.0, says(1.6)), (75.0, says(0.8)), until=80)
    return stage


@pytest.mark.parametrize(
    "change", [suppressing, stuttering(0.1), stuttering(0.3)], ids=["no silence", "100 ms", "300 ms"]
)
async def test_the_same_is_heard_as_on_a_good_line(change: Callable[[FakeLine], None], autojump_clock: object) -> None:
    good, poor = await heard(None), await heard(change)
    finals = [said.text for said in good.all(t.CallerSaid) if said.final]
    assert finals == ["first part of it", "second part", "third"]
    assert [said.text for said in poor.all(t.CallerSaid) if said.final] == finals
    assert [line.text for line in poor.history.lines()] == [line.text for line in good.history.lines()]
    assert poor.all(t.LineFault) == []
    assert [ended.outcome for ended in poor.all(t.TurnEnded)] == ["played"] * 3
    late = [b.first_frame - g.first_frame for g, b in zip(good.all(t.TurnTimed), poor.all(t.TurnTimed), strict=True)]
    assert max(late) < 0.5, "and the answers are not much later"


async def test_a_line_that_stalls_in_mid_word_and_catches_up_ends_no_turn_too_early(autojump_clock: object) -> None:
    """Seven tenths of a second of nothing, then everything at once: what follows belongs to the same utterance."""
    pauses = {"least": 0.8, "most": 1.4}
    stage = Stage(ear=["i would like an appointment on monday"], mind=["Good."], agent={"endpointing": pauses})
    tell, kept = stage.line.tell, []

    def stall(stage: Stage) -> None:
        stage.line.tell = kept.append  # type: ignore[method-assign]

    def catch_up(stage: Stage) -> None:
        stage.line.tell = tell  # type: ignore[method-assign]
        for message in kept:
            tell(message)

    await stage.play((1.0, says(3.0)), (2.0, stall), (2.7, catch_up), until=9)
    assert [turn.words for turn in stage.all(t.TurnBegan)] == ["i would like an appointment on monday"]
    assert len([said for said in stage.all(t.CallerSaid) if said.final]) == 1


def test_a_breath_that_is_not_sent_does_not_end_an_utterance() -> None:
    house = House()
    for gap in (0.1, 0.2, 0.3, 0.4, 0.48):
        house.talk(speech(0.6))
        house.tick(round(gap / BEAT))
    began = [event for event in house.desk.told if event[0] == "began"]
    assert len(began) == 1
    assert not [event for event in house.desk.told if event[0] == "ended"]
    house.tick(30)
    ((_, at),) = [event for event in house.desk.told if event[0] == "ended"]
    assert at == pytest.approx(house.desk.now - 1.08, abs=0.15), "it ended when the last sound did"


def test_an_hour_of_silence_that_was_not_sent_is_no_debt_and_no_credit() -> None:
    house = House(silence=10_000)
    house.talk(SILENT * 50)
    house.tick(1)
    house.desk.now += 3600.0
    house.media.tick(house.desk.now)
    house.talk(SILENT * 500)
    assert house.desk.happened == []
    for _ in range(200):
        house.hear(SILENT)
    assert house.gone().reason == "audio arrives faster than real time", "an hour late, it may not catch up an hour"


@pytest.mark.parametrize("seed", range(5))
def test_gaps_and_bursts_at_random_are_never_too_fast(seed: int) -> None:
    """Any line that is late by two seconds at the most, and sends each frame once."""
    chance, house, owed = random.Random(seed), House(), 0
    for _ in range(3000):
        house.desk.now += BEAT
        house.media.tick(house.desk.now)
        owed += chance.random() < 0.9  # A tenth of the frames is suppressed.
        if chance.random() < 0.05 or owed >= 2 / BEAT:
            house.hear(*[SILENT] * owed)
            owed = 0
    assert house.desk.happened == []
    assert house.desk.all(t.LineFault) == []
