"""A recorded caller plays through a whole call, in real time, on a line without a network: `parlance call`.

It belongs to the composition root: it may import everything, and of the rooms nothing imports it.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import trio

from parlance.actors.media.fake import FakeLine, FakeWire
from parlance.actors.media.port import Started
from parlance.codecs import mulaw, wav
from parlance.codecs.convert import convert
from parlance.codecs.format import TELEPHONE, Format
from parlance.codecs.resample import RATES, fourier
from parlance.engine.agent import Agent
from parlance.engine.errors import Misconfigured
from parlance.engine.message import How
from parlance.engine.trace import CallEnded, Record
from parlance.house import House
from parlance.settings import Settings
from parlance.terminal.live import Show
from parlance.terminal.record import Recorder
from parlance.terminal.tracks import Tracks

PATIENCE = 4.0
"""Seconds of silence after which a caller whose recording is over hangs up: more than any agent needs to answer."""
REFRESH = 0.2
"""Seconds between two refreshes of the display, and of what is on disk."""


def load(path: Path) -> bytes:
    """The recording as a telephone carries it: 8 kHz µ-law. Raises `Misconfigured` with one line."""
    try:
        sound = wav.read(path)
    except wav.BadAudio as error:
        raise Misconfigured(str(error)) from None
    if sound.rate not in RATES:
        return mulaw.encode(fourier(sound.samples, sound.rate, TELEPHONE.rate))
    return convert(sound.samples, Format("pcm16", sound.rate), TELEPHONE)


class Caller:
    """Somebody with a recording for a voice: says it, listens, and hangs up when nothing more comes."""

    def __init__(self, speech: bytes, tracks: Tracks) -> None:
        self.line = FakeLine(TELEPHONE, ear=self._hears, mouth=self._says)
        self.line.say(speech)
        self._tracks = tracks
        self._quiet_since = 0
        self._silence = TELEPHONE.silence
        self._length = len(speech)

    def _says(self, position: int, audio: bytes) -> None:
        self._tracks.caller(position, mulaw.decode(audio))

    def _hears(self, position: int, audio: bytes) -> None:
        self._tracks.agent(position, mulaw.decode(audio))
        if position < self._length or audio.strip(self._silence):
            self._quiet_since = position
        elif position - self._quiet_since > PATIENCE * TELEPHONE.rate:
            self.line.tell("stop recording over")


async def play(
    settings: Settings, agents: Mapping[str, Agent], name: str, recording: Path, out: Path, *, show: Show, now: datetime
) -> list[Record]:
    """One call of `recording` with agent `name`; leaves call.wav, transcript.txt and trace.jsonl in `out`.

    Raises `Misconfigured`, before anything is written, for a recording or an agent that cannot be used; and
    `SystemExit` with 128 + the signal if SIGINT or SIGTERM ended the call.
    """
    speech = await trio.to_thread.run_sync(load, recording)
    if name not in agents:
        own = "your own are in the files and folders that the setting `agents` names"
        raise Misconfigured(f"there is no agent {name!r}; there are {', '.join(sorted(agents))}; {own}")
    house = House(settings, agents, only=name)
    recorder = Recorder(out, date=now)
    caller = Caller(speech, recorder.tracks(TELEPHONE.rate))
    records: list[Record] = []
    signals: list[int] = []
    house.sinks.extend((records.append, recorder, show))
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(_watch, nursery.cancel_scope, signals)
            await nursery.start(house.run)
            with show:
                nursery.start_soon(_refresh, show, recorder)
                house.metronome.join(caller.line)
                await house.host(caller.line, FakeWire(TELEPHONE, carrier="recording"), Started(agent=name))
                house.metronome.leave(caller.line)
            nursery.cancel_scope.cancel()
    finally:
        await recorder.close()
    if recorder.fault:
        raise Misconfigured(recorder.fault)
    if signals:
        raise SystemExit(128 + signals[0])
    return records


def failed(records: Sequence[Record]) -> bool:
    """Whether the call ended because something of ours, or of a provider's, did not work."""
    return any(isinstance(record.event, CallEnded) and record.event.how == How.FAILED.value for record in records)


async def _watch(scope: trio.CancelScope, signals: list[int], *, task_status: trio.TaskStatus[None]) -> None:
    """Let a signal end the call here: a KeyboardInterrupt could strike in the middle of what keeps the recording."""
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as arrivals:
        task_status.started()
        signals.append(await anext(arrivals))
        scope.cancel()


async def _refresh(show: Show, recorder: Recorder) -> None:
    start = trio.current_time()
    while True:
        await trio.sleep(REFRESH)
        show.tick(trio.current_time() - start)
        await recorder.flush()
