"""The way to providers: what `Retry-After` asks for, what a refusal says, which addresses there can be."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from parlance.actors.dial import LONGEST_PAUSE, Service, complaint, pause

NOW = "Wed, 21 Oct 2026 07:28:00 GMT"


class Settings(Service):
    url: str = "wss://provider.invalid/ws"
    key_env: str = "TEST_API_KEY"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "9" * 400}, LONGEST_PAUSE),
        ({"retry-after": "Wed, 21 Oct 2026 07:27:00 GMT", "date": NOW}, 0.0),
        ({"retry-after": "Wed, 21 Oct 2099 07:28:00 GMT", "date": NOW}, LONGEST_PAUSE),
        ({"retry-after": NOW}, None),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 +99999999999999999999", "date": NOW}, None),
        ({"retry-after-ms": "nan"}, None),
        ({"retry-after-ms": "inf"}, LONGEST_PAUSE),
        ({"retry-after-ms": "-250"}, 0.0),
    ],
)
def test_pauses(headers: dict[str, str], seconds: float | None) -> None:
    assert pause(headers) == seconds


@pytest.mark.parametrize("body", [b"[" * 4000, b'{"error":' * 2000, b"\xff", b""])
def test_a_complaint_without_sense_is_told_as_it_is(body: bytes) -> None:
    assert complaint(body) == body.decode(errors="replace")


@pytest.mark.parametrize("url", ["ws://host:99999/", "ws://host:0/", "ws://host:x/", "ws://a..b/", f"ws://{'a' * 64}/"])
def test_an_address_that_there_cannot_be_is_told_at_the_start(url: str) -> None:
    with pytest.raises(ValidationError, match="is not an address like"):
        Settings(url=url)


@pytest.mark.parametrize(
    "url", ["ws://host:8080/x", "ws://127.0.0.1", "wss://[::1]:443/", "wss://b\u00fccher.example/"]
)
def test_an_address_is_taken(url: str) -> None:
    assert Settings(url=url).url == url
