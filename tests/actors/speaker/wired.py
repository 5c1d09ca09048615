"""What tests of voices over WebSockets stand on: wires without a connection, what they send, and what a voice says."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

from parlance.actors.speaker import cartesia, elevenlabs
from parlance.actors.speaker.stream import StreamVoice


def brief(told: object) -> str:
    return str(told)[:100]


def names() -> Any:
    numbers = count(1)
    return lambda: f"turn-{next(numbers)}"


def eleven(**settings: Any) -> elevenlabs.ElevenWire:
    wanted = elevenlabs.Settings.model_validate({"url": "ws://x", "voice": "v", **settings})
    return elevenlabs.ElevenWire(wanted, brief, names())


def sonic(**settings: Any) -> cartesia.CartesiaWire:
    wanted = cartesia.Settings.model_validate({"url": "ws://x", "voice": "v", **settings})
    return cartesia.CartesiaWire(wanted, brief, names())


def read(messages: list[str | bytes]) -> list[dict[str, Any]]:
    return [json.loads(message) for message in messages]


async def said(voice: StreamVoice, *texts: str) -> list[bytes]:
    """A reply, and the audio of each of its phrases."""
    heard = []
    async with voice.reply() as reply:
        for text in texts:
            async with reply.speak(text) as sounds:
                heard.append(b"".join([sound.audio async for sound in sounds]))
    return heard
