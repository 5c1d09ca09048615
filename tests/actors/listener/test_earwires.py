"""The wires of the streaming ears, without a socket: messages both ways, real-shaped ones, and any others."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamed import told

from parlance.actors.dial import Dial, Service
from parlance.actors.listener import assemblyai, deepgram, elevenlabs, flux
from parlance.actors.listener.port import Eager, Heard, News, Resumed
from parlance.actors.listener.wire import EarWire, Message
from parlance.engine.errors import Garbled, ProviderError

WIRES = Path(__file__).parents[2] / "wires"
URL = {"url": "ws://x"}
TENTH = b"\x80" * 800


def assembly_wire(**settings: Any) -> assemblyai.AssemblyWire:
    chosen = assemblyai.Settings(**URL, **settings)
    return assemblyai.AssemblyWire(dial(chosen), chosen)


def dial(service: Service) -> Dial:
    return Dial("somebody", service)


MAKERS: dict[str, Callable[[], EarWire[Any]]] = {
    "deepgram": lambda: deepgram.DeepgramWire(dial(deepgram.Settings(**URL))),
    "flux": lambda: flux.FluxWire(dial(flux.Settings(**URL))),
    "scribe": lambda: elevenlabs.ScribeWire(dial(elevenlabs.Settings(**URL))),
    "assemblyai": assembly_wire,
}


def recorded(name: str, side: str) -> list[dict[str, Any]]:
    lines = (WIRES / f"{name}.jsonl").read_text("utf-8").splitlines()
    return [told["message"] for told in map(json.loads, lines) if told["from"] == side]


@pytest.mark.parametrize("name", MAKERS)
def test_real_messages_are_news_or_nothing_or_an_error_of_the_provider(name: str) -> None:
    wire, news, errors = MAKERS[name](), list[News](), list[str]()
    wire.begin(1)
    for message in recorded(name, "server"):
        try:
            news.extend(told(wire, json.dumps(message)))
        except ProviderError as error:
            assert not isinstance(error, Garbled)
            assert (message.get("description") or message["error"]) in str(error)
            errors.append(str(error))
    assert any(isinstance(one, Heard) and one.text for one in news)
    real = [message for message in recorded(name, "server") if message.get("message_type") != "commit_throttled"]
    assert len(errors) == len([message for message in real if message.get("type") == "Error" or "error" in message])


@pytest.mark.parametrize("name", MAKERS)
def test_our_messages_are_shaped_like_those_of_the_provider_s_own_client(name: str) -> None:
    wire = MAKERS[name]()
    wire.begin(1)
    said: list[Message] = []
    for step in (wire.hear(TENTH), wire.end(1), wire.alive(), wire.bye()):
        said.extend(step.send)
    shapes = [(message.keys(), message.get("type")) for message in recorded(name, "client")]
    for message in (json.loads(one) for one in said if isinstance(one, str)):
        assert (message.keys(), message.get("type")) in shapes


words = st.text(max_size=20)
numbers = st.one_of(st.floats(), st.integers(), st.integers(10**320, 10**330))
leaves = st.one_of(st.none(), st.booleans(), numbers, words)
anything = st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3))


def like(name: str) -> st.SearchStrategy[Any]:
    """Messages that are nearly real: some of their values are others."""

    def changed(message: dict[str, Any]) -> st.SearchStrategy[Any]:
        return st.dictionaries(st.sampled_from(sorted(message)), anything, max_size=3).map(lambda new: message | new)

    return st.sampled_from(recorded(name, "server")).flatmap(changed)


@pytest.mark.parametrize("name", MAKERS)
@given(data=st.data())
def test_whatever_comes_is_news_or_a_provider_s_error(name: str, data: st.DataObject) -> None:
    wire, over = MAKERS[name](), set[int]()
    messages = st.one_of(like(name).map(json.dumps), anything.map(json.dumps), st.text(), st.binary())
    for number, message in enumerate(data.draw(st.lists(messages, max_size=6))):
        wire.begin(number)
        wire.hear(TENTH)
        try:
            news = told(wire, message)
        except ProviderError as error:
            assert str(error).startswith("somebody: ")
            assert len(str(error)) < 300
            break
        for one in news:
            assert isinstance(one, Heard | Eager | Resumed)
            assert one.utterance not in over
            if isinstance(one, Heard) and one.final:
                over.add(one.utterance)
        wire.end(number)


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("message", ["{", "[" * 200_000, b"\xff", "7", "null", '"type"', '{"type": []}', "", "\x00"])
def test_what_is_no_message_is_garbled(name: str, message: Message) -> None:
    with pytest.raises(ProviderError) as caught:
        MAKERS[name]().receive(message)
    assert type(caught.value) is Garbled


@pytest.mark.parametrize("name", MAKERS)
def test_words_are_kept_as_they_are(name: str) -> None:
    texts = {
        "deepgram": {"type": "Results", "start": 0, "duration": 1, "is_final": False,
                     "channel": {"alternatives": [{"transcript": "?"}]}},
        "flux": {"type": "TurnInfo", "event": "Update", "turn_index": 0, "audio_window_end": 0.5, "transcript": "?"},
        "scribe": {"message_type": "partial_transcript", "text": "?"},
        "assemblyai": {"type": "Turn", "turn_order": 0, "end_of_turn": False, "transcript": "?", "words": []},
    }  # fmt: skip
    for spoken in (
        "Gr\u00fc\u00df Gott",
        "\u6771\u4eac",
        "\U0001f600",
        "<speak>&amp;</speak>",
        "\u0645\u0631\u062d\u0628\u0627",
    ):
        wire = MAKERS[name]()
        wire.begin(1)
        wire.hear(TENTH)
        message = json.dumps(texts[name]).replace('"?"', json.dumps(spoken))
        assert told(wire, message) == [Heard(1, spoken, final=False)]
