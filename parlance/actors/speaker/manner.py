"""How a voice of ElevenLabs speaks: the settings that its WebSocket and its HTTP interface have in common. Pure."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from parlance.engine.agent import Strict

Share = Annotated[float, Field(ge=0, le=1)]


class Manner(Strict):
    """Which voice, and its `voice_settings` as in elevenlabs 2.78; what is not set is as the service has it."""

    voice: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$", description="should be the voice's id, and not its name")]
    """The voice's id."""
    model: Annotated[str, Field(min_length=1)] = "eleven_flash_v2_5"
    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}$", description="should be a code like en")] | None = None
    """A language's code, for models that take one."""
    stability: Share | None = None
    similarity: Share | None = None
    style: Share | None = None
    boost: bool | None = None
    """Whether the voice is made more like the speaker, which takes longer."""
    speed: Annotated[float, Field(ge=0.7, le=1.2)] | None = None

    def voice_settings(self) -> dict[str, float | bool]:
        wanted = {
            "stability": self.stability,
            "similarity_boost": self.similarity,
            "style": self.style,
            "use_speaker_boost": self.boost,
            "speed": self.speed,
        }
        return {name: value for name, value in wanted.items() if value is not None}
