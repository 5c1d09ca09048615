"""The speaker: phrases to audio in the line's format, never more than the lead ahead of the ear.

A restarted speaker takes up the phrase that was in the voice's hands, from the words that were not sent yet.
"""

from __future__ import annotations

import trio

from parlance.actors.speaker.port import Outlet, Reply, Sound, Voice
from parlance.codecs.convert import Converter
from parlance.engine.effort import ProviderFailed, ProviderServed
from parlance.engine.errors import ProviderError
from parlance.engine.mailbox import Mailbox, Policy
from parlance.engine.message import Broken
from parlance.engine.roles import Desk
from parlance.engine.turn import Turn
from parlance.engine.witness import Failed, Served

ORDERS = 32
"""Turns that may wait: more are a bug, since a turn that has ended takes no time."""

PIECE = 8192
"""Bytes that are converted at a time: a provider's largest pieces would hold the loop for milliseconds."""


class SpeakerActor:
    """One call's voice."""

    def __init__(self, voice: Voice, outlet: Outlet, desk: Desk) -> None:
        self._voice, self._outlet, self._desk = voice, outlet, desk
        self._orders: Mailbox[Turn] = Mailbox(ORDERS, Policy.REFUSE)
        self._hand: Turn | None = None
        self._failed = False
        """Whether a run has ended over this turn, and no audio has come since."""
        self._provider = voice.provider
        """Who speaks at present."""

    def speak(self, turn: Turn) -> None:
        self._orders.put_nowait(turn)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Speak turns, one after another. An error of the voice that another try may mend ends this run, and the
        supervisor begins another; any other ends the reply, and so does one that comes before any more audio.
        """
        task_status.started()
        while True:
            if self._hand is None:
                self._hand, self._failed = await self._orders.get(), False
            await self._reply(self._hand)
            self._hand = None

    async def _reply(self, turn: Turn) -> None:
        with turn.work():
            try:
                await self._phrases(turn)
            except ProviderError as error:
                if error.retry and not self._failed:
                    self._failed = True
                    raise
                self._desk.happen(Broken(turn.number, str(error)))

    async def _phrases(self, turn: Turn) -> None:
        if turn.voicing is not None:
            turn.voicing = self._outlet.retake(turn.number) or None
        async with self._voice.reply() as reply:
            if turn.voicing is not None:
                await self._phrase(turn, reply, turn.voicing)
            async for phrase in turn.phrases:
                await self._phrase(turn, reply, phrase)
        self._outlet.turn_done(turn.number)

    async def _phrase(self, turn: Turn, reply: Reply, text: str) -> None:
        turn.voicing = text
        self._outlet.phrase(turn.number, text)
        converter: Converter | None = None
        async with reply.speak(text) as speech:
            async for piece in speech:
                match piece:
                    case Sound():
                        converter = converter or self._begin(turn, text, piece)
                        if piece.times:
                            self._outlet.timed(turn.number, piece.times)
                        for at in range(0, len(piece.audio), PIECE):
                            await self._play(turn, converter.feed(piece.audio[at : at + PIECE]))
                    case Served(provider):
                        self._provider = provider
                        self._desk.note(ProviderServed("voice", provider, turn.number))
                    case Failed(provider, error):
                        self._desk.note(ProviderFailed("voice", provider, error, turn.number))
        if converter is not None:
            await self._play(turn, converter.flush())
        self._outlet.phrase_done(turn.number)
        turn.voicing = None

    def _begin(self, turn: Turn, text: str, first: Sound) -> Converter:
        """The phrase is being spoken: its text is paid for from now on."""
        self._failed = False
        turn.mark("first_audio")
        self._desk.usage.spoke(self._provider, len(text))
        return Converter(first.format, self._outlet.format)

    async def _play(self, turn: Turn, audio: bytes) -> None:
        width = self._outlet.format.width
        while audio:
            room = await self._outlet.room(turn.number)
            room -= room % width
            self._outlet.add(turn.number, audio[:room])
            audio = audio[room:]
