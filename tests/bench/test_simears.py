"""What all simulated streaming ears do alike: their fates, their words, and the shape of their messages."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
import trio
from earclient import LOUD, QUIET, Phone, Town, faults, kinds, town
from simclient import recorded

from bench.simulators import ear, pace
from bench.simulators.conduct import HUGE, Fate
from bench.simulators.ear import TEXT
from bench.simulators.town import PROVIDERS

Talk = Callable[[Phone], Awaitable[None]]


@dataclass(frozen=True)
class Protocol:
    """How to speak to an ear: what brings the words of an utterance, and where they are."""

    wires: str
    provider: str
    path: str
    speak: Talk
    """More than half a second of somebody speaking."""
    end: Talk
    final: Callable[[dict[str, Any]], bool]
    words: Callable[[dict[str, Any]], Any]
    error: str
    code: int


async def speak(phone: Phone) -> None:
    await phone.hear(*[LOUD] * 8)


async def chunk(phone: Phone, audio: bytes, *, commit: bool = False) -> None:
    data = base64.b64encode(audio).decode()
    message = {"message_type": "input_audio_chunk", "audio_base_64": data, "commit": commit, "sample_rate": 8000}
    await phone.text(json.dumps(message))


async def speak_base64(phone: Phone) -> None:
    for _ in range(8):
        await chunk(phone, LOUD)


DEEPGRAM = Protocol(
    "deepgram", "deepgram", "/v1/listen?model=nova-3&encoding=mulaw&sample_rate=8000&interim_results=true", speak,
    lambda phone: phone.tell("Finalize"), lambda told: told.get("is_final") is True,
    lambda told: told["channel"]["alternatives"][0]["transcript"], "Error", 1011,
)  # fmt: skip
FLUX = Protocol(
    "flux", "deepgram", "/v2/listen?model=flux-general-en&encoding=mulaw&sample_rate=8000&eager_eot_threshold=0.4",
    speak, lambda phone: phone.tell("ForceEndTurn"), lambda told: told.get("event") == "EndOfTurn",
    lambda told: told["transcript"], "Error", 1011,
)  # fmt: skip
SCRIBE = Protocol(
    "scribe", "elevenlabs", "/v1/speech-to-text/realtime?model_id=scribe_v2_realtime&audio_format=ulaw_8000",
    speak_base64, lambda phone: chunk(phone, b"", commit=True),
    lambda told: told.get("message_type") == "committed_transcript", lambda told: told["text"],
    "transcriber_error", 1011,
)  # fmt: skip
ASSEMBLY = Protocol(
    "assemblyai", "assemblyai", "/v3/ws?sample_rate=8000&encoding=pcm_mulaw&speech_model=u3-rt-pro", speak,
    lambda phone: phone.tell("ForceEndpoint"), lambda told: told.get("end_of_turn") is True,
    lambda told: told["transcript"], "Error", 3005,
)  # fmt: skip
ALL = pytest.mark.parametrize("protocol", [DEEPGRAM, FLUX, SCRIBE, ASSEMBLY], ids=lambda protocol: protocol.wires)


@pytest.fixture
async def there(nursery: trio.Nursery) -> Town:
    return await town(nursery)


async def utterance(protocol: Protocol, phone: Phone) -> list[dict[str, Any]]:
    """Say something; all that is told up to its final words."""
    await protocol.speak(phone)
    await protocol.end(phone)
    told = [await phone.next()]
    while not protocol.final(told[-1]):
        told.append(await phone.next())
    return told


def texts(protocol: Protocol, told: list[dict[str, Any]]) -> list[str]:
    """The words of those that have any."""
    wordy = {"Results", "TurnInfo", "partial_transcript", "committed_transcript", "Turn"}
    return [protocol.words(message) for message in told if kinds(message) & wordy]


@ALL
async def test_words_grow_while_somebody_speaks_and_are_whole_at_the_end(there: Town, protocol: Protocol) -> None:
    async with there.dial(protocol.provider, protocol.path) as phone:
        for _ in range(2):
            told = texts(protocol, await utterance(protocol, phone))
            assert told[-1] == TEXT
            interims = told[:-1]
            assert interims[-1].startswith("I would like")
            assert interims == sorted(interims, key=len)
            assert all(TEXT.startswith(text) for text in interims)
    assert there.conduct.requests["utterance"] == 2


@ALL
async def test_what_is_heard_may_be_given(there: Town, protocol: Protocol) -> None:
    there.conduct.text = "Gr\u00fc\u00df Gott! <break/> \u6771\u4eac \U0001f600"
    async with there.dial(protocol.provider, protocol.path) as phone:
        assert texts(protocol, await utterance(protocol, phone))[-1] == there.conduct.text


@ALL
async def test_every_message_has_the_shape_of_the_real_one(there: Town, protocol: Protocol) -> None:
    async with there.dial(protocol.provider, protocol.path) as phone:
        told = await utterance(protocol, phone)
        there.conduct.fates.append(Fate.ERROR)
        await protocol.speak(phone)
        await protocol.end(phone)
        told += await phone.until(protocol.error)
    assert [fault for message in told for fault in faults(protocol.wires, message)] == []


@ALL
async def test_what_the_real_client_says_is_understood(there: Town, protocol: Protocol) -> None:
    async with there.dial(protocol.provider, protocol.path) as phone:
        for message in recorded(protocol.wires, "client"):
            if message.get("type") not in ("CloseStream", "Terminate"):
                await phone.text(json.dumps(message))
        told = await utterance(protocol, phone)
    assert not any("error" in kind.lower() for message in told for kind in kinds(message))


@ALL
async def test_an_error_is_told_in_the_protocols_own_way(there: Town, protocol: Protocol) -> None:
    there.conduct.fates.extend((Fate.NONE, Fate.ERROR))
    async with there.dial(protocol.provider, protocol.path) as phone:
        await protocol.speak(phone)
        await protocol.end(phone)
        told = await phone.until(protocol.error)
        assert not any(protocol.final(message) for message in told)
        assert await phone.closed() == protocol.code


@ALL
async def test_a_cut_comes_after_some_words(there: Town, protocol: Protocol) -> None:
    there.conduct.fates.extend((Fate.NONE, Fate.CUT))
    async with there.dial(protocol.provider, protocol.path) as phone:
        await protocol.speak(phone)
        assert await phone.closed() == 1006


@ALL
@pytest.mark.swift
async def test_a_stall_ends_and_the_connection_stays(
    there: Town, protocol: Protocol, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "STALL", 0.2)
    there.conduct.fates.extend((Fate.NONE, Fate.STALL))
    async with there.dial(protocol.provider, protocol.path) as phone:
        start = trio.current_time()
        told = texts(protocol, await utterance(protocol, phone))
        assert trio.current_time() - start == pytest.approx(0.2)
        assert len(told) > 1
        assert told[-1] == TEXT


@ALL
@pytest.mark.swift
async def test_silence_is_nothing_to_an_utterance_and_all_after_it(there: Town, protocol: Protocol) -> None:
    there.conduct.fates.extend((Fate.NONE, Fate.NONE, Fate.SILENT))
    async with there.dial(protocol.provider, protocol.path) as phone:
        await utterance(protocol, phone)
        for _ in range(2):
            await protocol.speak(phone)
            await protocol.end(phone)
        assert await phone.silent()
    assert there.conduct.requests["utterance silent"] == 1


def whole(message: str) -> bool:
    try:
        json.loads(message)
    except json.JSONDecodeError:
        return False
    return True


@ALL
async def test_half_a_message_is_no_json(there: Town, protocol: Protocol) -> None:
    there.conduct.fates.extend((Fate.NONE, Fate.HALF))
    async with there.dial(protocol.provider, protocol.path) as phone:
        await protocol.speak(phone)
        await protocol.end(phone)
        while whole(message := await phone.told()):
            pass
        assert message.startswith("{")
        assert texts(protocol, await utterance(protocol, phone))[-1] == TEXT


@ALL
async def test_wrong_types_are_those_of_the_final_words(there: Town, protocol: Protocol) -> None:
    there.conduct.fates.extend((Fate.NONE, Fate.TYPES))
    async with there.dial(protocol.provider, protocol.path) as phone:
        told = await utterance(protocol, phone)
        assert [faults(protocol.wires, message) == [] for message in told] == [True] * (len(told) - 1) + [False]
        assert texts(protocol, await utterance(protocol, phone))[-1] == TEXT


@ALL
async def test_one_message_may_be_huge(there: Town, protocol: Protocol) -> None:
    there.conduct.fates.extend((Fate.NONE, Fate.HUGE))
    async with there.dial(protocol.provider, protocol.path) as phone:
        await protocol.speak(phone)
        await protocol.end(phone)
        while len(message := await phone.told()) < HUGE:
            pass
        assert protocol.words(json.loads(message)) == TEXT


@ALL
async def test_nothing_may_be_heard(there: Town, protocol: Protocol) -> None:
    there.conduct.fates.extend((Fate.NONE, Fate.EMPTY))
    async with there.dial(protocol.provider, protocol.path) as phone:
        assert set(texts(protocol, await utterance(protocol, phone))) == {""}
        assert texts(protocol, await utterance(protocol, phone))[-1] == TEXT


@ALL
async def test_a_rate_means_nothing_to_an_ear(there: Town, protocol: Protocol) -> None:
    there.conduct.fates.extend((Fate.NONE, Fate.RATE))
    async with there.dial(protocol.provider, protocol.path) as phone:
        assert texts(protocol, await utterance(protocol, phone))[-1] == TEXT


@ALL
@pytest.mark.swift
async def test_the_delay_is_that_of_the_words(there: Town, protocol: Protocol) -> None:
    there.conduct.stt_delay = 0.2
    async with there.dial(protocol.provider, protocol.path) as phone:
        start = trio.current_time()
        await utterance(protocol, phone)
        assert trio.current_time() - start == pytest.approx(0.2)


@ALL
@pytest.mark.parametrize("fate", [Fate.STALL, Fate.SILENT])
async def test_nothing_is_left_of_a_client_that_has_gone(there: Town, protocol: Protocol, fate: Fate) -> None:
    before = trio.lowlevel.current_statistics().tasks_living
    there.conduct.fates.extend((Fate.NONE, fate))
    async with there.dial(protocol.provider, protocol.path) as phone:
        await protocol.speak(phone)
    with trio.fail_after(3):
        while trio.lowlevel.current_statistics().tasks_living > before:
            await trio.sleep(0.01)


@ALL
async def test_a_key_is_needed(there: Town, protocol: Protocol) -> None:
    with pytest.RaisesGroup(pytest.RaisesExc(Exception, check=lambda error: error.status_code == 401)):
        async with there.dial(protocol.provider, protocol.path, key=""):
            pass


@ALL
async def test_a_hundred_are_heard_at_once(there: Town, protocol: Protocol) -> None:
    heard = []

    async def one() -> None:
        async with there.dial(protocol.provider, protocol.path) as phone:
            heard.append(texts(protocol, await utterance(protocol, phone))[-1])

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            for _ in range(100):
                nursery.start_soon(one)
    assert heard == [TEXT] * 100


def test_all_ears_are_in_the_town() -> None:
    paths = {path for _, behind in PROVIDERS.values() for one in behind for path in one.lines}
    assert {protocol.path.partition("?")[0] for protocol in (DEEPGRAM, FLUX, SCRIBE, ASSEMBLY)} <= paths


PCM = {"mulaw": (LOUD, QUIET), "alaw": (b"\x80" * 800, b"\xd5" * 800), "linear16": (b"\x00\x40" * 800, bytes(1600))}


@pytest.mark.parametrize(("encoding", "loud", "quiet"), [(name, *pair) for name, pair in PCM.items()])
def test_loudness_is_heard_in_every_encoding(encoding: str, loud: bytes, quiet: bytes) -> None:
    assert ear.loud(loud, encoding)
    assert ear.loud(quiet + loud[:2] + quiet, encoding)
    assert not ear.loud(quiet, encoding)
    assert not ear.loud(b"", encoding)
