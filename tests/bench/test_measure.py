"""What is concluded from a record: every fault that the bench must find, found in a record that has it."""

from __future__ import annotations

from base64 import b64encode

import pytest
from records import REPLY, SILENCE, TONE, answered, barge_in, call, concluded, hear, play, run, sound, turn

from bench.callers.carrier import Carrier
from bench.measure.figures import distribution, thinned
from bench.measure.record import Record, Said
from bench.measure.result import judged
from bench.measure.track import Track
from bench.measure.wave import wave


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


@pytest.mark.parametrize(("heard", "pause"), [(1.2, 0.019), (0.92 * REPLY, 1.6)])
def test_a_short_pause_and_the_end_of_a_reply_are_no_gaps(heard: float, pause: float) -> None:
    record, ear = call(turn(1.0))
    play(ear, 3.1, heard)
    play(ear, 3.1 + heard + pause, REPLY - heard)
    assert concluded(record)["gaps"]["count"] == 0


def test_a_freeze_in_mid_reply_is_a_gap_however_long() -> None:
    record, ear = call(turn(1.0))
    play(ear, 3.1, 1.2)
    play(ear, 4.3 + 4.0, REPLY - 1.2)
    assert concluded(record)["gaps"] == {"count": 1, "worst_ms": pytest.approx(4000, abs=0.01)}


def test_a_reply_that_sounds_on_into_the_next_utterance_has_overrun() -> None:
    record, ear = call(turn(1.0), turn(8.0))
    play(ear, 3.1, 1.2)
    play(ear, 6.0, REPLY - 1.2)
    play(ear, 10.1, REPLY)
    found = concluded(record)
    assert found["turns"] | {"asked": 2, "answered": 2, "failed": 1, "overran": 1} == found["turns"]
    assert found["gaps"]["count"] == 1
    assert concluded(barge_in(0.075))["turns"]["overran"] == 0, "that is what a barge-in is for"


def test_a_reply_with_too_much_sound_has_overrun() -> None:
    assert concluded(*answered(3, reply=1.25 * REPLY))["turns"]["overran"] == 0
    found = concluded(*answered(3, reply=1.35 * REPLY))["turns"]
    assert found | {"overran": 3, "failed": 3, "answered": 3} == found


def test_a_pause_while_the_callers_were_not_awake_is_no_gap_and_a_figure_of_then_is_not_taken() -> None:
    record, ear = call(turn(1.0))
    play(ear, 3.1, 1.2)
    play(ear, 4.3 + 0.045, REPLY - 1.2)
    assert concluded(record, stalls=[(4.31, 4.345)])["gaps"]["count"] == 0
    assert concluded(record, stalls=[(4.34, 4.345)])["gaps"] == {"count": 1, "worst_ms": pytest.approx(40, abs=0.01)}
    found = concluded(record, stalls=[(3.05, 3.099)])
    assert (found["turns"]["answered"], found["callers"]["spoiled"]) == (1, 1)
    assert found["response_ms"]["worst"] == pytest.approx(600, abs=0.01), "it is no more than that"


def test_callers_that_stood_still_in_more_turns_than_a_p99_forgives_make_the_run_void() -> None:
    stalls = [(3.05, 3.099)]
    records = answered(100)
    for number, record in enumerate(records):
        later = 0.0 if number < 3 else 1.0
        record.pieces = [
            (begin + later, arrived + later, count, sound) for begin, arrived, count, sound in record.pieces
        ]
    assert concluded(*records[1:], stalls=stalls)["callers"]["void"] is None, "two of so few"
    found = concluded(*records, stalls=stalls)["callers"]
    assert found["void"] == "callers stood still in 3 of 100 turns"


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
    assert concluded(*answered(6, reply=1.0))["turns"]["cut_short"] == 6, "that all are short is no excuse"
    of_one_second = concluded(*answered(6, reply=1.0), reply=1.0)["turns"]
    assert (of_one_second["cut_short"], of_one_second["overran"]) == (0, 0)


def test_a_reply_whose_end_was_not_observed_is_not_cut_short() -> None:
    record, ear = call(turn(1.0))
    play(ear, 3.1, 2.0)
    found = concluded(record, end=6.0)["turns"]
    assert (found["asked"], found["cut_short"], found["failed"]) == (1, 0, 0)
    record.ended, record.by = 6.0, "server"
    assert concluded(record, end=6.0)["turns"]["cut_short"] == 1


def coughed(*parts: tuple[float, float], after: float = 20.0, end: float = 60.0) -> dict[str, float]:
    record, ear = call(turn(-4.0), turn(1.0), Said("cough", 4.3, 4.54), turn(after))
    play(ear, -1.9, 2.0)
    play(ear, 3.1, 1.26)
    ear.clear(4.37)
    for at, seconds in parts:
        play(ear, at, seconds)
    if after > end:
        record.said.pop()
    found = concluded(record, *answered(5), end=end)
    assert found["gaps"]["count"] == 0, "to be held is no gap"
    return found["turns"]


def test_a_reply_that_goes_on_after_a_cough_is_told_from_another_one_and_from_none() -> None:
    names = ("coughs", "resumed", "restarted", "cut_short")
    assert [coughed((5.0, REPLY), after=8.0)[name] for name in names] == [1, 0, 1, 0]
    assert [coughed((5.0, REPLY - 1.27), after=8.0)[name] for name in names] == [1, 1, 0, 0]
    assert coughed((5.0, REPLY), after=8.0)["overran"] == 0, "it is another one"
    assert coughed((5.0, REPLY), after=20.0, end=8.0)["coughs"] == 0, "its end was not heard"
    assert [coughed((5.0, REPLY - 1.27))[name] for name in names] == [1, 1, 0, 0]
    assert [coughed((5.0, REPLY))[name] for name in names] == [1, 0, 1, 0]
    assert [coughed()[name] for name in names] == [1, 0, 0, 1]


def test_a_turn_that_was_due_before_the_server_had_answered_is_unsaid_and_failed() -> None:
    record, ear = call(turn(8.0))
    record.unsaid = [turn(-3.0), turn(1.0), Said("cough", 4.3, 4.54)]
    play(ear, 10.1, REPLY)
    found = concluded(record)["turns"]
    assert found | {"asked": 2, "failed": 1, "unsaid": 1, "answered": 1} == found
    assert concluded(record, end=5.0)["turns"]["unsaid"] == 0, "there was no time to answer it"


def test_callers_that_were_late_make_the_run_void() -> None:
    assert concluded(*answered())["callers"]["void"] is None
    found = concluded(*answered(), late=0.0079)["callers"]
    assert found["void"] == "callers were late: p99 7.9 ms, limit 5 ms"
    assert found["late_ms"]["p99"] == 7.9


def test_jitter_is_how_far_a_message_is_from_the_end_of_the_one_before() -> None:
    record, ear = call(turn(1.0))
    for at in (3.1, 3.16, 3.25):
        hear(ear, at, sound(0.06))
    jitter = concluded(record)["jitter_ms"]
    assert (jitter["n"], jitter["p50"], jitter["worst"]) == (2, pytest.approx(0, abs=0.01), pytest.approx(30, abs=0.01))


def test_a_track_is_exact_to_its_windows_across_messages() -> None:
    record, ear = call()
    hear(ear, 1.0, sound(0.06))
    hear(ear, 1.01, sound(0.06, SILENCE))  # plays at 1.06
    hear(ear, 1.02, sound(0.055))
    track = Track(record.pieces)
    assert track.spans == [pytest.approx((1.0, 1.06)), pytest.approx((1.12, 1.175))]
    assert track.sounding(1.05, 1.13) == pytest.approx(0.02)
    assert track.silent(1.03) == pytest.approx(1.175)
    assert track.onset(1.001) is None
    assert not track.audible(1.065, 1.115)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 160, 161, 162])
def test_samples_of_base64(size: int) -> None:
    assert Carrier("twilio").samples(b64encode(bytes(size))) == size
    assert Carrier("ringover").samples(b64encode(bytes(2 * size))) == size
    assert Carrier("acs").samples(b64encode(bytes(4 * size))) == size


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


def test_greetings_are_measured_and_visitors_who_heard_nothing_counted() -> None:
    records = []
    for after in (0.012, 0.030, None):
        record, ear = call()
        if after is not None:
            hear(ear, 0.01 + after, sound(0.1))
            hear(ear, 0.01 + after + 0.1, sound(0.1))
        records.append(record)
    unanswered = Record(-1, 0.0)
    found = concluded(visits=[*records, unanswered])
    assert (found["greeting_ms"]["n"], found["greeting_ms"]["p50"], found["greeting_ms"]["worst"]) == (2, 12.0, 30.0)
    assert found["visits"] == {"made": 4, "ungreeted": 2}
    assert found["calls"]["offered"] == found["turns"]["asked"] == 0, "they are none of the crowd's"
