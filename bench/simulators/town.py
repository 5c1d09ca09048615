"""The simulated providers: a door each, with everything that the real one has behind one host."""

from __future__ import annotations

from collections.abc import Mapping
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
from bench.simulators.door import Behind, Door, Shape

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


_ANTHROPIC = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "not_found_error",
    429: "rate_limit_error",
    529: "overloaded_error",
}
_GEMINI = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED"}


def _openai(status: int, message: str) -> Mapping[str, Any]:
    kind = "invalid_request_error" if status < 500 else "server_error"
    return {"error": {"message": message, "type": kind, "param": None, "code": None}}


def _azureopenai(status: int, message: str) -> Mapping[str, Any]:
    return {"error": {"code": "404", "message": message}} if status == 404 else _openai(status, message)


SHAPES: dict[str, Shape] = {
    "azureopenai": _azureopenai,
    # As in deepgram-sdk 7.17, `types/error_response_legacy_error`.
    "deepgram": lambda status, message: {
        "err_code": "INVALID_REQUEST" if status in (400, 413) else str(status),
        "err_msg": message,
        "request_id": "1",
    },
    # Who has a wrong key does not come further than the gateway, whose answers have a body.
    "azure": lambda status, message: {"error": {"code": "401", "message": message}} if status == 401 else None,
    "anthropic": lambda status, message: messages.error(_ANTHROPIC.get(status, "api_error"), message),
    "gemini": lambda status, message: {
        "error": {"code": status, "message": message, "status": _GEMINI.get(status, "UNAVAILABLE")}
    },
    "elevenlabs": eleven.refused,
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
            SHAPES.get(name, _openai),
        )
        for name, (keys, behind) in PROVIDERS.items()
    }
