"""The listener between the caller's frames and an ear: what the ear is given, in which order, and when."""

from __future__ import annotations

import pytest
import trio
import trio.testing
from pen import BEAT, DELAY, FRAME, Pen, frame, room

from parlance.actors.listener.actor import EARLY, PREROLL
from parlance.actors.listener.utterance import KEEP
from parlance.codecs.format import Format
from parlance.engine import trace as t


async def test_the_ear_hears_a_little_from_before_the_verdict_and_then_everything(autojump_clock: object) -> None:
    pen = Pen()
    async with room(pen) as house:
        await house.pass_time(1.0)
        house.began()
        await house.pass_time(0.5)
        house.ended()
        await house.pass_time(DELAY)
        await trio.testing.wait_all_tasks_blocked()
    assert pen.verbs() == [("begin", 1), ("end", 1)]
    assert pen.log[0] == ("begin", 1)
    assert pen.log[-1] == ("end", 1)
    frames = pen.frames()
    assert frames[0] == 50 - PREROLL
    assert frames == list(range(frames[0], frames[0] + len(frames))), "every frame once, in order"
    assert frames[-1] * BEAT == pytest.approx(1.5 - 0.2 + DELAY, abs=2 * BEAT)


async def test_the_ear_is_given_chunks_of_its_size(autojump_clock: object) -> None:
    pen = Pen(chunk=0.1)
    async with room(pen) as house:
        await house.pass_time(1.0)
        house.began()
        await house.pass_time(1.0)
    sizes = [len(what) for verb, what in pen.log if verb == "audio"]
    assert sizes[0] == PREROLL
    assert set(sizes[1:]) == {5}


async def test_the_ear_gets_the_format_it_wants_and_all_of_it(autojump_clock: object) -> None:
    pen = Pen(wants=Format("pcm16", 16000))
    async with room(pen) as house:
        await house.utter(1.0)
        handed = house.next
    audio = b"".join(what for verb, what in pen.log if verb == "audio")
    # The frame with which the turn ended reached the listener before the decision.
    assert len(audio) == handed * 640, "what the converter held back as well"


async def test_an_ear_that_wants_no_audio_gets_none(autojump_clock: object) -> None:
    pen = Pen(chunk=0.0)
    async with room(pen) as house:
        await house.pass_time(1.0)
        await house.utter(1.0)
        pen.say(1, "hello")
        await house.pass_time(0.1)
    assert pen.log == [("begin", 1), ("end", 1)]
    assert house.desk.told == [("said", 1, "hello")]


async def test_a_pause_within_a_turn_begins_no_new_utterance(autojump_clock: object) -> None:
    pen = Pen()
    async with room(pen) as house:
        for _ in range(3):
            house.began()
            await house.pass_time(0.6)
            house.ended()
            await house.pass_time(0.2)
        await house.pass_time(1.0)
    assert pen.verbs() == [("begin", 1), ("end", 1)]
    assert pen.frames() == sorted(set(pen.frames()))


@pytest.mark.parametrize("busy", [0.0, 0.05, 0.4])
async def test_an_ear_is_told_begin_audio_and_end_of_one_utterance_after_another_however_slow_it_is(
    busy: float, autojump_clock: object
) -> None:
    pen = Pen()
    pen.busy = busy
    async with room(pen, limit=60.0) as house:
        for _ in range(4):
            await house.utter(0.7)
        await house.pass_time(10.0)
    assert pen.verbs() == [(verb, number) for number in range(1, 5) for verb in ("begin", "end")]
    for number in range(1, 5):
        frames = pen.frames(pen.log.index(("begin", number)), pen.log.index(("end", number)))
        assert len(frames) > 50
        assert frames == list(range(frames[0], frames[0] + len(frames))), "every frame of it once, in order"
    assert house.listener.shed == 0


async def test_an_utterance_is_ended_for_the_ear_even_if_nobody_waits_for_its_words_any_more(
    autojump_clock: object,
) -> None:
    pen = Pen()
    async with room(pen, limit=1.0) as house:
        await house.pass_time(0.5)
        pen.busy = 5.0
        await house.utter(0.5)
        await house.utter(0.5)
        await house.pass_time(3.0)
        pen.busy = 0.0
        await house.pass_time(10.0)
        await house.utter(0.5)
        pen.say(3, "here i am")
        await house.pass_time(0.1)
    assert [told[:2] for told in house.desk.told] == [("unheard", 1), ("unheard", 2), ("said", 3)]
    verbs = pen.verbs()
    assert ("end", 1) in verbs
    assert ("begin", 2) not in verbs, "what was never begun and is not wanted is left out"
    assert verbs == [("begin", 1), ("end", 1), ("begin", 3), ("end", 3)]


async def test_what_waits_for_a_slow_ear_is_two_seconds_at_most_and_what_is_shed_is_counted(
    autojump_clock: object,
) -> None:
    pen = Pen()
    pen.busy = 1000.0
    async with room(pen) as house:
        await house.pass_time(0.4)
        house.began()
        await house.pass_time(2.0)
        assert house.listener.shed == PREROLL, "two seconds, of which the pre-roll is a part"
        await house.pass_time(5.0)
        utterance = house.listener._open
        assert utterance is not None
        assert len(utterance.audio) == KEEP
        assert list(utterance.audio)[-1] == frame(house.next - 1), "the oldest was shed"
    assert house.listener.shed == PREROLL + 250
    events = [event for event in house.desk.told if isinstance(event, t.AudioShed)]
    assert [event.total for event in events] == [FRAME, 101 * FRAME, 201 * FRAME]
    assert {event.path for event in events} == {"ear"}


async def test_concluding_a_caller_who_talks_on_opens_the_next_utterance_and_loses_nothing(
    autojump_clock: object,
) -> None:
    pen = Pen()
    async with room(pen) as house:
        await house.pass_time(1.0)
        house.began()
        await house.pass_time(1.23)
        house.listener.conclude()
        await house.pass_time(0.5)
        house.ended()
        await house.pass_time(DELAY)
        pen.say(1, "first")
        pen.say(2, "second")
        await house.pass_time(0.1)
    assert pen.verbs() == [("begin", 1), ("end", 1), ("begin", 2), ("end", 2)]
    frames = pen.frames()
    assert frames == list(range(50 - PREROLL, frames[-1] + 1)), "every frame once"
    assert house.desk.told == [("said", 1, "first"), ("said", 2, "second")]


async def test_concluding_a_caller_who_is_silent_ends_his_turn_now(autojump_clock: object) -> None:
    pen = Pen()
    async with room(pen) as house:
        house.began()
        await house.pass_time(0.5)
        house.ended()
        house.listener.conclude()
        await house.pass_time(2.0)
        pen.say(1, "hello")
        await house.pass_time(0.1)
        house.listener.conclude()
        await house.pass_time(1.0)
    assert pen.verbs() == [("begin", 1), ("end", 1)], "and concluding nothing does nothing"
    assert house.desk.told == [("said", 1, "hello")]


@pytest.mark.parametrize("talking", [True, False])
async def test_what_was_said_before_a_turn_was_concluded_is_not_the_beginning_of_the_next_one(
    talking: bool, autojump_clock: object
) -> None:
    pen = Pen()
    async with room(pen) as house:
        await house.pass_time(0.5)
        if talking:
            house.began()
            await house.pass_time(0.5)
            house.ended()
        house.listener.conclude()
        concluded = house.next
        await house.pass_time(0.1)
        house.began()
        await house.pass_time(0.5)
        house.ended()
        await house.pass_time(DELAY)
    begin = max(at for at, (verb, _) in enumerate(pen.log) if verb == "begin")
    assert pen.frames(begin)[0] == concluded


async def test_the_ear_has_something_pending_from_the_voice_to_its_words(autojump_clock: object) -> None:
    pen = Pen()
    async with room(pen) as house:
        assert not house.listener.pending
        house.began()
        assert house.listener.pending
        await house.pass_time(0.5)
        house.ended()
        await house.pass_time(DELAY)
        assert house.listener.pending
        pen.say(1, "hello")
        assert not house.listener.pending


# --------------------------------------------------------------------------------- when a turn ends


@pytest.mark.parametrize("chunk", [0.1, 0.0])
@pytest.mark.parametrize(
    ("off", "ends"), [(-BEAT, False), (-EARLY - 1e-3, False), (-EARLY + 1e-3, True), (0.0, True), (0.007, True)]
)
async def test_the_frame_that_comes_when_the_turn_is_due_to_end_ends_it(
    chunk: float, off: float, ends: bool, autojump_clock: object
) -> None:
    pen = Pen(chunk=chunk)
    async with room(pen, pauses=(0.3, 0.3)) as house:
        house.began()
        await house.pass_time(1.0)
        house.listener.ended(house.desk.clock())
        await trio.sleep(0.3 + off)
        house.listener.feed(frame(house.next))
        assert (house.listener._open is None) is ends
        await trio.testing.wait_all_tasks_blocked()
        assert (("end", 1) in pen.log) is ends
        if chunk and ends:
            assert pen.frames()[-1] == house.next, "the frame with which it ended belongs to it"


@pytest.mark.parametrize("phase", [0.001, 0.007, 0.013, 0.019])
@pytest.mark.parametrize("jitter", [-0.003, 0.0, 0.003])
async def test_whatever_the_phase_of_the_ticks_a_turn_ends_within_the_jitter_of_its_frames(
    phase: float, jitter: float, autojump_clock: object
) -> None:
    pen = Pen(chunk=0.0)
    async with room(pen, pauses=(0.3, 0.3)) as house:
        house.began()
        stopped = house.desk.clock()
        house.listener.ended(stopped)
        async with trio.open_nursery() as nursery:

            async def ticks() -> None:
                await trio.sleep(phase)
                while True:
                    house.listener.tick(house.desk.clock())
                    await trio.sleep(BEAT)

            nursery.start_soon(ticks)
            await trio.sleep(jitter + BEAT)
            while house.listener._open is not None:
                house.listener.feed(frame(0))
                await trio.sleep(BEAT)
            nursery.cancel_scope.cancel()
        pen.say(1, "hello")
    assert house.desk.times[1] - stopped == pytest.approx(0.3, abs=EARLY)


async def test_where_no_frames_come_a_tick_ends_the_turn_and_never_before_its_time(autojump_clock: object) -> None:
    pen = Pen()
    async with room(pen, pauses=(0.3, 0.3)) as house:
        house.began()
        stopped = house.desk.clock()
        house.listener.ended(stopped)
        house.listener.tick(stopped + 0.3 - EARLY / 2)
        assert house.listener._open is not None
        house.listener.tick(stopped + 0.3)
        assert house.listener._open is None


async def test_frames_end_no_turn_while_the_caller_talks_on(autojump_clock: object) -> None:
    pen = Pen()
    async with room(pen, pauses=(0.3, 0.3)) as house:
        house.began()
        await house.pass_time(0.5)
        house.listener.ended(house.desk.clock())
        await house.pass_time(0.28)
        house.listener.began(house.desk.clock())
        await house.pass_time(2.0)
        assert pen.verbs() == [("begin", 1)]
