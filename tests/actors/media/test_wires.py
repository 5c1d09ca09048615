"""Both shipped wires, by one table: what they make of what comes in, and what a client makes of what goes out."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parlance.actors.media.browser import Browser
from parlance.actors.media.port import Digit, Marked, Message, Signal, Started, Stopped, Wire
from parlance.actors.media.twilio.wire import Twilio
from parlance.engine.errors import LineError
from parlance.engine.trace import CallEnded, CallerBegan, TurnEnded

AUDIO = bytes(range(160))
CODED = base64.b64encode(AUDIO).decode()


def start(**changes: Any) -> dict[str, Any]:
    """The `start` of Twilio's own documentation, with changes; None takes a key away."""
    content = {
        "accountSid": "AC1",
        "streamSid": "MZ1",
        "callSid": "CA1",
        "tracks": ["inbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": {"agent": "sales", "from": "+15550001"},
        **changes,
    }
    kept = {key: value for key, value in content.items() if value is not None}
    return {"event": "start", "sequenceNumber": "1", "streamSid": "MZ1", "start": kept}


def media(**changes: Any) -> dict[str, Any]:
    content = {"track": "inbound", "chunk": "1", "timestamp": "20", "payload": CODED, **changes}
    return {"event": "media", "sequenceNumber": "3", "streamSid": "MZ1", "media": content}


def twilio() -> Twilio:
    """A stream that has started."""
    wire = Twilio()
    wire.receive(json.dumps(start()))
    return wire


def browser() -> Browser:
    return Browser("receptionist")


# Each row: who receives it, what, and what comes of it: a value, or a LineError's words and whether it is fatal.
ACCEPTED: list[tuple[Callable[[], Wire], Any, bytes | Signal | None]] = [
    (Twilio, {"event": "connected", "protocol": "Call", "version": "1.0.0"}, None),
    (
        Twilio,
        start(),
        Started("sales", "CA1", "+15550001", "", {"agent": "sales", "from": "+15550001"}),
    ),
    (Twilio, start(customParameters=None), Started("", "CA1")),
    (
        Twilio,
        start(mediaFormat=None),
        Started("sales", "CA1", "+15550001", "", {"agent": "sales", "from": "+15550001"}),
    ),
    (
        Twilio,
        start(
            mediaFormat={"encoding": "audio/x-mulaw", "sampleRate": "8000", "channels": "1"},
            customParameters={"agent": "sales", "table": 7},
        ),
        Started("sales", "CA1", parameters={"agent": "sales", "table": "7"}),
    ),
    (twilio, media(), AUDIO),
    (twilio, {"event": "media", "media": {"payload": CODED}}, AUDIO),
    (twilio, media(track="outbound"), None),
    (twilio, media(payload=""), None),
    (twilio, {"event": "dtmf", "dtmf": {"track": "inbound_track", "digit": "5"}}, Digit("5")),
    (twilio, {"event": "dtmf", "dtmf": {"digit": "#"}}, Digit("#")),
    (twilio, {"event": "dtmf", "dtmf": {"digit": 5}}, Digit("5")),
    (twilio, {"event": "mark", "mark": {"name": "m1"}}, Marked("m1")),
    (twilio, {"event": "mark", "mark": {"name": 12}}, Marked("12")),
    (twilio, {"event": "stop", "stop": {"callSid": "CA1"}}, Stopped("hung up")),
    (twilio, {"event": "weather", "weather": {}}, None),
    (browser, {"type": "audio_chunk", "data": CODED, "is_final": False}, AUDIO),
    (browser, {"type": "audio_chunk", "data": CODED}, AUDIO),
    (browser, {"type": "audio_chunk", "data": "", "is_final": True}, None),
    (browser, {"type": "mark", "name": "t1.0"}, Marked("t1.0")),
    (browser, {"type": "end_session"}, Stopped("hung up")),
]
REFUSED: list[tuple[Callable[[], Wire], Any, str, bool]] = [
    (Twilio, media(), "media came before start", False),
    (twilio, start(), "start came twice", True),
    (Twilio, start(streamSid="") | {"streamSid": ""}, "no streamSid", True),
    (Twilio, {"event": "start", "start": []}, "no start in it", True),
    (Twilio, start(customParameters=["agent"]), "customParameters", True),
    (
        Twilio,
        start(mediaFormat={"encoding": "audio/l16", "sampleRate": 16000, "channels": 1}),
        "takes encoding audio/x-mulaw, sampleRate 8000, channels 1",
        True,
    ),
    (Twilio, start(mediaFormat={"encoding": [[]]}), "not supported", True),
    (Twilio, start(mediaFormat="mulaw"), "unreadable", True),
    (twilio, media(payload="*" * 216), "base64", False),
    (twilio, media(payload=CODED[:-1]), "base64", False),
    (twilio, media(payload="µ" * 4), "base64", False),
    (twilio, media(payload=5), "base64", False),
    (twilio, {"event": "media", "media": "x"}, "no media in it", False),
    (twilio, {"event": "mark", "mark": {}}, "name", False),
    (twilio, {"event": "mark"}, "no mark in it", False),
    (twilio, {"event": "dtmf", "dtmf": {"digit": "12"}}, "not a digit", False),
    (twilio, {"event": 7}, "no event", False),
    (twilio, {}, "no event", False),
    (twilio, [], "JSON object", False),
    (browser, {"type": "audio_chunk", "data": "AAA"}, "base64", False),
    (browser, {"type": "audio_chunk", "data": "AAAA"}, "16-bit", False),
    (browser, {"type": "audio_chunk"}, "base64", False),
    (browser, {"type": "start"}, "'start' is unknown", False),
    (browser, {"type": {"deep": 1}}, "unknown", False),
    (browser, {"type": "mark", "name": 3}, "name", False),
    (browser, {"type": "mark"}, "name", False),
    (browser, "audio", "JSON object", False),
]


@pytest.mark.parametrize(("make", "data", "expected"), ACCEPTED)
def test_a_message_is_audio_a_signal_or_nothing(make, data, expected):
    assert make().receive(json.dumps(data)) == expected


@pytest.mark.parametrize(("make", "data", "words", "fatal"), REFUSED)
def test_what_the_dialect_does_not_allow_says_why_and_whether_the_call_can_go_on(make, data, words, fatal):
    wire = make()
    with pytest.raises(LineError, match=words) as caught:
        wire.receive(json.dumps(data))
    assert caught.value.fatal is fatal


@pytest.mark.parametrize("make", [Twilio, twilio, browser])
@pytest.mark.parametrize("data", [AUDIO, b"", "", "{", '{"a":1}]', "[" * 100_000, "nul", "1" * 10_000])
def test_what_is_not_json_text_is_an_error_that_is_not_fatal(make, data):
    with pytest.raises(LineError) as caught:
        make().receive(data)
    assert not caught.value.fatal


@pytest.mark.parametrize(("make", "good"), [(twilio, media()), (browser, {"type": "audio_chunk", "data": CODED})])
def test_after_an_error_the_next_frame_is_heard(make, good):
    wire = make()
    with pytest.raises(LineError):
        wire.receive("{")
    assert wire.receive(json.dumps(good)) == AUDIO


@pytest.mark.parametrize("depth", range(100, 1300, 50))
def test_whatever_is_nested_deeply_is_an_error_and_not_a_recursion(depth):
    deep = "[" * depth + "]" * depth
    with pytest.raises(LineError):
        Twilio().receive(json.dumps(start()).replace('"audio/x-mulaw"', deep))
    with pytest.raises(LineError) as caught:
        Browser("sales").receive(f'{{"type":{deep}}}')
    assert len(str(caught.value)) < 200


# ------------------------------------------------------------------------------------- any data whatever

VALID = [json.dumps(row[1]) for row in ACCEPTED]
WIRES = st.sampled_from([Twilio, twilio, browser])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)


def judge(wire: Wire, data: Message) -> None:
    """Receive it: what comes back is of the contract, and nothing but a LineError is raised."""
    try:
        result = wire.receive(data)
    except LineError:
        return
    assert result is None or (isinstance(result, bytes) and result) or isinstance(result, Signal)
    if isinstance(result, Started):
        assert all(isinstance(value, str) for value in (result.agent, result.call, *result.parameters.values()))


@given(WIRES, st.text() | st.binary() | JSON.map(json.dumps))
def test_any_data_parses_or_raises_a_line_error(make, data):
    judge(make(), data)


@given(WIRES, st.sampled_from(VALID), st.randoms(use_true_random=False), JSON)
def test_a_valid_message_with_one_value_replaced_parses_or_raises_a_line_error(make, text, chance, value):
    judge(make(), json.dumps(replaced(json.loads(text), chance, value)))


@given(WIRES, st.sampled_from(VALID), st.data())
def test_a_valid_message_cut_or_garbled_parses_or_raises_a_line_error(make, text, data):
    at = data.draw(st.integers(0, len(text)))
    judge(make(), text[:at] + data.draw(st.text(max_size=3)) + text[at + data.draw(st.integers(0, 3)) :])


def replaced(tree: Any, chance: random.Random, value: Any) -> Any:
    """`tree` with one of its values, however deep, replaced by `value`."""
    if not isinstance(tree, dict) or not tree or chance.random() < 0.3:
        return value
    key = chance.choice(sorted(tree))
    return {**tree, key: replaced(tree[key], chance, value)}


# --------------------------------------------------------------------------------- what a client hears of it


@dataclass
class Client:
    """The least client there is: it plays, clears, and echoes a mark once everything before it was played."""

    body: Callable[[dict[str, Any]], tuple[str, str]]
    echo: Callable[[str], dict[str, Any]]
    played: bytes = b""
    queue: list[bytes | str] = field(default_factory=list)

    def take(self, data: Message | None) -> None:
        assert isinstance(data, str)
        kind, content = self.body(json.loads(data))
        if kind == "audio":
            self.queue.append(base64.b64decode(content, validate=True))
        elif kind == "mark":
            self.queue.append(content)
        else:
            assert kind == "clear"
            self.queue = [item for item in self.queue if isinstance(item, str)]

    def play(self) -> list[str]:
        """Everything queued; the echoes to send."""
        queue, self.queue = self.queue, []
        self.played += b"".join(item for item in queue if isinstance(item, bytes))
        return [json.dumps(self.echo(item)) for item in queue if isinstance(item, str)]


def twilio_body(message: dict[str, Any]) -> tuple[str, str]:
    assert message["streamSid"] == "MZ1"
    match message["event"]:
        case "media":
            assert message.keys() == {"event", "streamSid", "media"}
            return "audio", message["media"]["payload"]
        case "mark":
            return "mark", message["mark"]["name"]
    return message["event"], ""


def browser_body(message: dict[str, Any]) -> tuple[str, str]:
    match message["type"]:
        case "audio_response":
            return "audio", message["data"]
        case "mark":
            return "mark", message["name"]
    return message["type"], ""


def client_of(wire: Wire) -> Client:
    if wire.carrier == "twilio":
        return Client(twilio_body, lambda name: {"event": "mark", "streamSid": "MZ1", "mark": {"name": name}})
    return Client(browser_body, lambda name: {"type": "mark", "name": name})


@given(st.sampled_from([twilio, browser]), st.lists(st.binary(max_size=2000)), st.text(min_size=1))
def test_a_client_plays_what_was_sent_and_its_echo_of_the_mark_comes_back(make, frames, name):
    wire = make()
    client = client_of(wire)
    for frame in frames:
        client.take(wire.audio(frame))
    client.take(wire.mark(name))
    echoes = client.play()
    assert client.played == b"".join(frames)
    assert [wire.receive(echo) for echo in echoes] == [Marked(name)]


@pytest.mark.parametrize("make", [twilio, browser])
def test_a_clear_leaves_nothing_to_play_and_gives_the_marks_back(make):
    wire = make()
    client = client_of(wire)
    client.take(wire.audio(AUDIO))
    client.take(wire.mark("one"))
    client.take(wire.clear())
    assert [wire.receive(echo) for echo in client.play()] == [Marked("one")]
    assert client.played == b""


def test_a_stream_id_with_quotes_in_it_still_makes_json():
    wire = Twilio()
    wire.receive(json.dumps(start(streamSid='M"Z\\')))
    for data in (wire.audio(AUDIO), wire.mark("m"), wire.clear()):
        assert json.loads(data)["streamSid"] == 'M"Z\\'


def test_twilio_is_told_of_nothing_it_would_not_understand():
    wire = twilio()
    assert not wire.hello("c1", "sales")
    assert not wire.complaint("no", code="json", retry=True)
    assert not wire.goodbye("hung up")
    for event in (CallerBegan(1.0), TurnEnded(1, "played", "", "Hi.", "Hi.", 0.4), CallEnded("completed", "hung up")):
        assert not wire.announce(event)
