"""The way to providers: what `Retry-After` asks for, what a refusal says, which addresses there can be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from parlance.actors.dial import LONGEST_PAUSE, Dial, Service, complaint, pause, secure
from parlance.actors.listener.azure import Settings as Azure
from parlance.actors.thinker.openai import Settings as OpenAI
from parlance.engine.errors import Misconfigured
from parlance.engine.faults import checked

NOW = "Wed, 21 Oct 2026 07:28:00 GMT"


class Settings(Service):
    url: str = "wss://api.provider.invalid/ws"
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


KEY = "sk-real"


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TEST_API_KEY", "OPENAI_API_KEY", "AZURE_SPEECH_KEY"):
        monkeypatch.setenv(name, KEY)


OPENAI: dict[str, Any] = {"model": "m"}


@pytest.mark.usefixtures("key")
@pytest.mark.parametrize(
    ("model", "settings", "sent"),
    [
        (Settings, {}, True),
        (Settings, {"url": "wss://api.eu.provider.invalid/ws"}, True),
        (Settings, {"url": "wss://API.provider.invalid:8443/other"}, True),
        (Settings, {"url": "wss://provider.invalid/ws"}, True),
        (Settings, {"url": "ws://api.provider.invalid/ws"}, False),
        (Settings, {"url": "wss://apiprovider.invalid/ws"}, False),
        (Settings, {"url": "wss://api.provider.invalid.example/ws"}, False),
        (Settings, {"url": "ws://127.0.0.1:8000/ws", "key_file": None}, False),
        (Settings, {"url": "ws://127.0.0.1:8000/ws"}, False),
        (Settings, {"url": "ws://127.0.0.1:8000/ws", "key_env": "TEST_API_KEY"}, True),
        (OpenAI, {**OPENAI, "url": "https://192.0.2.7/v1"}, False),
        (OpenAI, {**OPENAI, "base_url": "https://eu.api.openai.com/v1"}, True),
        (OpenAI, {**OPENAI, "url": "https://x.openai.azure.com", "api_version": "1"}, False),
        (
            OpenAI,
            {**OPENAI, "url": "https://x.openai.azure.com", "api_version": "1", "key_env": "OPENAI_API_KEY"},
            True,
        ),
        (Azure, {"region": "westeurope"}, True),
        (Azure, {"url": "https://northeurope.stt.speech.microsoft.com/x"}, True),
        (Azure, {"url": "https://x.microsoft.com/"}, False),
    ],
)
def test_a_key_that_is_not_named_goes_to_its_provider_only(
    model: type[Service], settings: dict[str, Any], sent: bool
) -> None:
    service = model(**settings)
    assert service.key().get_secret_value() == (KEY if sent else "")
    assert (KEY in str(Dial("p", service).headers)) is sent


def test_a_file_that_is_named_goes_anywhere(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")
    assert Settings(url="ws://127.0.0.1/", key_file=file).key().get_secret_value() == KEY


@pytest.mark.parametrize(
    ("settings", "hint"),
    [
        ({"url": "ws://127.0.0.1/"}, " (no key was sent: name one with key_env or key_file)"),
        ({"url": "ws://127.0.0.1/", "key_env": "TEST_API_KEY"}, ""),
    ],
)
@pytest.mark.usefixtures("key")
def test_a_refusal_for_want_of_a_key_says_that_none_was_sent(settings: dict[str, Any], hint: str) -> None:
    dial = Dial("p", Settings(**settings))
    assert str(dial.refusal(401, "who are you?")) == f"p: 401 who are you?{hint}"
    assert str(dial.refusal(403, "no")) == "p: 403 no"


FILE = "{file}"
ALONE = "must hold the key alone: no name before it, no quotes around it"


@pytest.mark.parametrize(
    ("settings", "text", "told"),
    [
        (
            {},
            "",
            "no key: set the environment variable TEST_API_KEY, or name a file with it in `key_file` (a server at a ",
        ),
        (
            {"url": "ws://127.0.0.1/", "key_env": "TEST_API_KEY"},
            "",
            "no key: set the environment variable TEST_API_KEY",
        ),
        ({"key_file": FILE}, " \n", "key_file: {file} is empty"),
        ({"url": "ws://127.0.0.1/", "key_file": FILE}, "", "key_file: {file} is empty"),
        ({"key_file": FILE}, f"TEST_API_KEY={KEY}", f"{{file}} {ALONE}"),
        ({"key_file": FILE}, f"export TEST_API_KEY='{KEY}'", f"{{file}} {ALONE}"),
        ({}, f"TEST_API_KEY={KEY}", f"the environment variable TEST_API_KEY {ALONE}"),
        ({}, f'"{KEY}"', f"the environment variable TEST_API_KEY {ALONE}"),
        ({}, f"{KEY}'", ALONE),
        ({}, f"Bearer {KEY}", ALONE),
        ({"key_file": FILE}, f"test_api_key={KEY}", ALONE),
        ({}, f"{KEY}\n{KEY}", "characters that no key has"),
        ({"key_file": FILE}, "\udcff", "key_file: the file that it names cannot be read: it is not UTF-8 text"),
    ],
)
def test_a_key_that_is_none_is_told_without_it(
    settings: dict[str, Any], text: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "key"
    file.write_text(text, "utf-8", errors="surrogateescape")
    monkeypatch.setenv("TEST_API_KEY", text if "key_file" not in settings else "")
    given = {name: value.format(file=file) for name, value in settings.items()}
    with pytest.raises(Misconfigured) as caught:
        checked(Settings, given, "mind p")
    assert told.format(file=file) in str(caught.value)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["wss://elsewhere.example\\.provider.invalid/ws", "wss://a.example\t.provider.invalid/", " wss://a", "wss://a b/"],
)
def test_an_address_with_what_no_address_has_is_none(url: str) -> None:
    with pytest.raises(ValidationError, match="is not an address like"):
        Settings(url=url)


@pytest.mark.parametrize(("url", "safe"), [("HTTPS://a/", True), ("wss://a/", True), ("Http://a/", False)])
def test_letters_of_a_scheme_may_be_large(url: str, safe: bool) -> None:
    assert secure(url) is safe


def test_a_file_may_have_what_windows_puts_before_a_text(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY, "utf-8-sig")
    assert Settings(key_file=tmp_path / "key").key().get_secret_value() == KEY


def test_what_may_be_a_key_in_the_place_of_its_variable_is_not_shown() -> None:
    with pytest.raises(ValidationError) as caught:
        Settings(key_env="AB12CD34EF56")
    assert "AB12CD34EF56" not in str(caught.value)


@pytest.mark.parametrize("text", ["QUJD==", "ABC=", "sk-a=b"])
def test_a_key_may_have_equals_signs(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_API_KEY", text)
    assert Settings().key().get_secret_value() == text


def test_an_error_that_nobody_explains_is_without_what_was_written() -> None:
    with pytest.raises(ValidationError) as caught:
        Settings(url="ws://127.0.0.1/", key_file=KEY, token=KEY)
    assert KEY not in f"{caught.value} {caught.value!r}"
