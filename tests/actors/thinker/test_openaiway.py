"""The openai mind's way to its service: its key, its settings, Azure's addresses, and a service that is not there."""

from __future__ import annotations

import pytest
import trio

from parlance.actors.thinker.openai import make
from parlance.engine.agent import Agent
from parlance.engine.errors import Misconfigured, Rejected, Unreachable
from tests.actors.thinker.chatserver import WHOLE, minds, refuses, reply, sends, serving


async def test_the_key_goes_to_the_service_and_nowhere_else(monkeypatch):
    monkeypatch.setenv("SHOP_KEY", "sk-secret-123")
    body = b'{"error":{"message":"wrong key sk-secret-123"}}'
    async with serving(refuses(401, body)) as server, minds(server.port, key_env="SHOP_KEY") as made:
        with pytest.raises(Rejected, match=r"wrong key \*\*\*") as caught:
            await reply(made)
        assert b"Bearer sk-secret-123" in server.headers[0]
        assert "secret-123" not in repr(made.service) + repr(made.dial.key) + str(caught.value)


@pytest.mark.parametrize("azure", [{}, {"api_version": "v-1"}])
async def test_nothing_that_the_package_finds_in_the_environment_goes_along(monkeypatch, azure):
    monkeypatch.setenv("SHOP_KEY", "sk-secret-123")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-other")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-other")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "Authorization: Bearer other\nX-Private: other\napi-key: other")
    async with serving(sends(WHOLE)) as server, minds(server.port, key_env="SHOP_KEY", **azure) as made:
        await reply(made)
    head = server.headers[0]
    assert b"sk-secret-123" in head
    assert b"other" not in head
    assert b"x-private" not in head.lower()


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({}, "'model' is missing"),
        ({"model": "m"}, "OPENAI_API_KEY"),
        ({"model": "m", "key_env": "SHOP_KEY"}, "SHOP_KEY"),
        ({"model": "m", "base_url": "localhost:1"}, "is not an address like https://api.openai.com/v1"),
        ({"model": "m", "base_url": "http://x", "temprature": 1}, "did you mean temperature"),
        ({"model": "m", "base_url": "http://x", "temperature": 3}, "less than or equal to 2"),
        ({"model": "m", "url": "http://x", "max_tokens": 1, "max_completion_tokens": 1}, "two names of one thing"),
        ({"model": "m", "key_env": "HOME", "api_version": "1"}, "set `url` to your resource"),
    ],
)
def test_wrong_settings_are_told_at_the_start(settings, fault, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("SHOP_KEY", raising=False)
    with pytest.raises(Misconfigured, match=fault):
        make(settings, Agent(name="a"))


async def test_azure_is_asked_at_its_deployment_with_its_header(nursery, monkeypatch):
    monkeypatch.setenv("SHOP_KEY", "azure-secret-1")
    async with serving(sends(WHOLE)) as server:
        made = make(
            {"model": "desk", "url": f"http://127.0.0.1:{server.port}", "api_version": "v-1", "key_env": "SHOP_KEY"}
            | {"warm": 0},
            Agent(name="a"),
        )
        await nursery.start(made.run)
        assert await reply(made) == "We are open \u00fc."
        nursery.cancel_scope.cancel()
    head = server.headers[0].lower()
    assert head.startswith(b"post /openai/deployments/desk/chat/completions?api-version=v-1 ")
    assert b"\r\napi-key: azure-secret-1" in head
    assert b"authorization" not in head


async def test_a_service_that_is_not_there_yet_holds_nothing_up():
    async with serving(sends(WHOLE)) as server:
        port = server.port
    made = make({"model": "m", "url": f"http://127.0.0.1:{port}/v1", "warm": 3}, Agent(name="a"))
    with trio.fail_after(2):
        async with trio.open_nursery() as nursery:
            await nursery.start(made.run)
            with pytest.raises(Unreachable):
                await reply(made)
            nursery.cancel_scope.cancel()


def test_a_key_that_no_header_can_carry_is_refused(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-\u00fc")
    with pytest.raises(Misconfigured, match="characters that no key has"):
        make({"model": "m"}, Agent(name="a"))
