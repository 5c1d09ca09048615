"""The providers under test: behind which simulated door each is, and what settings an agent needs to reach it there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

KEY = "sk-parlance-test-Zx81-7731-never-to-be-seen"
"""The key that all of them are given."""
VARIABLE = "PARLANCE_TEST_PROVIDER_KEY"

_BRISK = {"connect": 2.0, "warm": 0, "key_env": VARIABLE}
_EAR = {"idle": 1.0, "final": 1.5}
_ASKED = {"first": 1.2, "idle": 1.0, "total": 4.0, "interim": 0}
_MIND = {"first": 1.2, "idle": 1.0, "model": "simulated"}
_VOICE = {"first": 1.2, "idle": 1.0}


@dataclass(frozen=True, slots=True)
class Partner:
    """`path`: what follows host and port in the address. `line`: whether it is a WebSocket, whose handshake is a
    request of its own. `settings`: the others that it needs.
    """

    role: str
    kind: str
    door: str
    path: str
    line: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    """Where it is not the kind."""

    @property
    def title(self) -> str:
        return f"{self.role} {self.name or self.kind}"

    def at(self, port: int, **more: Any) -> dict[str, Any]:
        """The settings with which an agent finds it on this port."""
        scheme = "ws" if self.line else "http"
        return {"kind": self.kind, "url": f"{scheme}://127.0.0.1:{port}{self.path}", **_BRISK, **self.settings, **more}


PARTNERS = (
    Partner("ear", "deepgram", "deepgram", "/v1/listen", True, _EAR),
    Partner("ear", "flux", "deepgram", "/v2/listen", True, _EAR),
    Partner("ear", "openai", "openai", "/v1/audio/transcriptions", False, _ASKED),
    Partner("ear", "elevenlabs", "elevenlabs", "/v1/speech-to-text/realtime", True, _EAR),
    Partner("ear", "assemblyai", "assemblyai", "/v3/ws", True, _EAR),
    Partner(
        "ear",
        "azure",
        "azure",
        "/speech/recognition/conversation/cognitiveservices/v1",
        False,
        _ASKED,
    ),
    Partner("mind", "openai", "openai", "/v1", False, _MIND),
    Partner("mind", "openai", "azureopenai", "", False, _MIND | {"api_version": "2024-10-21"}, "azure"),
    Partner("mind", "anthropic", "anthropic", "", False, _MIND),
    Partner("mind", "gemini", "gemini", "", False, _MIND),
    Partner(
        "voice", "elevenlabs", "elevenlabs", "/v1/text-to-speech", True, _VOICE | {"voice": "rachel", "settle": 0.3}
    ),
    Partner("voice", "elevenlabs-http", "elevenlabs", "", False, _VOICE | {"voice": "rachel"}),
    Partner("voice", "deepgram", "deepgram", "/v1/speak", False, _VOICE),
    Partner("voice", "deepgram-ws", "deepgram", "/v1/speak", True, _VOICE),
    Partner("voice", "openai", "openai", "/v1/audio/speech", False, _VOICE | {"model": "simulated", "voice": "alloy"}),
    Partner("voice", "azure", "azure", "/cognitiveservices/v1", False, _VOICE),
    Partner("voice", "cartesia", "cartesia", "/tts/websocket", True, _VOICE | {"voice": "katie"}),
)

BY_TITLE = {partner.title: partner for partner in PARTNERS}


def of(role: str) -> tuple[Partner, ...]:
    return tuple(partner for partner in PARTNERS if partner.role == role)
