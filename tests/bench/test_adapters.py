"""What adapters take of the CPU: every one is measured, really works while it is, and is held to the limit."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bench import adapters
from bench.cast import SETTINGS
from bench.unplugged import ears, minds, voices
from bench.unplugged.messages import varied
from parlance.registry import PROVIDERS

OWN = {"sphinx", "espeak", "script", "rehearsal"}
"""Those without a network have no adapter."""


def test_every_provider_on_the_network_is_measured() -> None:
    for role, known in PROVIDERS.items():
        kinds = {more.get("kind", name) for name, (_, _, more) in SETTINGS[role].items()}
        # Azure's mind speaks OpenAI's protocol.
        assert {*kinds, "azure"} >= known.keys() - OWN, role
    measured = {(step, provider) for step, _, provider, _ in adapters.steps()}
    for role, step in (("mind", "token"), ("ear", "transcript"), ("ear", "chunk in"), ("voice", "chunk out")):
        assert {(step, name) for name in SETTINGS[role]} <= measured


@pytest.mark.parametrize("name", SETTINGS["mind"])
async def test_a_mind_gives_a_token_for_each_event(name: str) -> None:
    assert 0 < await minds.token(name, 20) < 0.01


@pytest.mark.parametrize("name", SETTINGS["ear"])
async def test_an_ear_has_words_for_each_message_and_sends_each_chunk(name: str) -> None:
    assert 0 < await ears.transcript(name, 20) < 0.01
    assert 0 < await ears.chunk(name, 20) < 0.01


@pytest.mark.parametrize("name", SETTINGS["voice"])
async def test_a_voice_has_a_sound_for_each_message(name: str) -> None:
    assert 0 < await voices.chunk(name, 20) < 0.01


@pytest.mark.parametrize("name", ears.ASKED)
async def test_a_whole_request_of_an_ear_is_seen(name: str) -> None:
    asked: list[Any] = []
    assert 0 < await ears.request(name, 2, asked) < 0.1
    (first, second) = asked
    assert first.url == second.url
    assert len(await first.aread()) > ears.UTTERANCE * 8000


async def test_no_adapter_takes_more_than_its_limit() -> None:
    # What stops a whole run (another process, the collector) is no slower code: one of three must be undisturbed.
    for _ in range(3):
        broke = [figure for figure in await adapters.measured(3, 50) if figure.step != "request" and figure.broke]
        if not broke:
            return
    pytest.fail(f"over the limit: {broke}")


@pytest.mark.parametrize(
    ("step", "us", "broke"),
    [("token", 99.9, False), ("token", 100.0, True), ("chunk in", 101.0, True), ("request", 500.0, False)],
)
def test_what_is_over_the_limit_is_told(step: str, us: float, broke: bool) -> None:
    assert adapters.Figure(step, "mind", "openai", us, 1.0).broke is broke


def test_a_message_is_varied_where_its_words_are() -> None:
    message = {"channel": {"alternatives": [{"transcript": "I would"}]}, "start": 0}
    found = json.loads(varied(message, ("channel", "alternatives", 0, "transcript"), 7))
    assert found == {"channel": {"alternatives": [{"transcript": "I would7"}]}, "start": 0}
    assert message["channel"] == {"alternatives": [{"transcript": "I would"}]}
