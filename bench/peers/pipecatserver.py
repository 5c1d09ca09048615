"""A pipecat voice server: FastAPI, the Twilio serializer, and stub services as slow as the agent `rehearsal`.

    .peers/pipecat/bin/python bench/peers/pipecatserver.py --port PORT --sound FILE [--vad silero|webrtc]
                                                           [--turn smart|pause] [--stop SECONDS]

The pipeline is the one that `pipecat init` writes for a Twilio bot: transport, speech to text, user aggregator with its
voice detector, language model, text to speech, transport, assistant aggregator, all at 8 kHz. With `--vad silero` the
detector has pipecat's parameters: speech after 0.2 s, its end after another 0.2 s.

`--turn smart` is pipecat's way to end a turn, a network that judges whether a sentence sounds finished. It takes most
of the bench's utterances, which are cut to length, for unfinished and waits for 3 s; and it costs more. So a comparison
uses `pause`: a turn ends a fixed time after the detector's end. Metrics and tracing are off. It runs in an environment
of its own and imports nothing of parlance.
"""

from __future__ import annotations

import argparse
import asyncio
import audioop
import sys
import time
from collections.abc import AsyncGenerator
from pathlib import Path

import uvicorn
import webrtcvad
from fastapi import FastAPI, WebSocket
from loguru import logger
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADAnalyzer, VADParams, VADState
from pipecat.frames.frames import (
    Frame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair, LLMUserAggregatorParams
from pipecat.processors.frame_processor import FrameDirection
from pipecat.runner.utils import parse_telephony_websocket
from pipecat.serializers.twilio import TwilioFrameSerializer
from pipecat.services.llm_service import LLMService
from pipecat.services.settings import LLMSettings, STTSettings, TTSSettings
from pipecat.services.stt_service import STTService
from pipecat.services.tts_service import TTSService
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies
from pipecat.utils.time import time_now_iso8601
from pipecat.workers.runner import WorkerRunner

RATE = 8000
EAR, MIND, PACE, VOICE, WORD = 0.05, 0.1, 100, 0.05, 0.085
"""Seconds until the final words and until the first word of a reply; words a second; seconds until the first audio of
a sentence, and that a word takes to say."""
QUIET = 200
"""RMS below which nothing is speech for the cheap detector: -44 dBFS."""
CHUNK = 2 * RATE // 10
"""Bytes of PCM16 in which the voice delivers: 100 ms."""
HEARD = "I would like to book an appointment, please."
REPLY = (
    "Of course, let me just have a look at the calendar. There is a free hour on Monday at ten. "
    "We could also see you on Thursday in the afternoon. So please tell me which of them suits you best."
)
UNUSED = (
    *("model", "system_instruction", "temperature", "max_tokens", "top_p", "top_k", "frequency_penalty"),
    *("presence_penalty", "seed", "filter_incomplete_user_turns", "user_turn_completion_config"),
)
"""Settings of a language model that the stub does not have: pipecat wants each of them said."""


class Ear(STTService):
    """Always hears the same words, `EAR` after the detector has said that the caller stopped."""

    def __init__(self) -> None:
        # A final transcript is marked as such, so nothing waits for this bound.
        super().__init__(ttfs_p99_latency=1.0, settings=STTSettings(model=None, language=None))

    async def run_stt(self, audio: bytes) -> AsyncGenerator[Frame | None, None]:
        yield None

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, VADUserStoppedSpeakingFrame):
            self.create_task(self._words(), name="words")

    async def _words(self) -> None:
        await asyncio.sleep(EAR)
        await self.push_frame(TranscriptionFrame(HEARD, "", time_now_iso8601(), finalized=True))


class Mind(LLMService):
    """Always answers the same forty words."""

    def __init__(self) -> None:
        super().__init__(settings=LLMSettings(**dict.fromkeys(UNUSED), use_provider_thinking_default=False))

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if not isinstance(frame, LLMContextFrame):
            await self.push_frame(frame, direction)
            return
        await self.push_frame(LLMFullResponseStartFrame())
        start = time.monotonic() + MIND
        for number, word in enumerate(REPLY.split()):
            await asyncio.sleep(max(0, start + number / PACE - time.monotonic()))
            await self.push_frame(LLMTextFrame(f" {word}" if number else word))
        await self.push_frame(LLMFullResponseEndFrame())


class Voice(TTSService):
    """Prepared sound, as long as the text would take."""

    def __init__(self, sound: bytes) -> None:
        settings = TTSSettings(model=None, voice=None, language=None)
        super().__init__(sample_rate=RATE, push_start_frame=True, push_stop_frames=True, settings=settings)
        self._sound = sound

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None, None]:
        await asyncio.sleep(VOICE)
        audio = self._sound[: 2 * round(len(text.split()) * WORD * RATE)]
        for at in range(0, len(audio), CHUNK):
            yield TTSAudioRawFrame(audio[at : at + CHUNK], RATE, 1, context_id=context_id)


class WebRTC(VADAnalyzer):
    """WebRTC's detector in place of Silero's network, in the event loop in place of a thread for each call."""

    def __init__(self, params: VADParams) -> None:
        super().__init__(sample_rate=RATE, params=params)
        self._vad = webrtcvad.Vad(2)

    def num_frames_required(self) -> int:
        return RATE // 50

    def voice_confidence(self, buffer: bytes) -> float:
        return float(self._vad.is_speech(buffer, RATE))

    def _get_smoothed_volume(self, audio: bytes) -> float:
        return float(audioop.rms(audio, 2) > QUIET)

    async def analyze_audio(self, buffer: bytes) -> VADState:
        return self._run_analyzer(buffer)


def detector(options: argparse.Namespace) -> VADAnalyzer:
    if options.vad == "silero":
        return SileroVADAnalyzer()
    return WebRTC(VADParams(start_secs=0.06, stop_secs=options.stop))


async def converse(socket: WebSocket, sound: bytes, options: argparse.Namespace) -> None:
    """One call, until the caller hangs up."""
    _, call = await parse_telephony_websocket(socket)
    serializer = TwilioFrameSerializer(
        stream_sid=call.stream_id, call_sid=call.call_id, params=TwilioFrameSerializer.InputParams(auto_hang_up=False)
    )
    transport = FastAPIWebsocketTransport(
        websocket=socket,
        params=FastAPIWebsocketParams(audio_in_enabled=True, audio_out_enabled=True, serializer=serializer),
    )
    stop = None if options.turn == "smart" else [SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=options.pause)]
    user, assistant = LLMContextAggregatorPair(
        LLMContext(),
        user_params=LLMUserAggregatorParams(
            vad_analyzer=detector(options), user_turn_strategies=UserTurnStrategies(stop=stop)
        ),
    )
    stages = [transport.input(), Ear(), user, Mind(), Voice(sound), transport.output(), assistant]
    worker = PipelineWorker(
        Pipeline(stages), params=PipelineParams(audio_in_sample_rate=RATE, audio_out_sample_rate=RATE)
    )
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)

    @transport.event_handler("on_client_disconnected")
    async def gone(transport: FastAPIWebsocketTransport, client: WebSocket) -> None:
        await runner.cancel()

    await runner.run()


def application(sound: bytes, options: argparse.Namespace) -> FastAPI:
    app = FastAPI()

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.websocket("/media")
    async def media(socket: WebSocket) -> None:
        await socket.accept()
        await converse(socket, sound, options)

    return app


def main() -> None:
    parser = argparse.ArgumentParser(description="A pipecat voice server, to compare with.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--sound", type=Path, required=True, help="µ-law at 8 kHz that every phrase is cut from")
    parser.add_argument("--vad", choices=("silero", "webrtc"), default="silero")
    parser.add_argument("--turn", choices=("smart", "pause"), default="pause")
    parser.add_argument("--stop", type=float, default=0.2, help="seconds without voice (webrtc only)")
    parser.add_argument("--pause", type=float, default=0.1, help="seconds after those until the turn is over")
    options = parser.parse_args()
    logger.remove()
    logger.add(sys.stderr, level="WARNING")
    sound = audioop.ulaw2lin(options.sound.read_bytes(), 2)
    app = application(sound, options)
    uvicorn.run(app, host="127.0.0.1", port=options.port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
