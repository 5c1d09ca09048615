"""Keys on whole calls: those an operator presses reach the other side, and those a caller presses are his words."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np
import pytest
from stage import Stage, says

from parlance.actors.media.actor import Bounds
from parlance.actors.media.fake import FakeLine, FakeWire
from parlance.codecs import mulaw, tone
from parlance.codecs.format import TELEPHONE, Format
from parlance.engine import trace as t

FRAME = TELEPHONE.frame
THANKS = "Thank you very much."
SENTENCE = "my customer number is the one that I have just typed in on my telephone"


def press(digits: str) -> Callable[[Stage], object]:
    return lambda stage: stage.call.press(digits)


def key(digit: str) -> Callable[[Stage], object]:
    return lambda stage: stage.line.tell(f"digit {digit}")


def sounded(stage: Stage) -> str:
    """The keys that the other side finds in what it heard."""
    audio, detector = bytes(stage.heard), tone.Detector(TELEPHONE)
    return "".join(detector.feed(audio[at : at + FRAME]) for at in range(0, len(audio), FRAME))


def asked(stage: Stage) -> list[tuple[str, str]]:
    return [(turn.cue, turn.words) for turn in stage.all(t.TurnBegan)]


# ------------------------------------------------------------------------------------ the operator's


@pytest.mark.parametrize("presses", [True, False], ids=["by the carrier", "as tones"])
async def test_keys_pressed_while_the_line_is_lost_are_sounded_when_it_is_back(
    presses: bool, autojump_clock: object
) -> None:
    stage = Stage(wire=FakeWire(presses=presses), bounds=Bounds(reconnect=5.0))
    lost = (1.0, lambda s: s.line.vanish(code=1006))
    await stage.play(lost, (2.0, press("12#")), (3.0, Stage.rejoin), until=6)
    assert sounded(stage) == "12#"
    assert stage.all(t.Pressed) == [t.Pressed("12#")]


async def test_a_muted_agent_s_keys_are_sounded_and_its_words_are_not(autojump_clock: object) -> None:
    stage = Stage()
    cues = [
        (1.0, lambda s: s.call.mute(True)),
        (1.5, press("123")),
        (1.8, lambda s: s.call.mute(False)),
        (1.9, lambda s: s.call.mute(True)),
        (3.0, lambda s: s.call.say(THANKS)),
        (6.0, press("4")),
    ]
    await stage.play(*cues, until=8)
    assert sounded(stage) == "1234"
    assert [turn.heard_seconds for turn in stage.all(t.TurnEnded)] == pytest.approx([0.6, 0.0, 0.2])
    assert stage.history.lines() == ()


async def test_words_that_interrupt_do_not_cut_a_number_in_half(autojump_clock: object) -> None:
    stage = Stage()
    await stage.play((1.0, press("0123456789")), (1.5, lambda s: s.call.say(THANKS, interrupt=True)), until=6)
    assert sounded(stage) == "0123456789"
    assert [(turn.outcome, turn.heard) for turn in stage.all(t.TurnEnded)] == [("played", ""), ("played", THANKS)]


@pytest.mark.parametrize("presses", [True, False], ids=["by the carrier", "as tones"])
async def test_no_keys_are_pressed_during_the_last_words_and_none_are_recorded(
    presses: bool, autojump_clock: object
) -> None:
    stage = Stage(wire=FakeWire(presses=presses))
    await stage.play((1.0, lambda s: s.call.drain()), (1.5, press("1")), until=9)
    assert sounded(stage) == ""
    assert stage.all(t.Pressed) == []
    assert "press 1" not in stage.line.sent


class Echoing(FakeLine):
    """A telephone's hybrid: a tenth of what it plays comes back, some frames later."""

    late = 0

    def __init__(self, line: Format, ear: Callable[[int, bytes], None]) -> None:
        super().__init__(line, ear=ear)
        self._way = deque([self._silence] * self.late)

    def _play(self) -> bytes:
        played = super()._play()
        self._way.append(mulaw.encode((np.frombuffer(mulaw.decode(played), "<i2") * 0.1).astype("<i2").tobytes()))
        back = self._way.popleft()
        if back.strip(b"\xff") and not self._speech:
            self.say(back)
        return played


@pytest.mark.parametrize("late", [0, 5, 12])
async def test_the_echo_of_our_own_keys_is_not_the_caller_s(late: int, autojump_clock: object) -> None:
    class Late(Echoing):
        pass

    Late.late = late

    class Far(Stage):
        def _far_end(self) -> FakeLine:
            return Late(self.wire.format, lambda _, audio: self.heard.extend(audio))

    stage = Far(wire=FakeWire(digits=False), mind=[THANKS])
    await stage.play((1.0, press("123")), (2.5, lambda s: s.line.say(tone.keys("7#", TELEPHONE))), until=6)
    assert sounded(stage) == "123"
    assert [event.digit for event in stage.all(t.DigitPressed)] == ["7", "#"], "his own are, soon after"


# -------------------------------------------------------------------------------------- the caller's


@pytest.mark.parametrize("noise", [2.0, 3.0], ids=["among the keys", "after them"])
async def test_who_presses_keys_is_not_asked_to_say_it_again_for_a_noise(noise: float, autojump_clock: object) -> None:
    stage = Stage(ear=[""], mind=[THANKS])
    keys = [(1.0, key("1")), (1.8, key("2")), (3.2, key("3"))]
    await stage.play(*keys, (noise, says(1.2)), until=9)
    assert asked(stage)[:1] == [("", "123")]


async def test_a_question_that_is_owed_waits_for_the_keys_that_are_being_pressed(autojump_clock: object) -> None:
    stage = Stage(ear=["hello", "hm"], mind=["...", THANKS])
    await stage.play((1.0, says(0.8)), (2.35, key("1")), (2.5, says(0.3)), until=10)
    assert asked(stage)[:2] == [("", "hello"), ("", "hm 1")]


@pytest.mark.parametrize(
    ("keys", "typed"),
    [
        ([(1.5, "7")], "7"),
        ([(1.5, "7"), (1.9, "#")], "7"),
        ([(3.0, "7"), (4.5, "8")], "78"),
        ([(5.2, "7")], "7"),
        ([(1.0, "7"), (4.5, "8")], "7 8"),
    ],
    ids=["in mid-sentence", "with a hash", "from then on", "just after it", "twice"],
)
async def test_what_is_said_and_what_is_typed_meanwhile_is_one_turn(
    keys: list[tuple[float, str]], typed: str, autojump_clock: object
) -> None:
    stage = Stage(ear=[SENTENCE], mind=[THANKS])
    await stage.play((1.0, says(4.0)), *((at, key(digit)) for at, digit in keys), until=13)
    assert asked(stage)[:1] == [("", f"{SENTENCE} {typed}")]
    assert stage.all(t.TurnEnded)[0].outcome == "played", "and it is answered once, without a stutter"
    finals = [said.text for said in stage.all(t.CallerSaid) if said.final]
    assert sorted(finals) == sorted([*typed.split(), SENTENCE])


async def test_an_operator_waits_for_a_sentence_in_which_keys_were_pressed(autojump_clock: object) -> None:
    stage = Stage(ear=["my number is that"], mind=[THANKS])
    say = (2.9, lambda s: s.call.say("One moment."))
    await stage.play((1.0, key("1")), (2.6, says(2.0)), say, until=12)
    assert asked(stage)[:2] == [("", "my number is that 1"), ("say", "")]


async def test_keys_do_not_wait_for_the_end_of_a_noise(autojump_clock: object) -> None:
    """Who stands beside a road presses keys because of it: his voice seems to go on for ever."""
    stage = Stage(ear=[""], mind=[THANKS], agent={"limits": {"transcript": 1.5}})
    await stage.play((1.0, says(20.0)), (2.0, key("4")), (2.5, key("2")), until=15)
    began = next(record.at for record in stage.records if isinstance(record.event, t.TurnBegan))
    assert asked(stage)[0] == ("", "42")
    assert began == pytest.approx(2.5 + 2.0 + 1.5, abs=0.05)


async def test_keys_that_wait_when_the_caller_is_put_on_hold_are_answered_with_his_words(
    autojump_clock: object,
) -> None:
    stage = Stage(ear=["my number is that"], mind=[THANKS])
    hold = [(3.8, lambda s: s.call.pause(True)), (8.0, lambda s: s.call.pause(False))]
    await stage.play((1.0, says(4.0)), (1.5, key("7")), *hold, until=12)
    assert asked(stage)[:1] == [("", "my number is that 7")]
