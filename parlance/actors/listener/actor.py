"""The listener: the caller's frames to the ear, the ear's words to the call, and the end of the caller's turn.

`feed` is on the frame path: it stores, and asks the endpoint. An utterance opens when the gate hears speech (its audio
begins a little before) and closes when the endpoint decides that the turn has ended, with a frame of the caller or,
where none come, with the metronome's tick. From then its words have a deadline, so that a transcript that never comes
cannot hang a turn. A restarted ear is given the open utterance's audio again.
"""

from __future__ import annotations

from collections import deque

import trio

from parlance.actors.listener.endpoint import Endpoint
from parlance.actors.listener.port import Eager, Ear, Heard, Hearing, News, Resumed
from parlance.actors.listener.utterance import KEEP, Utterance, joined, unfinished
from parlance.codecs.convert import Converter
from parlance.codecs.format import FRAME_MS, Format
from parlance.engine.effort import ProviderFailed, ProviderServed
from parlance.engine.errors import Unreachable
from parlance.engine.roles import Desk
from parlance.engine.trace import AudioShed
from parlance.engine.witness import Failed, Served

PREROLL = 300 // FRAME_MS
"""Frames from before the gate's verdict: its evidence and a soft onset."""
HANGOVER = 0.4
"""Seconds for which the gate may go on hearing a voice that the ear says is over: it takes silences of that length
for pauses between words."""
EARLY = 0.004
"""Seconds before its deadline at which a frame may end a turn. Frames come every 20 ms after the voiced one that the
deadline is counted from, early or late by a few ms: without it half of those that are due would come just too soon,
and the turn would end up to 20 ms late, with the next tick."""


class ListenerActor:
    """One call's ear. `transcript`: seconds from the end of turn to its words; `stable`: seconds of silence for which
    interim words must not have changed to be thought about, None if that is not wanted.
    """

    def __init__(
        self,
        ear: Ear,
        line: Format,
        desk: Desk,
        endpoint: Endpoint,
        *,
        transcript: float,
        stable: float | None = None,
    ) -> None:
        self.shed = 0
        self._ear, self._line, self._desk, self._endpoint = ear, line, desk, endpoint
        self._limit, self._stable = transcript, stable
        self._recent: deque[bytes] = deque(maxlen=PREROLL)
        self._open: Utterance | None = None
        self._asked: deque[Utterance] = deque()
        """Ended, and waiting for their words."""
        self._queue: deque[Utterance] = deque()
        """On their way to the ear, in the order in which they were said."""
        self._count = 0
        self._wake = trio.Event()
        self._chunk = 1
        """Frames that the ear wants at a time."""
        self._deaf = False
        """The ear wants no audio."""
        self._provider = ear.provider
        """Who hears at present."""

    # --------------------------------------------------------------------------------- frame path

    def feed(self, frame: bytes) -> None:
        """One frame of the caller, in the line's format. It is a moment at which his turn may end, as a tick is."""
        if not self._deaf:
            self._store(frame)
        if self._endpoint.deadline is not None:
            self._decide(self._desk.clock(), EARLY)

    def _store(self, frame: bytes) -> None:
        """Keep it for the ear. Sheds the oldest when the ear is two seconds behind."""
        self._recent.append(frame)
        utterance = self._open
        if utterance is None:
            return
        utterance.feed(frame)
        if len(utterance.audio) > KEEP:
            utterance.audio.popleft()
            self.shed += 1
            if self.shed % KEEP == 1:
                self._desk.note(AudioShed("ear", self.shed * self._line.frame))
        if len(utterance.audio) >= self._chunk:
            self._wake.set()

    @property
    def pending(self) -> bool:
        """Whether an utterance is open, or its words are still waited for."""
        return self._open is not None or bool(self._asked)

    def began(self, at: float) -> None:
        self._endpoint.began(at)
        if self._open is not None and self._open.foreseen:
            self._resumed(self._open)
        if self._open is None:
            self._count += 1
            self._open = Utterance(self._count, at)
            self._open.feed(*self._recent)
            self._queue.append(self._open)
            self._wake.set()

    def ended(self, at: float) -> None:
        self._endpoint.ended(at)
        if (mine := self._open) is not None:
            mine.stopped = at
            if mine.over is not None:
                self._conclude(mine, mine.over[0])

    def tick(self, now: float) -> None:
        if self._endpoint.deadline is not None:
            self._decide(now)
            self._foresee(now)
        if (mine := self._open) is not None and mine.over is not None and now >= mine.over[1]:
            self._conclude(mine, mine.over[0])
        while self._asked and now >= (self._asked[0].decided or 0.0) + self._limit:
            if text := self._asked[0].text:
                self._desk.note(ProviderFailed("ear", self._provider, unfinished(self._provider, self._limit)))
            self._settle(self._asked[0], text)

    def conclude(self) -> None:
        """End the caller's turn now. A caller who goes on talking begins another one."""
        # What was said until now belongs to that turn, and is not the beginning of the next one.
        self._recent.clear()
        if self._open is None:
            return
        now = self._desk.clock()
        talking = self._endpoint.deadline is None
        self._open.stopped = now if talking else self._open.stopped
        self._endpoint.conclude(now)
        self._close(self._open, now)
        if talking:
            self.began(now)

    def _decide(self, now: float, early: float = 0.0) -> None:
        if self._open is not None and self._endpoint.due(now, early=early):
            self._close(self._open, now)

    def _foresee(self, now: float) -> None:
        """In a silence, words that have not changed for a while are likely to be all."""
        utterance = self._open
        if self._stable is None or utterance is None or not utterance.text or utterance.text == utterance.foreseen:
            return
        if now >= max(utterance.changed, utterance.stopped) + self._stable:
            self._eager(utterance, utterance.text)

    def _eager(self, utterance: Utterance, text: str) -> None:
        utterance.foreseen = text
        self._desk.foreseen(text)

    def _resumed(self, utterance: Utterance) -> None:
        utterance.foreseen = ""
        self._desk.resumed()

    def _close(self, utterance: Utterance, now: float) -> None:
        self._open = None
        utterance.decided = now
        self._asked.append(utterance)
        self._wake.set()

    def _settle(self, utterance: Utterance, text: str) -> None:
        """The utterance is over: its words, or that there were none. What comes later of it is ignored."""
        self._asked.remove(utterance)
        utterance.settled = True
        decided = utterance.decided or 0.0
        text = text.strip()
        if text:
            self._desk.said(text, utterance.number, stopped=utterance.stopped, decided=decided)
        else:
            self._desk.unheard(utterance.number, seconds=utterance.stopped - utterance.began)

    # ------------------------------------------------------------------------------------ the ear

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Hold the ear open. Provider errors end this run; the supervisor begins another."""
        # Media, begun beside this, takes its first step meanwhile: the apology of a call without an ear has a line to
        # be heard on.
        await trio.lowlevel.checkpoint()
        async with self._ear.open(self._told) as hearing:
            self._provider = hearing.provider
            self._chunk = max(1, round(hearing.chunk * 1000 / FRAME_MS))
            self._deaf = hearing.chunk == 0
            self._endpoint.patient = hearing.endpoints
            self._again()
            task_status.started()
            await self._pump(hearing)
        # The pump does not end: whatever ended it was the ear, and it kept the reason to itself.
        raise Unreachable("ear", "it has stopped listening, though the call goes on")

    def _again(self) -> None:
        """A new ear knows nothing: give it what is kept of every utterance whose words are still waited for."""
        self._queue = deque((*self._asked, *filter(None, (self._open,))))
        for utterance in self._queue:
            if utterance.begun:
                utterance.begun = False
                utterance.audio = deque(utterance.kept)
                # The new ear hears all of a short utterance, and only the end of a long one.
                utterance.before = utterance.text if len(utterance.kept) == KEEP else ""

    def _told(self, news: News) -> None:
        """What the ear calls with its words, and with what else it has to tell."""
        match news:
            case Served(provider):
                self._desk.note(ProviderServed("ear", provider))
            case Failed(provider, error):
                self._desk.note(ProviderFailed("ear", provider, error))
            case Heard():
                self._heard(news)
            case Eager(number, text):
                if (mine := self._open) is not None and mine.number == number and self._stable is not None:
                    self._eager(mine, joined(mine.before, text))
            case Resumed(number):
                if (mine := self._open) is not None and mine.number == number and mine.foreseen:
                    self._resumed(mine)

    def _conclude(self, utterance: Utterance, text: str) -> None:
        """The ear has decided that the turn is over."""
        self.conclude()
        self._settle(utterance, text)

    def _heard(self, heard: Heard) -> None:
        for utterance in (*self._asked, *filter(None, (self._open,))):
            if utterance.number != heard.utterance:
                continue
            text = joined(utterance.before, heard.text)
            if heard.final and utterance.decided is not None:
                self._settle(utterance, text)
            elif heard.ended and self._endpoint.deadline is None:
                utterance.over = text, self._desk.clock() + HANGOVER
            elif heard.ended:
                self._conclude(utterance, text)
            elif text.strip() and text != utterance.text:
                utterance.text, utterance.changed = text, self._desk.clock()
                if utterance is self._open:
                    self._endpoint.words(text)
                self._desk.words(text, utterance.number)
            return

    async def _pump(self, hearing: Hearing) -> None:
        """Audio to the ear, in its format and in chunks of its size, in the order it was said.

        Every utterance that the ear was told of is also told to end, even when nobody waits for its words any more.
        """
        converter = Converter(self._line, hearing.format)
        while True:
            utterance = self._queue[0] if self._queue else None
            if utterance is None or not self._ready(utterance):
                self._wake = trio.Event()
                await self._wake.wait()
            elif not utterance.begun and not utterance.settled:
                utterance.begun = True
                converter = Converter(self._line, hearing.format)
                await hearing.begin(utterance.number)
                await self._hand_over(utterance, hearing, converter)
            elif utterance.audio and not utterance.settled:
                await self._hand_over(utterance, hearing, converter)
            else:
                self._queue.popleft()
                if utterance.begun:
                    if (tail := converter.flush()) and not utterance.settled:
                        await self._hear(hearing, tail)
                    await hearing.end(utterance.number)

    async def _hand_over(self, utterance: Utterance, hearing: Hearing, converter: Converter) -> None:
        audio = b"".join(utterance.audio)
        utterance.audio.clear()
        if audio:
            await self._hear(hearing, converter.feed(audio))

    async def _hear(self, hearing: Hearing, audio: bytes) -> None:
        self._desk.usage.heard(hearing.provider, len(audio) / hearing.format.second)
        await hearing.hear(audio)

    def _ready(self, utterance: Utterance) -> bool:
        return not utterance.begun or utterance.decided is not None or len(utterance.audio) >= self._chunk
