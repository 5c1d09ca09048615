"""What is concluded from a record: every fault that the bench must find, found in a record that has it."""

from __future__ import annotations

from base64 import b64encode

import numpy as np
import pytest

from bench.callers.ear import Ear, samples
from bench.measure.figures import distribution, thinned
from bench.measure.record import Record, Run, Said
from bench.measure.result import judged, result
from bench.measure.track import Track
from bench.measure.wave import wave
from parlance.codecs import mulaw, pcm

REPLY = 3.4
TONE = mulaw.encode(pcm.rounded(3000 * np.sin(2 * np.pi * 440 * np.arange(8000) / 8000)))
SILENCE = b"\xff" * 8000


def sound(seconds: float, source: bytes = TONE) -> bytes:
    count = round(seconds * 8000)
    return (source * (count // len(source) + 1))[:count]


def play(ear: Ear, at: float, seconds: float, source: bytes = TONE) -> None:
    """`seconds` of audio in messages of 60 ms, each arriving when it is due."""
    whole = sound(seconds, source)
    for number, first in enumerate(range(0, len(whole), 480)):
        ear.media(at + number * 0.06, b64encode(whole[first : first + 480]))


def call(*said: Said) -> tuple[Record, Ear]:
    record = Record(0, dialed=0.0, started=0.01, said=list(said))
    return record, Ear(record)


def run(*records: Record, end: float = 60.0, late: float = 0.0005, **more: object) -> Run:
    return Run(list(records), 0.0, end, [late] * 1000, 0.1, 0, **more)  # type: ignore[arg-type]


def concluded(*records: Record, **more: object) -> dict[str, dict[str, float]]:
    of = run(*records, **more)
    return result(of, judged(of), None)


def turn(begin: float) -> Said:
    return Said("turn", begin, begin + 1.5)


def answered(calls: int = 1, reply: float = REPLY) -> list[Record]:
    """Calls with one turn each that ends at 2.5 s and is answered at 3.1 s."""
    records = []
    for _ in range(calls):
        record, ear = call(turn(1.0))
        play(ear, 3.1, reply)
        records.append(record)
    return records


def barge_in(clear: float | None) -> Record:
    """A turn, a reply from 3.1 s on, a barge-in at 4.7 s, its `clear` after `clear` seconds, and the reply to it."""
    record, ear = call(turn(1.0), Said("barge-in", 4.7, 6.0))
    play(ear, 3.1, 1.62)
    if clear is None:
        play(ear, 3.1 + 1.62, REPLY - 1.62)
    else:
        play(ear, 3.1 + 1.62, 0.18)
        ear.clear(4.7 + clear)
        play(ear, 6.6, REPLY)
    return record


def test_an_answered_turn_and_its_own_share() -> None:
    found = concluded(*answered())
    assert found["turns"]["asked"] == found["turns"]["answered"] == 1
    assert found["turns"]["failed"] == 0
    assert found["response_ms"]["p50"] == pytest.approx(600, abs=0.01)
    assert found["own_ms"]["p50"] == pytest.approx(600 - 300 - 310, abs=0.01)
    found = concluded(*answered(), end_of_turn=0.25, providers=0.3)
    assert found["own_ms"]["p50"] == pytest.approx(50, abs=0.01)
    assert found["gaps"] == {"count": 0, "worst_ms": None}


def test_silence_before_the_first_sound_is_no_answer() -> None:
    record, ear = call(turn(1.0))
    play(ear, 3.1, 0.48, SILENCE)
    play(ear, 3.58, REPLY)
    assert concluded(record)["response_ms"]["p50"] == pytest.approx(1080, abs=0.01)


def test_an_agent_that_talks_on_has_not_answered() -> None:
    record, ear = call(turn(1.0))
    play(ear, 2.0, 1.0)  # it began before the caller had ended, and it has no pause
    found = concluded(record)
    assert found["turns"] | {"answered": 0, "failed": 1} == found["turns"]


def test_no_answer_within_the_patience_is_a_failed_turn_and_two_make_a_stuck_call() -> None:
    silent, _ = call(turn(1.0), turn(8.5))
    late, ear = call(turn(1.0))
    play(ear, 5.6, REPLY)
    found = concluded(silent, late)
    assert found["turns"] | {"asked": 3, "answered": 0, "failed": 3} == found["turns"]
    assert found["calls"]["stuck"] == 1


def test_only_turns_that_can_be_answered_in_the_window_are_asked() -> None:
    record, _ = call(turn(-2.0), turn(5.6), turn(9.0))
    assert concluded(record, end=10.0)["turns"]["asked"] == 0
    assert concluded(record, end=10.2)["turns"]["asked"] == 1
    record.ended, record.by = 9.0, "us"
    assert concluded(record, end=60.0)["turns"]["asked"] == 0
    record.ended, record.by = 7.5, "server"
    found = concluded(record, end=60.0)
    assert found["turns"]["failed"] == found["turns"]["asked"] == 2
    assert found["calls"]["dropped"] == 1


def test_a_gap_is_found() -> None:
    record, ear = call(turn(1.0))
    play(ear, 3.1, 1.2)
    play(ear, 4.3 + 0.045, REPLY - 1.2)
    found = concluded(record)
    assert found["gaps"] == {"count": 1, "worst_ms": pytest.approx(45, abs=0.01)}
    assert found["turns"]["failed"] == 0


@pytest.mark.parametrize("pause", [0.019, 1.6])
def test_a_short_pause_and_the_end_of_a_reply_are_no_gaps(pause: float) -> None:
    record, ear = call(turn(1.0))
    play(ear, 3.1, 1.2)
    play(ear, 4.3 + pause, REPLY - 1.2)
    assert concluded(record)["gaps"]["count"] == 0


def test_a_pause_while_the_callers_were_not_awake_is_no_gap_and_a_figure_of_then_is_not_taken() -> None:
    record, ear = call(turn(1.0))
    play(ear, 3.1, 1.2)
    play(ear, 4.3 + 0.045, REPLY - 1.2)
    assert concluded(record, stalls=[(4.31, 4.345)])["gaps"]["count"] == 0
    assert concluded(record, stalls=[(4.34, 4.345)])["gaps"] == {"count": 1, "worst_ms": pytest.approx(40, abs=0.01)}
    found = concluded(record, stalls=[(3.05, 3.099)])
    assert (found["response_ms"]["n"], found["turns"]["answered"], found["callers"]["spoiled"]) == (0, 1, 1)


def test_a_barge_in_is_measured_from_its_onset() -> None:
    found = concluded(barge_in(0.075))
    assert found["turns"] | {"asked": 2, "answered": 2, "failed": 0, "interrupted": 1, "uncleared": 0} == found["turns"]
    assert found["clear_ms"]["p50"] == pytest.approx(75, abs=0.01)
    assert found["silence_ms"]["p50"] == pytest.approx(75, abs=0.2)
    assert found["gaps"]["count"] == 0


@pytest.mark.parametrize("clear", [None, 1.1])
def test_a_missing_clear_is_found(clear: float | None) -> None:
    found = concluded(barge_in(clear))
    assert found["turns"]["uncleared"] == 1
    assert found["turns"]["failed"] == 1
    assert found["clear_ms"]["n"] == found["silence_ms"]["n"] == 0


def test_a_barge_in_into_silence_fails_the_turn_before_and_is_not_measured() -> None:
    record, ear = call(turn(1.0), Said("barge-in", 4.7, 6.0))
    ear.clear(4.75)
    play(ear, 6.6, REPLY)
    found = concluded(record)
    assert found["turns"] | {"asked": 2, "answered": 1, "failed": 1, "interrupted": 0, "uncleared": 0} == found["turns"]
    assert found["clear_ms"]["n"] == 0


def test_a_reply_cut_short_is_found() -> None:
    found = concluded(*answered(5), *answered(1, reply=2.6))
    assert found["turns"] | {"failed": 1, "cut_short": 1, "answered": 6} == found["turns"]
    assert concluded(*answered(5), *answered(1, reply=2.8))["turns"]["cut_short"] == 0
    assert concluded(*answered(6, reply=1.0))["turns"]["cut_short"] == 0, "usual is what replies in this run last"
    assert concluded(*answered(4, reply=1.0))["turns"]["cut_short"] == 4, "too few to say what is usual"


def test_a_reply_whose_end_was_not_observed_is_not_cut_short() -> None:
    record, ear = call(turn(1.0))
    play(ear, 3.1, 2.0)
    found = concluded(record, end=6.0)["turns"]
    assert (found["asked"], found["cut_short"], found["failed"]) == (1, 0, 0)
    record.ended, record.by = 6.0, "server"
    assert concluded(record, end=6.0)["turns"]["cut_short"] == 1


def coughed(*parts: tuple[float, float]) -> dict[str, float]:
    record, ear = call(turn(-4.0), turn(1.0), Said("cough", 4.3, 4.54))
    play(ear, -1.9, 2.0)
    play(ear, 3.1, 1.26)
    ear.clear(4.37)
    for at, seconds in parts:
        play(ear, at, seconds)
    found = concluded(record, *answered(5))
    assert found["gaps"]["count"] == 0, "to be held is no gap"
    return found["turns"]


def test_a_reply_that_goes_on_after_a_cough_is_told_from_another_one_and_from_none() -> None:
    names = ("coughs", "resumed", "restarted", "cut_short")
    assert [coughed((5.0, REPLY - 1.27))[name] for name in names] == [1, 1, 0, 0]
    assert [coughed((5.0, REPLY))[name] for name in names] == [1, 0, 1, 0]
    assert [coughed()[name] for name in names] == [1, 0, 0, 1]


def test_refused_dropped_and_half_answered_calls() -> None:
    soon = Record(0, 0.0, 0.1, 0.15, "server", "1013 all lines are taken")
    shut = Record(1, 0.0, None, 0.02, "server", "HTTP 503 Service Unavailable")
    half, ear = call()
    play(ear, 0.2, 0.5)
    half.ended, half.by, half.why = 1.9, "server", "1013 all lines are taken"
    dropped, _ = call()
    dropped.ended, dropped.by, dropped.why = 2.2, "server", "1011 internal error"
    ours, _ = call()
    ours.ended, ours.by = 0.5, "us"
    calls = concluded(soon, shut, half, dropped, ours)["calls"]
    assert calls | {"offered": 5, "admitted": 2, "refused": 3, "dropped": 1, "half_answered": 1, "stuck": 0} == calls
    assert calls["drops"] == {"1011 internal error": 1}
    assert calls["refusals"] == {"1013 all lines are taken": 2, "HTTP 503 Service Unavailable": 1}
    assert calls["refused_ms"] | {"n": 3, "p50": 50.0, "worst": 1890.0} == calls["refused_ms"]


def test_callers_that_were_late_make_the_run_void() -> None:
    assert concluded(*answered())["callers"]["void"] is None
    found = concluded(*answered(), late=0.0079)["callers"]
    assert found["void"] == "callers were late: p99 7.9 ms, limit 5 ms"
    assert found["late_ms"]["p99"] == 7.9


def test_jitter_is_how_far_a_message_is_from_the_end_of_the_one_before() -> None:
    record, ear = call(turn(1.0))
    for at in (3.1, 3.16, 3.25):
        ear.media(at, b64encode(sound(0.06)))
    jitter = concluded(record)["jitter_ms"]
    assert (jitter["n"], jitter["p50"], jitter["worst"]) == (2, pytest.approx(0, abs=0.01), pytest.approx(30, abs=0.01))


def test_a_track_is_exact_to_its_windows_across_messages() -> None:
    record, ear = call()
    ear.media(1.0, b64encode(sound(0.06)))
    ear.media(1.01, b64encode(sound(0.06, SILENCE)))  # plays at 1.06
    ear.media(1.02, b64encode(sound(0.055)))
    track = Track(record.pieces)
    assert track.spans == [pytest.approx((1.0, 1.06)), pytest.approx((1.12, 1.175))]
    assert track.sounding(1.05, 1.13) == pytest.approx(0.02)
    assert track.silent(1.03) == pytest.approx(1.175)
    assert track.onset(1.001) is None
    assert not track.audible(1.065, 1.115)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 160, 161, 162])
def test_samples_of_base64(size: int) -> None:
    assert samples(b64encode(bytes(size))) == size


def test_a_distribution_is_of_measured_values() -> None:
    figures = distribution([number / 1000 for number in range(1, 201)])
    assert figures == {"n": 200, "mean": 100.5, "p50": 100.0, "p90": 180.0, "p99": 198.0, "worst": 200.0}
    assert distribution([]) == {"n": 0, "mean": None, "p50": None, "p90": None, "p99": None, "worst": None}
    kept = thinned([number / 1000 for number in range(5000, 0, -1)])
    assert (len(kept), kept[0], kept[-1], kept == sorted(kept)) == (2000, 1.0, 5000.0, True)


def test_the_waveform_shows_both_tracks_and_what_happened() -> None:
    record = barge_in(0.075)
    of = run(record, end=20.0)
    shown = wave(of, judged(of), lambda line, at: TONE[:160] if 1.0 <= at < 2.5 else b"\xff" * 160)
    assert shown is not None
    assert (shown["seconds"], shown["rate"], len(shown["caller"]), len(shown["agent"])) == (20.0, 100, 2000, 2000)
    assert shown["caller"][150] == pytest.approx(3000 / 32768, abs=0.005)
    assert shown["caller"][50] == shown["agent"][50] == shown["agent"][500] == 0
    assert shown["agent"][400] > 0.08
    assert (shown["agent"][309], shown["agent"][311] > 0.08) == (0, True)
    assert {(event["what"], event["at"]) for event in shown["events"]} == {
        ("utterance", 1.0),
        ("answer", 3.1),
        ("barge-in", 4.7),
        ("clear", 4.775),
        ("silence", 4.775),
        ("answer", 6.6),
    }
