"""The playout: a literal example for each promise of its ledger. The same as a machine: `test_ledger`."""

from __future__ import annotations

import pytest

from parlance.actors.media.playout import KEPT, PATIENCE, Playout
from parlance.codecs.format import TELEPHONE, Format
from parlance.engine.roles import Heard

SECOND = TELEPHONE.second
FRAME = TELEPHONE.frame
BEAT = 0.02
PCM = Format("pcm16", 16000)


def audio(start: int, count: int) -> bytes:
    """`count` bytes that say where in the reply they stand, none of them silence."""
    return bytes((at * 2654435761 >> 13) % 251 + 1 for at in range(start, start + count))


def ledger(**changes: object) -> Playout:
    options = {"lead": 0.3, "batch": 0.06, "marks": True, "clears": True} | changes
    playout = Playout(TELEPHONE, **options)  # type: ignore[arg-type]
    playout.stage(1)
    return playout


def send(playout: Playout, now: float) -> list[tuple[bytes, str | None]]:
    """Everything due at `now`."""
    sent = []
    while (due := playout.due(now)) is not None:
        sent.append(due)
    return sent


def whole(playout: Playout, text: str, sound: bytes) -> None:
    playout.phrase(text)
    playout.add(sound)
    playout.complete()


# ---------------------------------------------------------------------------------------- what is sent


def test_a_reply_goes_out_in_whole_batches_and_never_more_than_the_lead_ahead() -> None:
    playout = ledger()
    whole(playout, "One.", audio(0, SECOND))
    assert [len(payload) for payload, _ in send(playout, 0.0)] == [480] * 5
    now, sizes = 0.0, []
    while not playout.played(now):
        now += BEAT
        for payload, mark in send(playout, now):
            sizes.append(len(payload))
            if mark is not None:
                playout.echoed(mark, now)
    assert sum(sizes) == SECOND - 2400
    assert set(sizes[:-1]) == {480}, "a full message is cheaper, also of a reply that is complete"


def test_audio_of_odd_sizes_goes_out_in_whole_frames_and_the_last_is_filled_with_silence() -> None:
    playout = ledger()
    playout.phrase("Odd.")
    for size in (1, 7, 159, 161, 333):
        playout.add(audio(0, size))
    first = send(playout, 0.0)
    assert sum(len(payload) for payload, _ in first) == 640
    playout.complete()
    ((last, mark),) = send(playout, 0.02)
    assert last == audio(0, 333)[-21:] + b"\xff" * 139
    assert mark is not None, "the end of a reply is always marked"


def test_a_last_frame_of_16_bit_samples_is_filled_with_whole_samples() -> None:
    playout = Playout(PCM, lead=0.3, batch=0.04, marks=True, clears=True)
    playout.stage(1)
    whole(playout, "Odd.", audio(0, 1000))
    sent = b"".join(payload for payload, _ in send(playout, 0.0))
    assert sent == audio(0, 1000) + b"\x00" * 280


def test_what_little_there_is_goes_out_at_once_when_the_ear_has_nothing_left() -> None:
    playout = ledger()
    playout.phrase("Slow.")
    playout.add(audio(0, FRAME))
    assert len(send(playout, 0.0)[0][0]) == FRAME
    playout.add(audio(FRAME, 4 * FRAME))
    assert send(playout, 0.0)
    playout.add(audio(5 * FRAME, FRAME))
    assert send(playout, 0.0) == [], "80 ms are still to be played, and a full message is cheaper"
    assert len(send(playout, 0.06)[0][0]) == 2 * FRAME


def test_an_empty_reply_is_played_at_once() -> None:
    playout = ledger()
    playout.complete()
    assert send(playout, 0.0) == []
    assert playout.played(0.0)
    assert playout.finish(0.0) == Heard("", 0.0, True)


def test_after_the_finish_nothing_is_due() -> None:
    playout = ledger()
    whole(playout, "One.", audio(0, SECOND))
    send(playout, 0.0)
    playout.finish(0.1)
    assert playout.due(0.1) is None
    assert playout.due(9.0) is None
    assert playout.turn == 0


def test_a_new_turn_drops_what_is_left_of_the_last_one() -> None:
    playout = ledger()
    whole(playout, "Old.", audio(0, SECOND))
    send(playout, 0.0)
    playout.stage(2)
    playout.phrase("New.")
    playout.add(b"\x01" * 480)
    assert send(playout, 0.1) == [(b"\x01" * 480, None)]
    assert playout.heard(0.13) == 240


def test_the_room_is_what_is_missing_of_the_lead() -> None:
    playout = ledger()
    assert playout.room(0.0) == 2400
    playout.add(audio(0, 2000))
    assert playout.room(0.0) == 400
    send(playout, 0.0)
    assert playout.room(0.1) == 1200
    playout.add(audio(2000, 4000))
    assert playout.room(0.1) == 0


def test_the_lead_is_never_less_than_two_messages() -> None:
    playout = ledger(lead=0.02, batch=0.06)
    assert playout.room(0.0) == 960


# --------------------------------------------------------------------------------------- what was heard


def test_without_marks_the_clock_says_what_was_heard() -> None:
    playout = ledger(marks=False)
    whole(playout, "One.", audio(0, 4000))
    assert all(mark is None for _, mark in send(playout, 1.0))
    assert playout.heard(1.0) == 0
    assert playout.heard(1.1) == 800
    assert playout.heard(1.25) == 2000
    assert playout.heard(9.9) == 2400, "no more than was sent"


def test_the_clock_begins_anew_when_the_ear_had_run_dry() -> None:
    playout = ledger(marks=False)
    playout.phrase("One.")
    playout.add(audio(0, 800))
    send(playout, 0.0)
    assert playout.heard(5.0) == 800
    playout.add(audio(800, 800))
    send(playout, 5.0)
    assert playout.heard(5.05) == pytest.approx(1200, abs=1)


def test_what_was_heard_by_the_clock_stays_heard_while_a_mark_is_late() -> None:
    playout = ledger()
    whole(playout, "One.", audio(0, SECOND))
    send(playout, 0.0)
    heard = [playout.heard(0.23 + 0.0005 * step) for step in range(60)]
    assert heard == sorted(heard)


def test_a_mark_that_was_not_echoed_was_not_reached() -> None:
    playout = ledger()
    whole(playout, "One.", audio(0, SECOND))
    marks = [(mark, 480 * (at + 1)) for at, (_, mark) in enumerate(send(playout, 0.0)) if mark]
    assert marks[0][1] == 1920, "the first message that makes 200 ms full"
    assert playout.heard(1.0) == 1920 - 1
    playout.echoed(marks[0][0], 1.0)
    assert playout.heard(1.0) == 1920
    assert playout.heard(1.05) == 1920 + 400


def test_a_mark_says_that_all_marks_before_it_were_reached() -> None:
    playout = ledger(lead=1.0)
    whole(playout, "One.", audio(0, SECOND))
    marks = [mark for _, mark in send(playout, 0.0) if mark]
    playout.echoed(marks[2], 0.4)
    assert playout.heard(0.4) == 3 * 1920
    playout.echoed(marks[0], 0.5)
    assert playout.heard(0.5) == 3 * 1920 + 800, "an older one changes nothing"


def test_marks_of_another_turn_or_of_nobody_change_nothing() -> None:
    playout = ledger()
    whole(playout, "One.", audio(0, SECOND))
    old = next(mark for _, mark in send(playout, 0.0) if mark)
    playout.stage(2)
    whole(playout, "Two.", audio(0, SECOND))
    new = [mark for _, mark in send(playout, 1.0) if mark]
    playout.echoed(old, 1.01)
    playout.echoed("nonsense", 1.02)
    assert old not in new
    assert playout.heard(1.02) == 160


def test_a_line_that_never_echoes_marks_falls_back_to_the_clock_when_patience_is_over() -> None:
    playout = ledger()
    whole(playout, "One.", audio(0, 2400))
    send(playout, 0.0)
    late = 0.24 + PATIENCE
    assert not playout.played(late - 0.01)
    assert playout.played(late + 0.01)
    assert not playout.overdue
    assert playout.marks is False
    playout.stage(2)
    whole(playout, "Two.", audio(0, 2400))
    assert all(mark is None for _, mark in send(playout, 5.0)), "and is asked for no more of them"


def test_a_line_that_echoed_marks_and_then_stops_is_overdue() -> None:
    playout = ledger()
    whole(playout, "One.", audio(0, SECOND))
    mark = next(mark for _, mark in send(playout, 0.0) if mark)
    playout.echoed(mark, 0.24)
    send(playout, 0.24)
    playout.heard(0.48 + PATIENCE - 0.01)
    assert not playout.overdue
    playout.heard(0.48 + PATIENCE + 0.01)
    assert playout.overdue
    assert playout.marks


def test_a_reply_longer_than_memory_is_let_go_of_and_still_heard_whole() -> None:
    playout = ledger()
    playout.phrase("Long.")
    now, sent, added, most = 0.0, b"", 0, 0
    while added < 30 * SECOND:
        room = playout.room(now)
        playout.add(audio(added, room))
        added += room
        for payload, mark in send(playout, now):
            sent += payload
            if mark is not None:
                playout.echoed(mark, now)
        playout.trim(now)
        most = max(most, len(playout._audio))
        now += BEAT
    # What was heard is kept for a line that turns out to have been dead, and let go of in pieces as long as that.
    assert most <= (2 * KEPT + 0.4) * SECOND, "seconds of a long reply are kept, not all of it"
    playout.hold(now)
    at = playout.heard(now)
    playout.release()
    (again, _), *_ = send(playout, now)
    assert again == audio(at, len(again)), "and a hold finds its place in what is left"
    assert sent == audio(0, len(sent))


def test_the_caller_begins_to_hear_each_phrase_once_and_in_order() -> None:
    playout = ledger(marks=False)
    playout.phrase("One.")
    playout.add(audio(0, 800))
    playout.phrase_done()
    playout.phrase("Two.")
    playout.add(audio(800, 800))
    playout.complete()
    assert playout.spoken(0.0) == [], "nothing was sent"
    send(playout, 0.0)
    assert playout.spoken(0.0) == ["One."]
    assert playout.spoken(0.09) == []
    assert playout.spoken(0.11) == ["Two."]
    assert playout.spoken(9.9) == []


# ---------------------------------------------------------------------------------- hold, release, finish


def test_a_hold_rewinds_to_the_last_sample_heard_and_a_release_plays_on_from_it() -> None:
    playout = ledger()
    whole(playout, "One.", audio(0, SECOND))
    send(playout, 0.0)
    playout.hold(0.1234)
    at = int(0.1234 * SECOND)
    assert playout.heard(0.1234) == playout.heard(7.0) == at
    assert playout.due(0.5) is None
    playout.hold(3.0)
    assert playout.heard(7.0) == at, "holding twice is holding once"
    playout.release()
    (payload, _), *_ = send(playout, 7.0)
    assert payload == audio(at, 480)
    assert playout.heard(7.03) == at + 240


def test_a_reply_that_was_held_within_a_frame_is_still_played_to_its_end() -> None:
    playout = ledger()
    whole(playout, "One.", audio(0, 2400))
    send(playout, 0.0)
    playout.hold(0.1234)
    at = int(0.1234 * SECOND)
    playout.release()
    now, sent = 1.0, b""
    while not playout.played(now):
        for payload, mark in send(playout, now):
            assert len(payload) % FRAME == 0
            sent += payload
            if mark is not None:
                playout.echoed(mark, now + len(payload) / SECOND)
        now += BEAT
        assert now < 3, "the tail was never sent"
    assert sent.rstrip(b"\xff") == audio(at, 2400 - at)


def test_a_line_that_cannot_clear_plays_what_was_sent_to_its_end() -> None:
    playout = ledger(clears=False, marks=False)
    whole(playout, "One two three four", audio(0, SECOND))
    send(playout, 0.0)
    playout.hold(0.1)
    # The caller hears it, but not before its time: what is ahead of the ear is still ahead.
    assert [playout.heard(at) for at in (0.1, 0.2, 0.3, 0.5)] == [800, 1600, 2400, 2400]
    assert playout.due(0.3) is None
    playout.release()
    assert send(playout, 0.4)[0][0] == audio(2400, 480), "nothing is sent twice"
    assert playout.finish(0.4).seconds == pytest.approx(0.6), "and nothing can be taken back"


def test_holds_in_quick_succession_pile_nothing_up_on_a_line_that_cannot_clear() -> None:
    playout = ledger(clears=False, marks=False)
    whole(playout, "One.", audio(0, 4 * SECOND))
    sent = 0
    for step in range(100):
        now = step / 50
        sent += sum(len(payload) for payload, _ in send(playout, now))
        assert sent - now * SECOND <= 0.3 * SECOND + 480, "no more than the lead waits at the far end"
        playout.hold(now)
        playout.release()


@pytest.mark.parametrize("clears", [True, False], ids=["clears", "no clear"])
@pytest.mark.parametrize("held", [True, False], ids=["held", "playing"])
def test_what_was_sent_to_a_line_that_was_dead_by_then_is_sent_again(clears: bool, held: bool) -> None:
    playout = ledger(clears=clears, marks=False)
    whole(playout, "One two three four", audio(0, 2 * SECOND))
    send(playout, 0.0)
    if held:
        playout.hold(0.2)
    playout.hold(0.1, lost=True)
    at = 1600 if clears and held else 800
    assert playout.heard(0.3) == at, "what was held back before is known exactly, where it could be thrown away"
    playout.release()
    assert send(playout, 5.0)[0][0] == audio(at, 480)


def test_a_line_that_was_dead_for_longer_than_memory_goes_on_with_the_oldest_that_is_kept() -> None:
    playout = ledger(marks=False)
    whole(playout, "One.", audio(0, 20 * SECOND))
    for step in range(600):
        send(playout, step / 50)
        playout.trim(step / 50)
    playout.hold(0.5, lost=True)
    playout.release()
    (again, _), *_ = send(playout, 12.0)
    assert again == audio(playout.heard(12.0), len(again))
    assert KEPT * SECOND <= 11.98 * SECOND - playout.heard(12.0) <= 2 * KEPT * SECOND


def test_what_was_heard_is_whole_words_of_what_was_said() -> None:
    playout = ledger(marks=False, lead=2.0)
    playout.phrase("One two three")
    playout.add(audio(0, 4000))
    playout.phrase_done()
    playout.phrase("four five")
    playout.add(audio(4000, 4000))
    playout.complete()
    send(playout, 0.0)
    assert playout.finish(0.75) == Heard("One two three four", 0.75, False)


def test_a_phrase_whose_audio_is_still_coming_is_not_taken_for_all_heard() -> None:
    playout = ledger(marks=False)
    text = "This is a rather long phrase of sixty characters, all told ok"
    playout.phrase(text)
    playout.add(audio(0, 800))
    send(playout, 0.0)
    heard = playout.finish(0.1)
    assert not heard.complete
    assert len(heard.text) < 5


def test_a_phrase_without_audio_counts_once_what_comes_after_it_was_heard() -> None:
    for heard_at, text in ((0.05, ""), (0.1, "One"), (0.2, "One (sigh) two")):
        playout = ledger(marks=False)
        for words, size in (("One", 800), ("(sigh)", 0), ("two", 800)):
            playout.phrase(words)
            playout.add(audio(0, size))
            playout.phrase_done()
        playout.complete()
        send(playout, 0.0)
        assert playout.finish(heard_at).text == text


def test_a_phrase_ends_where_the_next_one_begins() -> None:
    playout = ledger(marks=False)
    playout.phrase("One two")
    playout.add(audio(0, 800))
    playout.phrase("three four")
    playout.add(audio(800, 800))
    send(playout, 0.0)
    assert playout.finish(0.1).text == "One two"


def test_retaking_a_phrase_drops_what_was_not_sent_and_returns_the_words_it_lacks() -> None:
    playout = ledger(marks=False)
    playout.phrase("Done.")
    playout.add(audio(0, 800))
    playout.phrase_done()
    assert playout.retake() == "", "no phrase is open"
    playout.phrase("one two three four five six seven eight")
    playout.add(audio(800, 2400))
    send(playout, 0.0)
    rest = playout.retake()
    assert rest
    assert "one two three four five six seven eight".endswith(rest)
    playout.phrase(rest)
    playout.add(audio(0, 800))
    playout.complete()
    now = 0.0
    while not playout.played(now):
        send(playout, now)
        now += BEAT
    assert playout.finish(now).text == "Done. one two three four five six seven eight"
