"""The simulated providers: a door each, with everything that the real one has behind one host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bench.simulators import (
    assembly,
    azurespeech,
    cartesia,
    chat,
    eleven,
    flux,
    gemini,
    listen,
    messages,
    scribe,
    speak,
    transcribe,
)
from bench.simulators.conduct import Conduct
from bench.simulators.door import Behind, Door

Keys = Mapping[str, str | None]
PROVIDERS: dict[str, tuple[Keys, tuple[Behind, ...]]] = {
    "deepgram": ({"authorization": "Token"}, (listen.BEHIND, flux.BEHIND, speak.DEEPGRAM)),
    "openai": ({"authorization": "Bearer"}, (chat.BEHIND, transcribe.BEHIND, speak.OPENAI)),
    "azureopenai": ({"api-key": ""}, (chat.AZURE,)),
    "azure": ({"ocp-apim-subscription-key": ""}, (azurespeech.BEHIND,)),
    # Its package has sent the one, and sends the other now (anthropic 2.11).
    "anthropic": ({"x-api-key": "", "authorization": "Bearer"}, (messages.BEHIND,)),
    "gemini": ({"x-goog-api-key": ""}, (gemini.BEHIND,)),
    "elevenlabs": ({"xi-api-key": ""}, (scribe.BEHIND, eleven.BEHIND)),
    "assemblyai": ({"authorization": ""}, (assembly.BEHIND,)),
    "cartesia": ({"authorization": "Bearer"}, (cartesia.BEHIND,)),
}
"""By name: the headers that may have the key, with what stands before it, and what there is."""


def _plain(status: int, message: str) -> Mapping[str, Any]:
    return {"error": {"message": message}}


SHAPES: dict[str, Callable[[int, str], Mapping[str, Any]]] = {
    "deepgram": lambda status, message: {"err_code": str(status), "err_msg": message, "request_id": "1"},
    "anthropic": lambda status, message: {"type": "error", "error": {"type": "api_error", "message": message}},
    "gemini": lambda status, message: {"error": {"code": status, "message": message, "status": "UNKNOWN"}},
    "elevenlabs": lambda status, message: {"detail": {"status": str(status), "message": message}},
    "cartesia": lambda status, message: {"title": "Error", "message": message, "error_code": str(status)},
}
"""The body of a refusal, where it is not OpenAI's."""


def doors(conduct: Conduct) -> dict[str, Door]:
    """A door for each provider."""
    return {
        name: Door(
            conduct,
            {path: page for one in behind for path, page in one.pages.items()},
            {path: line for one in behind for path, line in one.lines.items()},
            keys,
            SHAPES.get(name, _plain),
        )
        for name, (keys, behind) in PROVIDERS.items()
    }
