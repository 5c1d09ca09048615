"""What operators ask of a call, on whole calls: words, keys, mute and hold, and each at the wrong time."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import pytest
from stage import Stage, says, speech

from parlance.actors.media.fake import FakeWire
from parlance.actors.speaker.fake import FakeVoice
from parlance.codecs import tone
from parlance.codecs.format import TELEPHONE
from parlance.engine import message as m
from parlance.engine import trace as t
from parlance.engine.errors import Full
from parlance.engine.operator import SAYINGS

LONG = "There is so much to tell that I do not know where I should begin, or where to end."


def sound(stage: Stage) -> bytes:
    return bytes(stage.heard).replace(b"\xff", b"")


def shared(one: Iterable[int], other: Iterable[int]) -> int:
    """How long both are the same."""
    return len(list(itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))))


# -------------------------------------------------------------------------------------------------- say


async def test_what_an_operator_says_is_the_agent_s_line_in_the_history(autojump_clock: object) -> None:
    stage = Stage(ear=["hello", "stop"], mind=["Hi.", "Yes?"])
    wait = (5.0, lambda s: s.call.say("  One two three four five six seven eight.  "))
    await stage.play((1.0, says(0.8)), wait, (6.0, says(0.8)), until=12)
    lines = [(line.who, line.text) for line in stage.history.lines()]
    assert lines[:2] == [("caller", "hello"), ("agent", "Hi.")]
    assert lines[2][0] == "agent"
    assert "One two three four five six seven eight.".startswith(lines[2][1])
    assert lines[3:] == [("caller", "stop"), ("agent", "Yes?")]


async def test_so_much_may_wait_to_be_said_and_no_more(autojump_clock: object) -> None:
    stage = Stage(agent={"greeting": "One two three."})

    def fill(stage: Stage) -> None:
        for number in range(SAYINGS - 1):
            stage.call.say(f"Number {number}.")
        stage.call.press("1")
        with pytest.raises(Full, match="8 things wait"):
            stage.call.say("And this.")
        with pytest.raises(Full):
            stage.call.press("2")

    await stage.play((0.2, fill), until=30)
    said = [turn.said for turn in stage.all(t.TurnEnded)]
    assert said[: SAYINGS + 1] == ["One two three.", *(f"Number {number}." for number in range(SAYINGS - 1)), ""]
    assert [event.digits for event in stage.all(t.Pressed)] == ["1"], "what was refused was not pressed"


async def test_what_is_asked_before_the_call_runs_is_said_after_the_greeting(autojump_clock: object) -> None:
    stage = Stage(agent={"greeting": "Hello."})
    for _ in range(SAYINGS):
        stage.call.say("This call is recorded.")
    with pytest.raises(Full):
        stage.call.say("Too much.")
    await stage.play(until=3)
    assert [turn.cue for turn in stage.all(t.TurnBegan)][:2] == ["greeting", "say"]
    silent = Stage()
    silent.call.say("This call is recorded.")
    await silent.play(until=3)
    assert silent.all(t.TurnEnded)[0].heard == "This call is recorded."


async def test_an_operator_s_words_that_the_voice_cannot_say_fail_as_a_reply_does(autojump_clock: object) -> None:
    stage = Stage(voice=FakeVoice(fails=9))
    await stage.play((1.0, lambda s: s.call.say("Hello.")), until=30)
    assert stage.all(t.TurnEnded)[0].outcome != "played"
    (ended,) = stage.all(t.CallEnded)
    assert (ended.how, ended.by) == ("failed", "house")


async def test_a_call_that_has_ended_ignores_its_operators(autojump_clock: object) -> None:
    stage = Stage()
    await stage.play(until=1)
    count, sent = len(stage.records), list(stage.line.sent)
    stage.call.say("Hello?")
    stage.call.say("Hello?", interrupt=True)
    stage.call.mute(True)
    stage.call.pause(True)
    stage.call.press("1")
    stage.call.transfer("+331")
    stage.call.close(m.How.FAILED, "again", by=m.By.OPERATOR)
    assert (len(stage.records), stage.line.sent, stage.call.onward) == (count, sent, "")


@pytest.mark.parametrize("text", ["", "   "])
async def test_nothing_to_say_is_not_said(text: str, autojump_clock: object) -> None:
    stage = Stage()
    await stage.play((1.0, lambda s: s.call.say(text)), (1.5, lambda s: s.call.press("xyz")), until=3)
    assert stage.all(t.TurnBegan) == stage.all(t.Pressed) == []


# ------------------------------------------------------------------------------------------- mute and hold


@pytest.mark.parametrize("marks", [True, False], ids=["marks", "clock"])
async def test_a_muted_agent_is_silence_for_the_caller_and_nothing_in_the_history(
    marks: bool, autojump_clock: object
) -> None:
    stage = Stage(ear=["tell me everything"], mind=[LONG], wire=FakeWire(marks=marks))
    await stage.play(
        (1.0, says(1.0)), (4.0, lambda s: s.call.mute(True)), (5.0, lambda s: s.call.mute(False)), until=14
    )
    # From 0.1 s later on, for what was on its way.
    silent = bytes(stage.heard[round(4.06 * 8000) : round(4.94 * 8000)])
    assert silent.strip(b"\xff") == b""
    (ended,) = stage.all(t.TurnEnded)
    assert ended.outcome == "played", "the clock went on"
    heard, before = ended.heard, "There is so much"
    assert heard != LONG
    assert heard.startswith(before)
    assert heard.endswith("or where to end.")
    assert len(heard) == pytest.approx(len(LONG) - 15, abs=8), "a second of speech is missing"
    assert [line.text for line in stage.history.lines()][1] == heard


async def test_a_phrase_of_which_nothing_was_heard_was_not_spoken(autojump_clock: object) -> None:
    stage = Stage(ear=["hello"], mind=["One two three. Four five six. Seven eight nine."])
    await stage.play((1.0, says(0.8)), (3.0, lambda s: s.call.mute(True)), (4.4, lambda s: s.call.mute(False)), until=9)
    assert [event.text for event in stage.all(t.Spoken)] == ["One two three.", "Seven eight nine."]


async def test_a_call_that_is_muted_all_along_goes_on_and_nothing_of_it_was_heard(autojump_clock: object) -> None:
    stage = Stage(ear=["hello", "bye"], mind=["Hi there.", "{hang_up} Goodbye."])
    stage.call.mute(True)
    await stage.play((1.0, says(0.8)), (5.0, says(0.8)), until=20)
    assert sound(stage) == b""
    assert [turn.heard for turn in stage.all(t.TurnEnded)] == ["", ""]
    assert [line.who for line in stage.history.lines()] == ["caller"]
    assert stage.all(t.CallEnded)[0].by == "agent"


@pytest.mark.parametrize("clears", [True, False], ids=["clears", "no clear"])
async def test_on_hold_the_caller_hears_nothing_and_then_every_sample_of_the_reply_once(
    clears: bool, autojump_clock: object
) -> None:
    def stage() -> Stage:
        return Stage(ear=["tell me everything"], mind=[LONG], wire=FakeWire(clears=clears, marks=clears))

    whole, held = stage(), stage()
    await whole.play((1.0, says(1.0)), until=14)
    await held.play(
        (1.0, says(1.0)),
        (4.0, lambda s: s.call.pause(True)),
        (4.5, lambda s: s.call.pause(True)),
        (6.0, lambda s: s.line.say(speech(2.0))),
        (34.0, lambda s: s.call.pause(False)),
        until=41,
    )
    # Held between two beats, of which the ear's clock and ours may each have begun another one.
    one, other = sound(held), sound(whole)
    assert abs(len(one) - len(other)) <= 160
    assert shared(one, other) + shared(reversed(one), reversed(other)) >= len(other) - 160
    assert bytes(held.heard[round(4.4 * 8000) : round(33.9 * 8000)]).strip(b"\xff") == b""
    assert [line.text for line in held.history.lines()] == ["tell me everything", LONG]
    assert [event.on for event in held.all(t.Paused)] == [True, False], "asking twice changes nothing"
    assert held.all(t.CallerBegan) == held.all(t.CallerBegan)[:1], "nobody listened to him"


async def test_a_line_that_sends_nothing_on_hold_is_not_given_up(autojump_clock: object) -> None:
    stage = Stage()

    def mute(stage: Stage) -> None:
        hear = stage.media.hear
        stage.line._hear = lambda message: None if isinstance(message, bytes) else hear(message)

    def unmute(stage: Stage) -> None:
        stage.line._hear = stage.media.hear
        stage.call.pause(False)

    await stage.play((1.0, lambda s: s.call.pause(True)), (1.1, mute), (60.0, unmute), until=65)
    assert stage.all(t.CallEnded) == [t.CallEnded("completed", "caller hung up", "caller")]


async def test_what_the_caller_was_saying_when_he_was_put_on_hold_is_answered_when_he_is_back(
    autojump_clock: object,
) -> None:
    stage = Stage(ear=["i would like"], mind=["What would you like?"])
    await stage.play(
        (1.0, says(3.0)), (2.0, lambda s: s.call.pause(True)), (9.0, lambda s: s.call.pause(False)), until=14
    )
    assert stage.all(t.TurnBegan)[0].words == "i would like"
    assert stage.at(t.Spoken)[0] == pytest.approx(9.0, abs=0.05), "the answer was ready"


# ------------------------------------------------------------------------------------------------- press


async def test_keys_are_sounded_in_a_turn_of_their_own_and_are_not_in_the_history(autojump_clock: object) -> None:
    stage = Stage(agent={"greeting": "One two."})
    await stage.play((0.2, lambda s: s.call.press("19*#")), until=4)
    audio, detector = bytes(stage.heard), tone.Detector(TELEPHONE)
    assert "".join(detector.feed(audio[at : at + 160]) for at in range(0, len(audio), 160)) == "19*#"
    assert [line.text for line in stage.history.lines()] == ["One two."]
    greeting, keys = stage.all(t.TurnEnded)
    assert (greeting.outcome, keys.outcome, keys.heard_seconds) == ("played", "played", 0.8)


async def test_a_carrier_that_presses_keys_itself_is_told_at_once(autojump_clock: object) -> None:
    stage = Stage(agent={"greeting": LONG}, wire=FakeWire(presses=True))
    await stage.play((1.0, lambda s: s.call.press("1 a#!")), until=2)
    assert "press 1A#" in stage.line.sent
    assert len(stage.all(t.TurnBegan)) == 1
    assert stage.all(t.Pressed) == [t.Pressed("1A#")]


# ----------------------------------------------------------------------------------------------- keys in


async def test_tones_in_the_audio_are_keys_where_the_line_does_not_name_them(autojump_clock: object) -> None:
    stage = Stage(mind=["Thank you."], wire=FakeWire(digits=False))
    await stage.play((1.0, lambda s: s.line.say(tone.keys("42#", TELEPHONE))), until=6)
    assert [event.digit for event in stage.all(t.DigitPressed)] == list("42#")
    assert [turn.words for turn in stage.all(t.TurnBegan)] == ["42"]
    assert stage.all(t.CallerBegan) == [], "and they are no speech"
    named = Stage()
    await named.play((1.0, lambda s: s.line.say(tone.keys("42#", TELEPHONE))), until=6)
    assert named.all(t.DigitPressed) == [], "a line that names them would name them too"


async def test_a_caller_who_types_slowly_is_not_asked_whether_he_is_there(autojump_clock: object) -> None:
    stage = Stage(mind=["Thank you."], agent={"limits": {"silence": 3.0}})
    press = [(1.0 + 1.5 * at, lambda s: s.line.tell("digit 7")) for at in range(6)]
    await stage.play(*press, until=12)
    assert next(turn.words for turn in stage.all(t.TurnBegan)) == "7" * 6


async def test_keys_end_a_hold_and_a_thought_as_words_do(autojump_clock: object) -> None:
    stage = Stage(ear=["hello"], mind=["...", "Thank you."])
    press = [(at, lambda s, d=d: s.line.tell(f"digit {d}")) for at, d in ((3.0, "1"), (3.2, "#"))]
    await stage.play((1.0, says(0.8)), *press, until=8)
    assert [turn.outcome for turn in stage.all(t.TurnEnded)][:1] == ["superseded"]
    assert next(line.text for line in stage.history.lines()) == "hello 1"
