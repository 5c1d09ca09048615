"""Ringover's media socket: how it is let in, what it may send, what it is sent."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from parlance.actors.media.access import Access as Door
from parlance.actors.media.port import Signal, Started, Visit, Wire
from parlance.actors.media.ringover.access import Access
from parlance.actors.media.ringover.settings import Settings
from parlance.actors.media.ringover.wire import Ringover
from parlance.actors.media.webhook import Denied
from parlance.codecs.format import Format
from parlance.engine.errors import LineError
from parlance.engine.secret import Secret

ONE = bytes(range(256)) + bytes(64)
TWO = ONE[::-1]
BIG = 9058220947198958001
"""More than a double holds."""
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)


def said(message: Any) -> str:
    return json.dumps(message)


def stream(samples: bytes = ONE, **changes: Any) -> str:
    content = {"audioDataType": "raw", "sampleRate": 8000, "audioData": b64encode(samples).decode(), **changes}
    return said({"type": "streamAudio", "data": content})


def media(samples: bytes = ONE, **changes: Any) -> str:
    return said({"event": "media", "media": {"payload": b64encode(samples).decode(), **changes}})


def visit(query: dict[str, str] | None = None, peer: str = "203.0.113.9:40000", **headers: str) -> Visit:
    return Visit({}, query or {}, headers, peer)


def opened(settings: Settings | None = None, query: dict[str, str] | None = None, **headers: str) -> Ringover:
    door: Door = Access(settings or Settings())
    wire, started = door.open(visit(query, **headers))
    assert started is None
    assert isinstance(wire, Ringover)
    return wire


# ----------------------------------------------------------------------------------- the first message


@pytest.mark.parametrize(
    ("query", "first", "expected"),
    [
        ({}, said({}), Started()),
        (
            {},
            said({"call_id": BIG, "from": "33600000001", "to": 33100000002, "agent": "sales", "ticket": "T"}),
            Started(
                "sales",
                str(BIG),
                "+33600000001",
                "+33100000002",
                {"call_id": str(BIG), "from": "33600000001", "to": "33100000002", "agent": "sales"},
                "T",
            ),
        ),
        ({}, said({"callId": "c1", "from_number": "anonymous"}), Started(call="c1", parameters={"callId": "c1"})),
        ({}, said({"event": "start", "start": {"callId": "c2"}}), Started(call="c2")),
        ({}, said({"metadata": {"call_id": 7}}), Started(call="7")),
        ({"token": "fixed", "call_id": "9"}, said({"call_id": "8"}), Started(call="9", ticket="fixed")),
        ({"token": "fixed", "call": "ours"}, said({}), Started(ticket="fixed")),
        ({"ticket": "T", "call": "ours", "call_id": "9"}, said({}), Started(call="ours", ticket="T")),
        ({"ticket": "T", "call_id": "9"}, said({}), Started(call="9", ticket="T")),
        ({}, said({"ticket": "T", "call": "ours", "call_id": "9"}), Started(call="ours", ticket="T")),
        ({"agent": "sales", "table": "7"}, ONE, Started("sales", parameters={"agent": "sales", "table": "7"})),
    ],
)
def test_the_first_message_says_which_call_it_is(query: dict[str, str], first: Any, expected: Started) -> None:
    started = opened(query=query).receive(first)
    assert isinstance(started, Started)
    names = ("agent", "call", "caller", "called", "ticket")
    assert {name: getattr(started, name) for name in names} == {name: getattr(expected, name) for name in names}
    assert expected.parameters.items() <= started.parameters.items()
    assert not {"ticket", "token"} & started.parameters.keys()


@pytest.mark.parametrize("first", [ONE, stream(), media()], ids=["binary", "streamAudio", "media"])
@pytest.mark.parametrize("second", [TWO, stream(TWO), media(TWO)], ids=["binary", "streamAudio", "media"])
def test_audio_that_comes_first_is_kept_for_the_next_message(first: Any, second: Any) -> None:
    wire = opened(query={"token": "fixed"})
    assert wire.receive(first) == Started(ticket="fixed")
    assert wire.receive(said({"callId": "too late"})) is None
    assert wire.receive(second) == ONE + TWO
    assert wire.receive(second) == TWO


def test_metadata_come_once_and_audio_is_handed_on_as_it_is() -> None:
    wire = opened()
    assert isinstance(wire.receive(said({"callId": "1"})), Started)
    assert wire.receive(said({"callId": "2"})) is None
    assert wire.receive(ONE) is ONE


def test_nothing_starts_a_call_but_an_object_or_audio() -> None:
    wire = opened()
    for nothing in ("", "hello", "[1]", "7", "{", b""):
        assert wire.receive(nothing) is None
    assert isinstance(wire.receive(ONE), Started)


# --------------------------------------------------------------------------------- after the first message


def running(rate: int = 8000) -> Ringover:
    wire = Ringover(rate)
    wire.receive("{}")
    return wire


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (ONE, ONE),
        (b"", None),
        (stream(), ONE),
        (stream(b""), None),
        (stream(sampleRate="8000"), ONE),
        (said({"type": "streamAudio", "data": {"audioData": b64encode(ONE).decode()}}), ONE),
        (media(), ONE),
        (said({"event": "weather"}), None),
        (said({"event": 7}), None),
        ("not JSON", None),
        ("null", None),
    ],
)
def test_what_is_accepted(data: Any, expected: bytes | Signal | None) -> None:
    assert running().receive(data) == expected


@pytest.mark.parametrize(
    ("data", "words", "code"),
    [
        (ONE[:-1], "16-bit", None),
        (stream(ONE[:-1]), "16-bit", None),
        (stream(audioData="*"), "base64", None),
        (stream(audioData=None), "base64", None),
        (said({"type": "streamAudio"}), "no data", None),
        (said({"event": "media", "media": []}), "no media", None),
        (stream(sampleRate=16000), "set to 8000", 1003),
        (stream(audioDataType="mp3"), "only raw", 1003),
        (media(sampleRate=24000), "set to 8000", 1003),
    ],
)
def test_what_is_refused(data: Any, words: str, code: int | None) -> None:
    with pytest.raises(LineError, match=words) as caught:
        running().receive(data)
    assert (caught.value.code if caught.value.fatal else None) == code


def test_metadata_of_another_rate_are_refused_before_the_call_begins() -> None:
    with pytest.raises(LineError, match="set to 16000") as caught:
        Ringover(16000).receive(said({"callId": "1", "sampleRate": 8000}))
    assert (caught.value.fatal, caught.value.code) == (True, 1003)


@given(messages=st.lists(st.binary(max_size=40) | st.text(max_size=40) | ANY_JSON.map(json.dumps), max_size=6))
def test_any_data_is_audio_a_call_nothing_or_its_own_error(messages: list[str | bytes]) -> None:
    wire = Ringover()
    started = 0
    for message in messages:
        try:
            heard = wire.receive(message)
        except LineError:
            continue
        assert heard is None or (isinstance(heard, bytes) and heard and len(heard) % 2 == 0) or not started
        started += isinstance(heard, Started)
    assert started <= 1


NAMES = st.sampled_from("type event data media start metadata call_id from to agent ticket call sampleRate".split())


@given(content=st.dictionaries(NAMES, ANY_JSON | st.sampled_from(["streamAudio", "media"]), max_size=6))
def test_any_metadata_start_a_call_or_raise_its_own_error(content: dict[str, Any]) -> None:
    try:
        heard = Ringover(8000, {"token": "t"}).receive(json.dumps(content))
    except LineError:
        return
    assert heard is None or isinstance(heard, Started)


@given(frames=st.lists(st.binary(min_size=2, max_size=64).filter(lambda frame: len(frame) % 2 == 0), min_size=2))
def test_no_byte_of_the_audio_is_lost(frames: list[bytes]) -> None:
    wire = Ringover()
    heard = [wire.receive(frame) for frame in frames]
    assert isinstance(heard[0], Started)
    assert b"".join(part for part in heard[1:] if isinstance(part, bytes)) == b"".join(frames)


# ------------------------------------------------------------------------------------------- what is sent


@pytest.mark.parametrize("rate", [8000, 16000])
def test_audio_goes_out_as_the_readme_has_it_and_comes_back_in(rate: int) -> None:
    wire: Wire = running(rate)
    sent = wire.audio(ONE)
    assert isinstance(sent, str)
    assert json.loads(sent) == {
        "type": "streamAudio",
        "data": {"audioDataType": "raw", "sampleRate": rate, "audioData": b64encode(ONE).decode()},
    }
    assert b64decode(json.loads(sent)["data"]["audioData"]) == ONE
    assert wire.receive(sent) == ONE
    assert wire.format == Format("pcm16", rate)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (running().clear(), {"event": "break"}),
        (running().play("https://your.host/a.mp3"), {"event": "play", "file": "https://your.host/a.mp3"}),
        (running().press("123")[0], {"event": "digits", "data": 123}),
        (running().press("0#")[0], {"event": "digits", "data": "0#"}),
        (running().press("012")[0], {"event": "digits", "data": "012"}),
        (running().press("1" * 20)[0], {"event": "digits", "data": "1" * 20}),
        (running().transfer("+33199000010")[0], {"event": "transfer", "data": 33199000010}),
    ],
)
def test_the_other_messages(sent: Any, expected: dict[str, Any]) -> None:
    assert json.loads(sent) == expected


def test_what_the_dialect_lacks() -> None:
    wire = running()
    assert (wire.marks, wire.digits, wire.batch) == (False, False, 0.1)
    assert wire.mark("m") is None
    assert list(wire.hello("c", "a")) == list(wire.goodbye("over")) == []


# ------------------------------------------------------------------------------------------------ the door

TOKEN = Settings(media_token=Secret("a-fixed-token"), media_sources=("203.0.113.0/24", "2001:db8::/32"))


@pytest.mark.parametrize(
    ("query", "headers", "ticket"),
    [
        ({"token": "a-fixed-token"}, {}, "a-fixed-token"),
        ({"ticket": "T"}, {}, "T"),
        ({}, {"authorization": "Bearer a-fixed-token"}, "a-fixed-token"),
        ({}, {"authorization": "a-fixed-token"}, "a-fixed-token"),
        ({}, {"authorization": "Basic YTpi"}, ""),
        ({}, {}, ""),
    ],
)
def test_where_a_token_may_be(query: dict[str, str], headers: dict[str, str], ticket: str) -> None:
    access = Access(TOKEN)
    started = opened(TOKEN, query, **headers).receive(ONE)
    assert isinstance(started, Started)
    assert started.ticket == ticket
    assert access.knows(started.ticket) == (ticket == "a-fixed-token")


def test_without_a_token_none_is_known() -> None:
    assert not Access(Settings()).knows("")
    assert not Access(Settings()).knows("x")


@pytest.mark.parametrize(
    ("peer", "allowed"),
    [
        ("203.0.113.9:40000", True),
        ("[2001:db8::1]:40000", True),
        ("198.51.100.1:40000", False),
        ("nonsense", False),
        ("", False),
    ],
)
def test_sockets_come_from_the_networks_set(peer: str, allowed: bool) -> None:
    Access(Settings()).guard(visit(peer=peer), 0.0)
    if allowed:
        Access(TOKEN).guard(visit(peer=peer), 0.0)
    else:
        with pytest.raises(Denied) as caught:
            Access(TOKEN).guard(visit(peer=peer), 0.0)
        assert (caught.value.status, caught.value.reason) == (403, "source")


def test_the_paths() -> None:
    assert Access(Settings()).paths == ("/api/v1/media/ringover",)
    assert Access(Settings(media_path="/other")).paths == ("/other",)
    assert Access(Settings()).second == ("/ws",)


@pytest.mark.parametrize(
    "wrong",
    [
        {"region": "fr"},
        {"signature": "off"},
        {"media_rate": 24000},
        {"media_sources": ["here"]},
        {"route_to": "0123456789"},
        {"routes": {"sales": "12"}},
        {"ivr_secret": "short"},
        {"url": "ftp://host"},
        {"paths": {"hangup": "/{user}"}},
        {"paths": {"hangup": "hangup"}},
        {"paths": {"hangup": "/{"}},
        {"webhooks": {"event": "/event/"}},
        {"keys": {"sms": "k"}},
        {"api": "k"},
    ],
)
def test_settings_that_cannot_be(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate(wrong)


def test_settings_from_the_environment_are_text() -> None:
    settings = Settings.model_validate({"media_rate": "16000", "media_sources": "203.0.113.0/24, 198.51.100.7"})
    assert settings.media_rate == 16000
    assert settings.media_sources == ("203.0.113.0/24", "198.51.100.7")
