"""A talk on every line: the greeting, a reply, its pace, an interruption and a cough. What the caller's ear had is
compared with what the call's record says, to the sample where a clock of ours is not in between.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

import numpy as np
import pytest
import trio
from ear import Reply
from hall import Hall, Show, perform
from phone import Phone

from bench.dialects import DIALECTS
from bench.dialects.port import Clear, Mark
from parlance.actors.speaker.rehearsal import sound
from parlance.codecs.convert import convert
from parlance.codecs.format import TELEPHONE, Format
from parlance.engine import trace as t

LEAD = 0.2
"""Seconds ahead of the ear, as the settings have it."""
NOISE = 0.03
"""Seconds that what comes may wait: for the next beat, and for somebody to look."""
HELLO = "Hello, who is there?"
GREETING, REPLY = (4,), (11, 9)
"""Words of each phrase: the voice begins its sound anew with each, and takes 85 ms a word."""


@dataclass
class Heard:
    """One phone after its call: the call's record, its replies, and the times a play has noted."""

    phone: Phone
    events: list[t.TraceEvent]
    replies: list[Reply]
    noted: dict[str, float]

    def all(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


async def parted(hall: Hall, phone: Phone, **noted: float) -> Heard:
    await phone.hang_up()
    await hall.ended(phone)
    return Heard(phone, hall.events(phone), phone.ear.replies(), noted)


async def talk(hall: Hall, name: str) -> Heard:
    phone = await hall.dial(name, "receptionist")
    dialed = trio.current_time()
    await phone.hears()
    await phone.silence(0.3)
    phone.say(0.8)
    await phone.said()
    await phone.hears()
    await phone.silence()
    return await parted(hall, phone, dialed=dialed)


async def interrupt(hall: Hall, name: str) -> Heard:
    """The caller speaks into the reply, goes on, and is answered."""
    phone = await hall.dial(name, "long")
    await greeted(phone)
    phone.say(0.6)
    start = await phone.hears(0.8)
    phone.say(1.2)
    await phone.said()
    onset, offset = phone.onset, phone.offset
    await phone.hears(0.5)
    return await parted(hall, phone, start=start, onset=onset, offset=offset)


async def cough(hall: Hall, name: str) -> Heard:
    """The caller makes a noise that has no words: the reply goes on where it was."""
    phone = await hall.dial(name, "brief")
    await greeted(phone)
    phone.say(0.6)
    start = await phone.hears(0.5)
    phone.say(0.24)
    await phone.until(lambda: hall.all(phone, t.Resumed))
    await phone.until(lambda: any(turn.said != HELLO for turn in hall.all(phone, t.TurnEnded)))
    await phone.silence(0.3)
    return await parted(hall, phone, start=start)


async def greeted(phone: Phone) -> None:
    """AudioSocket cannot choose its agent, and has the one that greets."""
    if phone.dialect.stream:
        await phone.hears()
        await phone.silence(0.3)


@pytest.fixture(scope="module")
def show() -> Show:
    everybody = tuple(DIALECTS)
    # AudioSocket's agent has no long reply to interrupt late in, but long enough a one.
    return perform({"talk": (talk, everybody)}, {"interrupt": (interrupt, everybody)}, {"cough": (cough, everybody)})


every = pytest.mark.parametrize("name", DIALECTS)


@every
def test_the_greeting_is_heard_at_once_and_whole(show: Show, name: str) -> None:
    heard: Heard = show.of("talk", name)
    greeting = heard.replies[0]
    assert greeting.start - heard.noted["dialed"] < 1.0
    assert_sounds(greeting.audio, GREETING, heard.phone.line)


@every
def test_the_caller_is_answered_and_hears_all_of_it(show: Show, name: str) -> None:
    heard: Heard = show.of("talk", name)
    assert len(heard.replies) == 2
    assert_sounds(heard.replies[1].audio, REPLY, heard.phone.line)
    greeting, reply = heard.all(t.TurnEnded)
    assert (greeting.outcome, reply.outcome) == ("played", "played")
    assert (greeting.heard, reply.heard) == (greeting.said, reply.said)
    assert (greeting.heard_seconds, reply.heard_seconds) == (lasts(GREETING), lasts(REPLY))


@every
def test_everything_sent_is_understood_by_the_carrier(show: Show, name: str) -> None:
    for play in ("talk", "interrupt", "cough"):
        assert show.of(play, name).phone.unspoken == []


@every
def test_audio_is_ahead_of_the_ear_by_the_lead_and_never_behind(show: Show, name: str) -> None:
    heard: Heard = show.of("talk", name)
    phone = heard.phone
    ahead = 0.1 if phone.dialect.stream else max(LEAD, 2 * phone.dialect.lead) + phone.dialect.lead
    assert phone.ear.most <= ahead + NOISE
    assert sum(reply.gap for reply in heard.replies) < NOISE


@every
def test_no_message_is_longer_than_its_carrier_likes(show: Show, name: str) -> None:
    phone: Phone = show.of("talk", name).phone
    longest = max(size for _, size in phone.arrived) / phone.line.second
    assert longest <= phone.dialect.lead
    assert all(size % phone.line.frame == 0 for _, size in phone.arrived)


@every
def test_marks_are_asked_of_those_who_echo_them(show: Show, name: str) -> None:
    phone: Phone = show.of("talk", name).phone
    names = [mark.name for _, mark in phone.all(Mark)]
    assert len(set(names)) == len(names)
    # One for each 0.2 s, and one for the end of each reply.
    expected = 0 if not phone.dialect.marks else 8
    assert len(names) >= expected
    assert bool(names) == phone.dialect.marks


@every
def test_the_end_is_the_callers(show: Show, name: str) -> None:
    for play in ("talk", "interrupt", "cough"):
        (ended,) = show.of(play, name).all(t.CallEnded)
        assert (ended.how, ended.by) == ("completed", "caller")


# ------------------------------------------------------------------------------------------ interruption


@every
def test_an_interruption_stops_the_agent(show: Show, name: str) -> None:
    heard: Heard = show.of("interrupt", name)
    phone, onset, offset = heard.phone, heard.noted["onset"], heard.noted["offset"]
    stopped = onset + heard.all(t.Held)[0].after
    if phone.dialect.clears:
        cleared = [at for at, _ in phone.all(Clear) if onset <= at < offset]
        assert len(cleared) == 1
        assert cleared[0] - onset < 0.15 + 2 * NOISE
        stopped = cleared[0]
    old = [at for at, _ in phone.arrived if stopped + NOISE / 3 < at < offset]
    assert old == [], "audio of the old reply came after it was stopped"
    left = phone.ear.seconds(stopped, offset)
    assert left <= (0.0 if phone.dialect.clears else LEAD + NOISE)


def test_the_agent_is_stopped_within_150_ms_of_the_first_voiced_frame(show: Show) -> None:
    after = [show.of("interrupt", name).all(t.Held)[0].after for name in DIALECTS]
    assert median(after) <= 0.15
    assert max(after) <= 0.15 + NOISE


@every
def test_the_record_says_what_was_heard_of_an_interrupted_reply(show: Show, name: str) -> None:
    heard: Heard = show.of("interrupt", name)
    reply = next(turn for turn in heard.all(t.TurnEnded) if turn.outcome == "interrupted")
    assert reply.said.startswith(reply.heard)
    assert 0 < len(reply.heard) < len(reply.said)
    ear = heard.phone.ear.seconds(heard.noted["start"], heard.noted["offset"])
    assert reply.heard_seconds == pytest.approx(ear, abs=NOISE)


@every
def test_who_interrupts_is_answered(show: Show, name: str) -> None:
    heard: Heard = show.of("interrupt", name)
    assert len([said for said in heard.all(t.CallerSaid) if said.final and said.text]) == 2
    assert heard.replies[-1].start > heard.noted["offset"]


# ------------------------------------------------------------------------------------------------- cough


@every
def test_after_a_cough_the_reply_goes_on_at_the_sample(show: Show, name: str) -> None:
    heard: Heard = show.of("cough", name)
    whole = show.of("talk", name).replies[-1].audio
    line, pieces = heard.phone.line, heard.phone.ear.pieces
    pieces = [piece for piece in pieces if piece.start >= heard.noted["start"]]
    gap = max(pairwise(pieces), key=lambda two: two[1].start - two[0].start - len(two[0].payload) / line.second)
    cut = pieces.index(gap[1])
    before = b"".join(piece.payload for piece in pieces[:cut])
    after = b"".join(piece.payload for piece in pieces[cut:])
    assert whole.startswith(before)
    after = unfilled(after, whole, line)
    twice = (len(before) + len(after) - len(whole)) / line.second
    # What was heard is known by a clock at the other end of a socket; without a clear nothing is in doubt. Of
    # AudioSocket's our own end throws away what waits.
    assert abs(twice) <= (NOISE if heard.phone.dialect.clears or heard.phone.dialect.stream else 0.0)
    (reply,) = [turn for turn in heard.all(t.TurnEnded) if turn.said != HELLO]
    assert (reply.outcome, reply.heard) == ("played", reply.said)
    # The last frame is filled up.
    assert lasts(REPLY) <= reply.heard_seconds <= lasts(REPLY) + 0.02


def test_nothing_is_left(show: Show) -> None:
    assert show.left == {}


def unfilled(audio: bytes, whole: bytes, line: Format) -> bytes:
    """The end of `whole` that this audio is, without the silence that fills its last frame up."""
    for filling in range(0, line.frame, line.width):
        end = len(audio) - filling
        if whole.endswith(audio[:end]) and audio[end:] == line.silence * (filling // line.width):
            return audio[:end]
    raise AssertionError("what came after the cough is no end of the reply")


def lasts(words: tuple[int, ...]) -> float:
    return round(sum(words) * 0.085, 3)


def assert_sounds(audio: bytes, words: tuple[int, ...], line: Format) -> None:
    """This is the rehearsal voice's sound: exactly, where the line has its rate."""
    assert len(audio) == round(lasts(words) * line.rate) * line.width
    expected = b"".join(sound()[: round(count * 0.085 * TELEPHONE.rate)] for count in words)
    if line.rate == TELEPHONE.rate:
        assert audio == convert(expected, TELEPHONE, line)
        return
    plain = Format("pcm16", 8000)
    ours = np.frombuffer(convert(audio, line, plain), "<i2").astype(float)
    theirs = np.frombuffer(convert(expected, TELEPHONE, plain), "<i2").astype(float)
    size = min(len(ours), len(theirs))
    assert np.corrcoef(ours[:size], theirs[:size])[0, 1] > 0.98
