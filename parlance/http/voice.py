"""`/api/voice/realtime/health` and `/api/voice/test`: whether agents hear and speak, in figures and in a sound file."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TypedDict

import trio
from quart import Blueprint, Response, jsonify, request
from werkzeug.exceptions import BadGateway, BadRequest, GatewayTimeout, ServiceUnavailable, TooManyRequests

from parlance.engine.errors import Overloaded, ProviderError

log = logging.getLogger(__name__)

LONGEST = 500
"""Characters of a text to be spoken, at most."""
WAIT = 30.0
"""Seconds for the voice."""
SCOPE = "calls:write"
"""What a key must be good for: each test costs a voice's work, and maybe money."""


class VoiceHealth(TypedDict):
    """Figures of this process since it started."""

    status: str
    """`ok`, or in one word why no call can be taken: `starting`, `draining`, `full`, `saturated`."""
    stt_health: str
    """Of the ears (speech to text): `ok`, or `failing` from an ear's failure to the next words that one hears."""
    active_calls: int
    total_calls: int
    success_rate: float | None
    """Calls that ended in good order among all that have ended, 0 to 1; None before the first has ended."""


async def _anybody(scope: str) -> None:
    """No authentication."""


def pages(
    health: Callable[[], VoiceHealth],
    speak: Callable[[str], Awaitable[bytes]],
    guard: Callable[[str], Awaitable[None]] = _anybody,
) -> Blueprint:
    """`speak`: a text to a WAV file, raising `ProviderError`; one text at a time. `guard`: raises an HTTP exception for
    who may not have what needs this scope."""
    blueprint = Blueprint("voice", __name__)
    mouth = trio.CapacityLimiter(1)

    @blueprint.get("/api/voice/realtime/health")
    async def realtime() -> Response:
        return jsonify(health())

    @blueprint.post("/api/voice/test")
    async def test() -> Response:
        await guard(SCOPE)
        text = request.args.get("text", "").strip()
        if not 1 <= len(text) <= LONGEST:
            raise BadRequest(f"text must be given in the query, with 1 to {LONGEST} characters")
        try:
            mouth.acquire_nowait()
        except trio.WouldBlock:
            raise TooManyRequests("the voice is speaking another text", retry_after=1) from None
        try:
            sound = await _spoken(speak, text)
        finally:
            mouth.release()
        return Response(sound, content_type="audio/wav", headers={"Content-Disposition": 'inline; filename="test.wav"'})

    return blueprint


async def _spoken(speak: Callable[[str], Awaitable[bytes]], text: str) -> bytes:
    """A voice's errors name its service and address: they are for the log."""
    try:
        with trio.fail_after(WAIT):
            return await speak(text)
    except trio.TooSlowError:
        raise GatewayTimeout(f"the voice took more than {WAIT:g} s") from None
    except ProviderError as error:
        log.warning("the voice could not speak a test: %s", error)
        if isinstance(error, Overloaded):
            raise ServiceUnavailable("the voice is overloaded", retry_after=5) from error
        raise BadGateway("the voice failed") from error
