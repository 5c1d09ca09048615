"""The media actor between a line and a call: what it hears, what it sends, and what it does not put up with."""

from __future__ import annotations

import pytest
import trio
import trio.testing
from desk import BEAT, SILENT, House
from hypothesis import given
from hypothesis import strategies as st
from stage import speech

from parlance.actors.media.actor import PAUSED, STORE
from parlance.actors.media.fake import FakeWire
from parlance.actors.media.pace import AHEAD
from parlance.actors.media.port import Message, Signal
from parlance.codecs.format import TELEPHONE, Format
from parlance.engine import message as m
from parlance.engine import trace as t
from parlance.engine.errors import LineError
from parlance.engine.roles import Heard

# ---------------------------------------------------------------------------------------- what is heard


@given(cuts=st.lists(st.integers(1, 700), min_size=1, max_size=30), rate=st.sampled_from([8000, 16000]))
def test_audio_cut_anyhow_reaches_the_ear_in_whole_frames_and_in_order(cuts: list[int], rate: int) -> None:
    line = TELEPHONE if rate == 8000 else Format("pcm16", rate)
    house = House(FakeWire(line))
    audio = bytes(range(256)) * (sum(cuts) // 256 + 1)
    at = 0
    for cut in cuts:
        house.hear(audio[at : at + cut])
        at += cut
    assert all(len(frame) == line.frame for frame in house.fed)
    assert b"".join(house.fed) == audio[: at - at % line.frame]


def test_a_burst_after_a_stall_is_allowed() -> None:
    house = House()
    house.hear(SILENT)
    for _ in range(round(AHEAD / BEAT) - 2):
        house.hear(SILENT)
    assert house.desk.happened == []
    for _ in range(500):
        house.desk.now += BEAT
        house.hear(SILENT)
    assert house.desk.happened == [], "whoever is ahead may stay ahead"


def test_audio_faster_than_real_time_ends_the_call_and_nothing_of_it_is_heard_any_more() -> None:
    house = House()
    for _ in range(round(AHEAD / BEAT) + 200):
        house.hear(SILENT)
    assert house.gone() == m.Gone("audio arrives faster than real time", m.How.FAILED, m.By.CARRIER)
    assert len(house.fed) == round(AHEAD / BEAT)
    assert len(house.desk.all(t.LineFault)) == 1, "one end is one fault"
    assert house.socket.texts() == ["error bad_message"]


def test_a_caller_whose_line_suppresses_silence_has_stopped_talking_half_a_second_later() -> None:
    house = House()
    house.talk(speech(0.6))
    assert house.desk.told == [("began", 0.0)]
    house.tick(round(PAUSED / BEAT) - 1)
    assert len(house.desk.told) == 1
    house.tick(3)
    assert house.desk.told[1:] == [("ended", 0.6)], "and he stopped when his last frame did"
    house.tick(100)
    assert len(house.desk.told) == 2


def test_audio_slower_than_real_time_is_no_fault() -> None:
    house = House(silence=1.0)
    for _ in range(50):
        house.desk.now += 0.15
        house.hear(SILENT)
        house.media.tick(house.desk.now)
    assert house.desk.happened == []


def test_a_line_without_any_audio_ends_after_its_bound_and_once() -> None:
    house = House(silence=5.0)
    house.tick(250)
    assert house.desk.happened == []
    house.tick(100)
    assert house.gone() == m.Gone("no audio from the line for 5 s", m.How.FAILED, m.By.CARRIER)


def test_messages_that_are_no_audio_do_not_count_as_a_sound_of_life() -> None:
    house = House(silence=5.0)
    for _ in range(260):
        house.hear("mark p1")
        house.tick()
    assert house.gone().how is m.How.FAILED


def test_ten_bad_messages_are_forgiven_and_the_next_one_ends_the_call() -> None:
    house = House()
    for count in range(1, 11):
        house.hear("nonsense", SILENT)
        assert house.socket.texts() == ["error bad_message"] * count, "each one is answered"
    assert [fault.count for fault in house.desk.all(t.LineFault)] == list(range(1, 11))
    assert house.desk.happened == []
    assert len(house.fed) == 10
    house.hear("nonsense", "nonsense")
    assert house.gone() == m.Gone("more than 10 bad messages", m.How.FAILED, m.By.CARRIER)
    assert house.media.faults == 11


def test_a_second_start_ends_the_call() -> None:
    house = House()
    house.hear("start reception")
    assert house.gone() == m.Gone("the call was started twice", m.How.FAILED, m.By.CARRIER)


def test_a_fatal_error_of_the_dialect_ends_the_call() -> None:
    class Strict(FakeWire):
        def receive(self, data: Message) -> bytes | Signal | None:
            raise LineError("that is not this dialect at all", fatal=True, code=1003)

    house = House(Strict())
    house.hear("hello", "hello")
    assert house.gone() == m.Gone("that is not this dialect at all", m.How.FAILED, m.By.CARRIER)
    assert house.media.faults == 1


def test_a_digit_is_for_the_record() -> None:
    house = House()
    house.hear("digit 5")
    assert house.desk.told == [t.DigitPressed("5")]


# ----------------------------------------------------------------------------------------- what is sent


def reply(house: House, seconds: float, *, turn: int = 1, text: str = "One two three four.") -> bytes:
    audio = bytes(at % 200 for at in range(round(seconds * 8000)))
    house.media.stage(turn)
    house.media.play(turn, text, audio)
    return audio


def test_a_reply_is_sent_marked_and_reported_once() -> None:
    house = House(silence=60)
    audio = reply(house, 0.48)
    house.tick()
    assert house.desk.told == [("first frame", 1), t.Spoken(1, "One two three four.")]
    house.tick(10)
    assert house.socket.audio() == audio
    assert house.socket.texts() == ["mark p1", "mark p2"]
    house.hear("mark p1", "mark p2")
    house.tick(3)
    assert house.desk.happened == [m.Played(1)] * 3, "for as long as nobody finishes it"
    assert house.media.finish(1) == Heard("One two three four.", 0.48, True)
    assert "clear" not in house.socket.texts()
    house.tick(3)
    assert len(house.desk.happened) == 3
    assert house.desk.told.count(("first frame", 1)) == 1


def test_an_unknown_mark_changes_nothing() -> None:
    house = House()
    reply(house, 1.0)
    house.tick(5)
    before = house.media.playout.heard(house.desk.now)
    house.hear("mark p77", "mark ", "mark \u2603")
    assert house.media.playout.heard(house.desk.now) == before
    assert house.desk.all(t.LineFault) == []


def test_a_line_that_stops_playing_ends_the_call() -> None:
    house = House(silence=60)
    reply(house, 2.0)
    house.tick(13)
    house.hear("mark p1")
    house.tick(200)
    assert house.gone() == m.Gone("the line stopped playing", m.How.FAILED, m.By.CARRIER)


@pytest.mark.parametrize("when", ["audio", "clear", "announcement"])
def test_a_socket_that_stalls_ends_the_call_once(when: str) -> None:
    class Announcing(FakeWire):
        def announce(self, event: t.TraceEvent) -> tuple[Message, ...]:
            return ("news",)

    house = House(Announcing())
    reply(house, 1.0)
    if when == "audio":
        house.socket.stalled = True
    house.tick()
    house.socket.stalled = True
    if when == "clear":
        house.media.hold()
    elif when != "audio":
        house.media.announce(t.Record(1, 0.0, t.DigitPressed("1")))
    house.tick(3)
    assert house.gone() == m.Gone("nobody reads", m.How.FAILED, m.By.CARRIER)


def test_nothing_is_sent_to_a_line_that_has_ended() -> None:
    house = House()
    reply(house, 2.0)
    house.tick()
    house.hear("stop caller hung up")
    sent = len(house.socket.got)
    house.tick(20)
    assert len(house.socket.got) == sent
    assert house.gone() == m.Gone("caller hung up", m.How.COMPLETED)


def test_finishing_a_reply_that_was_not_heard_clears_it() -> None:
    house = House()
    reply(house, 1.0)
    house.tick(5)
    heard = house.media.finish(1)
    assert house.socket.texts()[-1:] == ["clear"]
    assert heard.seconds == pytest.approx(0.1)
    assert not heard.complete


def test_a_reply_that_was_held_was_cleared_already() -> None:
    house = House()
    reply(house, 1.0)
    house.tick(5)
    house.media.hold()
    house.media.hold()
    house.media.finish(1)
    assert house.socket.texts().count("clear") == 1


def test_a_line_that_cannot_clear_is_not_asked_to() -> None:
    house = House(FakeWire(clears=False))
    reply(house, 1.0)
    house.tick()
    house.media.hold()
    assert house.media.finish(1).seconds == pytest.approx(0.3), "and has heard what was sent"
    assert "clear" not in house.socket.texts()


def test_a_reply_that_is_held_at_its_first_frame_sends_no_more() -> None:
    house = House()
    house.desk.on_first_frame = house.media.hold
    reply(house, 1.0)
    house.tick(10)
    assert len(house.socket.audio()) == 480
    assert house.desk.all(t.Spoken) == [], "not a word of it was heard"


def test_the_first_sound_of_a_reply_does_not_wait_for_a_beat() -> None:
    house = House()
    house.media.stage(1)
    house.media.phrase(1, "One two.")
    house.media.add(1, b"\x01" * 800)
    assert len(house.socket.audio()) == 800, "all there is of it is on its way"
    house.media.add(1, b"\x01" * 800)
    assert len(house.socket.audio()) == 800, "what follows is sent with the beat"
    house.tick()
    assert len(house.socket.audio()) > 800


def test_a_reply_that_was_sent_before_it_was_complete_gets_its_last_mark() -> None:
    house = House()
    house.media.stage(1)
    house.media.phrase(1, "One.")
    house.media.add(1, b"\x01" * 800)
    assert not [text for text in house.socket.texts() if text.startswith("mark")]
    house.media.turn_done(1)
    assert [text for text in house.socket.texts() if text.startswith("mark")] == ["mark p1"]
    house.tick()
    assert [text for text in house.socket.texts() if text.startswith("mark")] == ["mark p1"]


def test_a_reply_that_is_held_before_its_first_sound_sends_none() -> None:
    house = House()
    house.media.stage(1)
    house.media.hold()
    house.media.phrase(1, "One two.")
    house.media.add(1, b"\x01" * 800)
    assert house.socket.audio() == b""


def test_what_comes_for_another_turn_is_dropped() -> None:
    house = House()
    house.media.stage(2)
    house.media.phrase(1, "old")
    house.media.add(1, b"\x01" * 800)
    house.media.phrase_done(1)
    house.media.turn_done(1)
    assert house.media.retake(1) == ""
    assert house.media.finish(1) == Heard("", 0.0, False)
    house.tick(3)
    assert house.socket.got == []
    house.media.turn_done(2)
    house.tick()
    assert house.desk.happened == [m.Played(2)], "an empty reply is played at once"


# --------------------------------------------------------------------------------------------- the brake


@pytest.mark.parametrize("lead", [0.02, 0.04, 0.1, 0.3])
async def test_the_voice_waits_for_room_and_is_let_go_on_as_the_caller_hears(lead: float) -> None:
    house = House(FakeWire(marks=False, batch=0.02), lead=lead, silence=60)
    house.media.stage(1)
    house.media.phrase(1, "Long.")
    added = 0

    async def speak() -> None:
        nonlocal added
        while True:
            room = await house.media.room(1)
            house.media.add(1, bytes(room))
            added += room

    async with trio.open_nursery() as nursery:
        nursery.start_soon(speak)
        for _ in range(100):
            await trio.testing.wait_all_tasks_blocked()
            ahead = added - house.media.playout.heard(house.desk.now)
            assert ahead <= (max(lead, 0.04) + STORE) * 8000
            house.tick()
        nursery.cancel_scope.cancel()
    assert added >= 1.9 * 8000, "two seconds have passed"


@pytest.mark.parametrize("end", ["finish", "stage"])
async def test_a_voice_that_waits_for_room_in_a_turn_that_is_over_waits_no_longer(end: str) -> None:
    house = House()
    house.media.stage(1)
    house.media.add(1, bytes(2400 + round(STORE * 8000)))
    rooms = []

    async def wait() -> None:
        rooms.append(await house.media.room(1))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        assert rooms == []
        if end == "finish":
            house.media.finish(1)
        else:
            house.media.stage(2)
    assert rooms == [8000], "and may throw away as much as it likes"


def test_a_flood_of_messages_without_audio_ends_the_call() -> None:
    house = House()
    for name in range(10_000):
        house.hear(f"mark m{name}")
    assert house.gone() == m.Gone("too many messages without audio", m.How.FAILED, m.By.CARRIER)


def test_marks_and_keys_at_a_telephone_s_pace_are_no_flood() -> None:
    house = House()
    for name in range(3000):
        house.desk.now += BEAT
        house.hear(SILENT)
        house.hear(f"mark m{name}")
    assert house.desk.happened == []
