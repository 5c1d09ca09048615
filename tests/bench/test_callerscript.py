"""What callers are told, what they say, and when."""

from __future__ import annotations

from typing import Any

import pytest

from bench.callers.script import COUGH, LENGTH, SHORT, TURN, Edge, Script, Sheet, plan
from bench.callers.spec import BadSpec, Spec, read
from bench.callers.speech import NoSpeech, Speech, level, speech
from parlance.actors.media.gate import Gate, Verdict
from parlance.codecs.format import TELEPHONE


@pytest.fixture(scope="module")
def clips() -> Speech:
    return speech(TURN, SHORT, COUGH)


@pytest.fixture(scope="module")
def sheet(clips: Speech) -> Sheet:
    return Sheet(clips, 4000, lambda place, frame: b"%d " % place + frame)


# ------------------------------------------------------------------------------------------------ speech


def test_a_clip_is_speech_from_its_first_frame_to_its_last(clips: Speech) -> None:
    assert min(len(clips.long), len(clips.short)) >= 3
    for clip, length in [(clip, TURN) for clip in clips.long] + [(clip, SHORT) for clip in clips.short]:
        assert len(clip) == length
        assert min(level(clip[0]), level(clip[-1])) > -35
        gate, verdicts = Gate(TELEPHONE), []
        for number, frame in enumerate([*clips.noise, *clip, *clips.noise], 1 - len(clips.noise)):
            if (verdict := gate.judge(frame, number * 0.02)) is not None:
                verdicts.append(verdict)
        assert verdicts == [Verdict.BEGAN, Verdict.ENDED], "it is one utterance"
        assert gate.began == pytest.approx(0)
        assert gate.ended == pytest.approx(length * 0.02)


def test_noise_is_faint_and_a_cough_is_heard(clips: Speech) -> None:
    assert all(level(frame) < -70 for frame in clips.noise)
    assert len(clips.cough) * 0.02 == pytest.approx(0.24)
    assert all(level(frame) > -30 for frame in clips.cough)


def test_without_recordings_there_is_one_clear_line(tmp_path: Any) -> None:
    with pytest.raises(NoSpeech, match=r"no recording in .* has 1500 ms of speech"):
        speech(TURN, SHORT, COUGH, folder=tmp_path)


# ------------------------------------------------------------------------------------------------ script


def scripted(sheet: Sheet, line: int = 0, lines: int = 1, *, mix: str = "conversation", dial: int = 0) -> Script:
    return plan(sheet, line, lines, dial=dial, periods=2700, mix=mix, seed=1)


def test_the_pattern_has_four_turns_of_which_one_cuts_in(sheet: Sheet) -> None:
    first, second, third, fourth, again = scripted(sheet).utterances[:5]
    assert [one.kind for one in (first, second, third, fourth)] == ["turn", "barge-in", "turn", "turn"]
    assert (first.last - first.first + 1) * 0.02 == pytest.approx(1.5)
    assert (second.first - first.last - 1) * 0.02 == pytest.approx(2.2)
    assert (second.last - second.first + 1) * 0.02 == pytest.approx(1.3)
    assert (third.first - second.last - 1) * 0.02 == pytest.approx(5.5)
    assert (fourth.first - third.last - 1) * 0.02 == pytest.approx(5.5)
    assert again.first - first.first == LENGTH


@pytest.mark.parametrize("mix", ["conversation", "rough"])
def test_speech_is_sent_in_utterances_and_noise_elsewhere(sheet: Sheet, clips: Speech, mix: str) -> None:
    for line in range(20):
        script = scripted(sheet, line, 20, mix=mix, dial=line)
        talking = {period for one in script.utterances for period in range(one.first, one.last + 1)}
        for period, message in enumerate(script.messages):
            place, _, frame = message.partition(b" ")
            assert int(place) == period + line * LENGTH // 20
            assert frame == script.sound(period)
            assert (frame in clips.noise) == (period not in talking)


def test_lines_are_spread_over_the_pattern_and_share_their_messages(sheet: Sheet) -> None:
    scripts = [scripted(sheet, line, 10) for line in range(10)]
    talking = [sum(any(u.first <= at <= u.last for u in s.utterances) for s in scripts) for at in range(1300, 2500)]
    assert max(talking) <= 4
    assert scripts[0].messages[1275] is scripts[1].messages[1275 - 127]


def test_nobody_speaks_before_being_connected_or_cuts_into_what_was_not_said(sheet: Sheet) -> None:
    for line in range(25):
        script = scripted(sheet, line, 25, dial=100)
        assert script.utterances[0].first >= 125
        assert script.utterances[0].kind == "turn"


def test_the_rough_mix_has_coughs_silence_and_hang_ups(sheet: Sheet) -> None:
    scripts = [scripted(sheet, line, 20, mix="rough") for line in range(20)]
    coughs = [one for script in scripts for one in script.utterances if one.kind == "cough"]
    turns = [one for script in scripts for one in script.utterances if one.kind == "turn"]
    plain = [one for line in range(20) for one in scripted(sheet, line, 20).utterances if one.kind == "turn"]
    assert coughs
    assert len(turns) < len(plain)
    for script in scripts:
        kinds = [edge for _, edge, _ in script.edges if edge in (Edge.DIAL, Edge.HANG_UP)]
        assert kinds == [Edge.DIAL, Edge.HANG_UP] * (len(kinds) // 2) + [Edge.DIAL]
        downs = [period for period, edge, _ in script.edges if edge is Edge.HANG_UP]
        ups = [period for period, edge, _ in script.edges if edge is Edge.DIAL][1:]
        assert [up - down for down, up in zip(downs, ups, strict=True)] == [25] * len(downs)
        for one in script.utterances:
            assert not any(one.first <= down <= one.last for down in downs)
    assert any(edge is Edge.HANG_UP for script in scripts for _, edge, _ in script.edges)
    assert scripts[3].edges == scripted(sheet, 3, 20, mix="rough").edges, "the same seed, the same run"


def test_the_spec_of_the_contract_is_taken() -> None:
    spec = read(
        '{"url": "ws://127.0.0.1:8080/api/v1/media/twilio", "agent": "rehearsal", "calls": 100, "ramp": 5.0, '
        '"seconds": 45.0, "mix": "rough", "seed": 1, "budget": {"end_of_turn": 0.3, "providers": 0.22}, '
        '"patience": 3.0, "waveform": true, "arrival": "at once", "hold": "run"}'
    )
    assert isinstance(spec, Spec)
    assert (spec.calls, spec.budget.providers, spec.arrival) == (100, 0.22, "at once")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "the spec is wrong"),
        ("[]", "the spec is wrong"),
        ('{"calls": 2}', "url: Field required"),
        ('{"url": "wss://x/", "calls": 1}', "not the address of an unencrypted WebSocket"),
        ('{"url": "ws://x:nine/"}', "url"),
        ('{"url": "ws://x/", "calls": 0, "mix": "wild"}', "calls: Input should be greater"),
        ('{"url": "ws://x/", "cals": 3}', "cals: Extra inputs"),
    ],
)
def test_a_wrong_spec_is_told_in_one_line(text: str, fault: str) -> None:
    with pytest.raises(BadSpec) as told:
        read(text)
    assert fault in str(told.value)
    assert "\n" not in str(told.value)
