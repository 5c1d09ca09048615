"""The wires of voices over WebSockets, without a connection: tables of messages, and any message at all."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wired import brief, eleven, read, sonic

from parlance.actors.speaker import aura, cartesia
from parlance.actors.speaker.follower import Follower
from parlance.actors.speaker.phrase import Phrase
from parlance.actors.speaker.spoken import plain, sayable
from parlance.actors.speaker.wire import Closed, Piece, VoiceWire
from parlance.engine.errors import Garbled, Overloaded, ProviderError, Unreachable

SECOND = bytes(8000)
RECORDED = Path(__file__).parents[2] / "wires"
SMILE, ROCKET = "\U0001f600", "\U0001f680"


WIRES = {"elevenlabs": eleven, "cartesia": sonic, "aura": lambda: aura.AuraWire(brief)}


@pytest.fixture(params=WIRES, ids=str)
def wire(request: pytest.FixtureRequest) -> VoiceWire:
    made: VoiceWire = WIRES[request.param]()
    return made


# ------------------------------------------------------------------------------------------------ the text


@pytest.mark.parametrize(
    ("text", "heard"),
    [
        ("Hello.", True),
        ("5", True),
        ("\u20ac", True),
        ("\u4f60\u597d", True),
        ("\u0645\u0631\u062d\u0628\u0627", True),
        ("", False),
        (" \n\t", False),
        ("...", False),
        ("\u2026?!", False),
        (SMILE + ROCKET, False),
        ("\ud800", False),
    ],
)
def test_only_what_can_be_heard_is_asked_for(text: str, heard: bool) -> None:
    assert sayable(text) is heard


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_becomes_one_that_can_be_sent_with_every_character_in_its_place(text: str) -> None:
    assert len(plain(text)) == len(text)
    plain(text).encode()


@pytest.mark.parametrize(
    ("text", "spoken", "counts"),
    [
        ("Hello there, you.", ["Hello", "there,", "you."], [5, 12, 17]),
        ("Hello there, you.", ["hello", "there", "you"], [5, 11, 16]),
        ("I owe you $12 now.", ["I", "owe", "you", "twelve", "dollars", "now."], [1, 5, 9, None, None, 18]),
        ("a b a b", ["a", "b", "a", "b"], [1, 3, 5, 7]),
        ("Na na na.", ["na", "na", "na", "na"], [2, 5, 8, None]),
        ("one " + "x " * 60 + "two", ["one", "two"], [3, None]),
        ("\u4f60\u597d", ["\u4f60", "\u597d"], [1, 2]),
        ("Gr\u00fc\u00dfe \u0130stanbul", ["gr\u00fc\u00dfe", "\u0130stanbul"], [5, 14]),
        ("well", ["...", "well"], [None, 4]),
    ],
)
def test_words_are_found_in_the_text_and_never_backwards(
    text: str, spoken: list[str], counts: list[int | None]
) -> None:
    follower = Follower(text)
    assert [follower.word(word) for word in spoken] == counts


@pytest.mark.parametrize(
    ("text", "spoken", "last", "whole"),
    [
        ("Hello there.", "Hello there. ", 12, True),
        ("Hello there.", "Hello there ", 11, True),
        ("Hello there.", "Hello ", 5, False),
        ("  Hello\nthere", "Hello there ", 13, True),
        ("Hello " + SMILE, "Hello ", 5, True),
        ("It is 12 now.", "It is twelve now. ", 13, True),
        ("It is 12.", "It is twelve. ", 5, False),
        ("\u201cYes\u201d, he said.", '"Yes", he said. ', 15, True),
        ("\u4f60\u597d\u5417", "\u4f60\u597d", 2, False),
    ],
)
def test_characters_are_followed_through_the_text(text: str, spoken: str, last: int, whole: bool) -> None:
    follower = Follower(text)
    found = [at for char in spoken if (at := follower.char(char)) is not None]
    assert found == sorted(found)
    assert (found[-1], follower.whole) == (last, whole)


@given(st.text(), st.lists(st.text()))
def test_whatever_is_spoken_the_place_in_the_text_only_grows(text: str, spoken: list[str]) -> None:
    follower, at = Follower(text), 0
    for word in spoken:
        for found in (follower.word(word), *map(follower.char, word)):
            if found is not None:
                assert at <= found <= len(text)
                at = found


@pytest.mark.parametrize(
    ("seconds", "said", "wrong"),
    [(1, 1, False), (2, 1, False), (3, 1, True), (1, 3, True), (1.5, 3, False), (5, 0, False), (0.4, 0.9, False)],
)
def test_audio_of_another_rate_is_known_by_its_times(seconds: float, said: float, wrong: bool) -> None:
    phrase = Phrase("p", "Hello.")
    phrase.add(bytes(int(8000 * seconds)))
    phrase.said = said
    if wrong:
        with pytest.raises(Garbled, match="rate"):
            phrase.check()
    else:
        phrase.check()


@pytest.mark.parametrize(("start", "what"), [(b"RIFF", "WAV"), (b"ID3", "MP3"), (b"OggS", "Ogg"), (b"fLaC", "FLAC")])
def test_a_file_is_no_audio(start: bytes, what: str) -> None:
    with pytest.raises(Garbled, match=f"sent an? {what} file"):
        Phrase("p", "Hello.").add(start + SECOND)


def test_a_phrase_has_a_bound() -> None:
    phrase = Phrase("p", "Hello.")
    for _ in range(600):
        phrase.add(SECOND)
    with pytest.raises(Garbled, match="more than 600 s"):
        phrase.add(b"\xff")


# ------------------------------------------------------------------------------------------- any message

ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["chunk", "timestamps", "flush_done", "done", "error", "Flushed", "Cleared"]) | ANY,
        "audio": st.just("//8=") | ANY,
        "data": st.just("//8=") | ANY,
        "contextId": st.just("turn-1") | ANY,
        "context_id": st.just("turn-1") | ANY,
        "isFinal": st.booleans() | ANY,
        "alignment": ANY
        | st.fixed_dictionaries({"chars": ANY, "charStartTimesMs": ANY, "charDurationsMs": st.lists(st.floats())}),
        "word_timestamps": ANY | st.fixed_dictionaries({"words": ANY, "start": ANY, "end": st.lists(st.floats())}),
        "error": st.none() | ANY,
    },
)


@pytest.mark.parametrize("kind", WIRES)
@given(messages=st.lists(st.binary() | st.text() | (ANY | FIELDS).map(json.dumps)))
def test_any_message_is_understood_or_refused(kind: str, messages: list[str | bytes]) -> None:
    wire: VoiceWire = WIRES[kind]()
    wire.say("Hello there, you.", 0.0)
    last = (0, 0.0)
    try:
        for message in messages:
            if (piece := wire.receive(message, 0.1)) is not None:
                for told in piece.times:
                    assert told[0] > last[0]
                    assert last[1] <= told[1] < math.inf
                    last = told
                if piece.done:
                    break
            assert wire.quiet() > 0
    except ProviderError:
        pass
    for message in [*wire.abort(), *wire.finish(1.0)]:
        json.loads(message)


@pytest.mark.parametrize("message", ["[" * 100_000, "{", "", b"\xff", "7", "[]", "null", '"text"'])
def test_what_is_no_object_is_garbled(wire: VoiceWire, message: str | bytes) -> None:
    wire.say("Hello.", 0.0)
    if isinstance(wire, aura.AuraWire) and isinstance(message, bytes):
        assert wire.receive(message, 0.0) == Piece(message)
        return
    with pytest.raises(Garbled):
        wire.receive(message, 0.0)


@pytest.mark.parametrize(
    "text", ["<speak>Hi <break time='9s'/></speak>", f"Hi {SMILE}", 'say "no" \\ \n', "\u0645\u0631", "\ud83d Hi"]
)
def test_any_text_is_sent_as_text(wire: VoiceWire, text: str) -> None:
    messages = wire.say(text, 0.0)
    sent = [told.get("text") or told.get("transcript") or "" for told in read(messages)]
    said = next(words for words in sent if words.strip())
    assert (
        said.strip()
        == (plain(text).replace("<", " ") if isinstance(wire, cartesia.CartesiaWire) else plain(text)).strip()
    )
    for message in messages:
        assert isinstance(message, str)
        message.encode()


def recorded(name: str) -> list[dict[str, Any]]:
    lines = (RECORDED / f"{name}.jsonl").read_text("utf-8").splitlines()
    return [told["message"] for told in map(json.loads, lines) if told["from"] == "server"]


@pytest.mark.parametrize("name", WIRES)
def test_recorded_messages_are_understood(name: str) -> None:
    found: set[object] = set()
    for message in recorded(name):
        wire: VoiceWire = WIRES[name]()
        wire.say("Hi there, ", 0.0)
        try:
            piece = wire.receive(json.dumps(message), 0.1)
        except ProviderError as error:
            found.add(type(error))
            continue
        found.add("done" if piece and piece.done else "times" if piece and piece.times else bool(piece))
    assert (
        found
        == {
            "elevenlabs": {"times", "done", True, Closed, Overloaded},
            "cartesia": {"times", "done", True, False, Overloaded, Unreachable},
            "aura": {"done", False, Overloaded},
        }[name]
    )
