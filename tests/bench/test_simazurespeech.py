"""The simulated Azure Speech: recognition of short audio, text to speech, and what they refuse."""

from __future__ import annotations

import io
import wave
from typing import Any

import httpx
import pytest
import trio
from simclient import asking, calm, like_one_of, recorded, until_cut, wav

from bench.simulators import speak
from bench.simulators.conduct import HUGE, Fate
from bench.simulators.ear import TEXT
from parlance.codecs.format import TELEPHONE, Format

EAR = "/speech/recognition/conversation/cognitiveservices/v1?language=en-US"
VOICE = "/cognitiveservices/v1"
WAV = {"content-type": "audio/wav; codecs=audio/pcm; samplerate=16000", "accept": "application/json"}
NAMESPACES = 'xmlns="http://www.w3.org/2001/10/synthesis" xmlns:mstts="http://www.w3.org/2001/mstts"'
SAY = {
    "content-type": "application/ssml+xml",
    "x-microsoft-outputformat": "raw-8khz-8bit-mono-mulaw",
    "user-agent": "test",
}


def ssml(inside: str, name: str = ' name="en-US-AvaNeural"', more: str = "") -> bytes:
    voice = f"<voice{name}>{inside}</voice>"
    return f'<speak version="1.0" {NAMESPACES} xml:lang="en-US">{voice}{more}</speak>'.encode()


def heard(sound: bytes | None = None, path: str = EAR, **headers: str) -> dict[str, Any]:
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return {"url": path, "content": wav() if sound is None else sound, "headers": WAV | told}


def said(text: bytes | None = None, **headers: str) -> dict[str, Any]:
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return {"url": VOICE, "content": ssml("one two three") if text is None else text, "headers": SAY | told}


# ---------------------------------------------------------------------------------------------------- ear


@pytest.mark.parametrize("detailed", [False, True])
async def test_it_hears(detailed: bool) -> None:
    conduct = calm()
    async with asking("azure", conduct) as client:
        told = (await client.post(**heard(path=EAR + "&format=detailed" * detailed))).json()
    assert (told["RecognitionStatus"], told["DisplayText"], told["Duration"]) == ("Success", TEXT, 10_000_000)
    assert like_one_of(told, recorded("azurespeech"))
    if detailed:
        assert (told["NBest"][0]["Display"], told["NBest"][0]["Lexical"][:6]) == (TEXT, "i woul")
    else:
        assert "NBest" not in told


@pytest.mark.parametrize("kind", ["audio/wav", "audio/wav; codecs=audio/pcm", "audio/wav;samplerate=16000"])
async def test_its_type_may_be_short(kind: str) -> None:
    async with asking("azure", calm()) as client:
        assert (await client.post(**heard(content_type=kind))).status_code == 200


async def test_silence_and_noise_have_no_words() -> None:
    conduct = calm()
    conduct.fates.append(Fate.EMPTY)
    async with asking("azure", conduct) as client:
        noise = (await client.post(**heard())).json()
        silence = (await client.post(**heard(wav(6)[:44] + bytes(6 * 32000)))).json()
    assert noise == {"RecognitionStatus": "NoMatch", "Offset": 0, "Duration": 10_000_000}
    assert silence == {"RecognitionStatus": "InitialSilenceTimeout", "Offset": 50_000_000, "Duration": 0}
    assert like_one_of(noise, recorded("azurespeech"))


@pytest.mark.parametrize(("fate", "words"), [(Fate.TYPES, 7), (Fate.HUGE, "x" * HUGE)])
async def test_words_are_spoiled(fate: Fate, words: object) -> None:
    conduct = calm()
    conduct.fates.append(fate)
    async with asking("azure", conduct) as client:
        assert (await client.post(**heard())).json()["DisplayText"] == words


@pytest.mark.parametrize("asked", [heard(), said()], ids=["ear", "voice"])
@pytest.mark.parametrize("fate", [Fate.CUT, Fate.STALL, Fate.SILENT, Fate.ERROR])
@pytest.mark.swift
async def test_an_answer_is_not_whole(asked: dict[str, Any], fate: Fate) -> None:
    conduct = calm()
    conduct.fates.append(fate)
    conduct.statuses, conduct.retry_after = (429,), "2"
    async with asking("azure", conduct) as client:
        if fate is Fate.CUT:
            rest = {name: value for name, value in asked.items() if name != "url"}
            assert await until_cut(client, asked["url"], **rest)
        elif fate is Fate.ERROR:
            answer = await client.post(**asked)
            assert (answer.status_code, answer.headers["retry-after"]) == (429, "2")
        else:
            with pytest.raises(httpx.ReadTimeout):
                await client.post(**asked, timeout=10)


async def test_half_of_the_words_is_no_json() -> None:
    conduct = calm()
    conduct.fates.append(Fate.HALF)
    async with asking("azure", conduct) as client:
        answer = await client.post(**heard())
    assert answer.status_code == 200
    assert answer.text.startswith("{")
    with pytest.raises(ValueError, match="line 1"):
        answer.json()


# -------------------------------------------------------------------------------------------------- voice


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("raw-8khz-8bit-mono-mulaw", TELEPHONE),
        ("raw-8khz-8bit-mono-alaw", Format("alaw", 8000)),
        ("raw-24khz-16bit-mono-pcm", Format("pcm16", 24000)),
        ("raw-22050hz-16bit-mono-pcm", Format("pcm16", 22050)),
    ],
)
async def test_it_speaks(name: str, wanted: Format) -> None:
    async with asking("azure", calm()) as client:
        answer = await client.post(**said(x_microsoft_outputformat=name))
    assert answer.content == b"".join(speak.audio("one two three", wanted))


async def test_it_speaks_the_words_only() -> None:
    text = ssml(
        'one<break time="200ms"/> <prosody rate="+10%">two</prosody> <mstts:express-as>3 &amp; 4</mstts:express-as>'
    )
    async with asking("azure", calm()) as client:
        answer = await client.post(**said(text, content_type="application/ssml+xml; charset=utf-8"))
    assert answer.content == b"".join(speak.audio("one two 3 & 4", TELEPHONE))


@pytest.mark.parametrize("fate", [Fate.NONE, Fate.RATE])
async def test_a_file_is_a_file(fate: Fate) -> None:
    """That one is sent in place of what was asked for is `Fate.RATE`."""
    conduct = calm()
    conduct.fates.append(fate)
    name = "riff-24khz-16bit-mono-pcm" if fate is Fate.NONE else "raw-8khz-8bit-mono-mulaw"
    async with asking("azure", conduct) as client:
        answer = await client.post(**said(x_microsoft_outputformat=name))
    with wave.open(io.BytesIO(answer.content)) as file:
        assert (file.getframerate(), file.getsampwidth(), file.getnchannels()) == (24000, 2, 1)
        assert file.readframes(file.getnframes()) == b"".join(speak.audio("one two three", Format("pcm16", 24000)))


@pytest.mark.parametrize("fate", [Fate.HALF, Fate.TYPES, Fate.HUGE, Fate.EMPTY])
async def test_audio_is_spoiled(fate: Fate) -> None:
    conduct = calm()
    conduct.fates.append(fate)
    async with asking("azure", conduct) as client:
        answer = await client.post(**said())
        good = (await client.post(**said())).content
    got = answer.content
    assert answer.status_code == 200
    if fate is Fate.HALF:
        assert 0 < len(got) < len(good)
        assert good.startswith(got)
    elif fate is Fate.TYPES:
        assert answer.headers["content-type"] == "application/json"
        assert not isinstance(answer.json()["audio"], str)
    else:
        assert len(got) == (HUGE if fate is Fate.HUGE else 0)


@pytest.mark.swift
async def test_it_takes_its_time() -> None:
    conduct = calm()
    conduct.stt_delay = conduct.tts_delay = 0.1
    conduct.tts_pace = 5.0
    async with asking("azure", conduct) as client:
        # The voice's three pieces come one after another.
        for asked, seconds in ((heard(), 0.1), (said(), 0.14)):
            start = trio.current_time()
            await client.post(**asked)
            assert trio.current_time() - start == pytest.approx(seconds)


# ------------------------------------------------------------------------------------------------ refusals

REFUSED = [
    ("no language", heard(path=EAR.partition("?")[0]), 400),
    ("an unknown format", heard(path=f"{EAR}&format=json"), 400),
    ("no type", heard(content_type=""), 415),
    ("a type of bare samples", heard(content_type="audio/pcm"), 415),
    ("another rate in the type", heard(content_type="audio/wav; codecs=audio/pcm; samplerate=8000"), 400),
    ("another rate in the file", heard(wav(rate=8000)), 400),
    ("more than a minute", heard(wav(60.1)), 400),
    ("no sound", heard(wav(0.0)), 400),
    ("no file", heard(b"\0" * 3200), 400),
    ("a wrong length", heard(wav() + b"\0\0"), 400),
    ("an answer in XML", heard(accept="text/xml"), 406),
    ("no application", said(user_agent=""), 400),
    ("an application of a long name", said(user_agent="x" * 255), 400),
    ("no ssml", said(content_type="application/json"), 415),
    ("no output", said(x_microsoft_outputformat=""), 400),
    ("an unknown output", said(x_microsoft_outputformat="raw-8khz-16bit-mono-mulaw"), 400),
    ("no xml", said(ssml("fish & chips")), 400),
    ("an element that is not closed", said(ssml("one <b> two")), 400),
    ("an unknown element", said(ssml("one <b>two</b>")), 400),
    ("no voice", said(f'<speak version="1.0" {NAMESPACES} xml:lang="en-US">one</speak>'.encode()), 400),
    ("a voice without a name", said(ssml("one", name="")), 400),
    ("two voices", said(ssml("one", more='<voice name="b">two</voice>')), 400),
    ("text outside of the voice", said(ssml("one", more="two")), 400),
    ("no namespace", said(b'<speak version="1.0" xml:lang="en-US"><voice name="a">one</voice></speak>'), 400),
    ("no language of the text", said(ssml("one").replace(b' xml:lang="en-US"', b"")), 400),
    ("no version", said(ssml("one").replace(b' version="1.0"', b"")), 400),
    ("too long a text", said(ssml("word " * 14000)), 413),
]


@pytest.mark.parametrize(("asked", "status"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
async def test_a_wrong_request_is_refused_with_an_empty_body(asked: dict[str, Any], status: int) -> None:
    async with asking("azure", calm()) as client:
        answer = await client.post(**asked)
        assert (await client.post(**said())).status_code == 200
    assert (answer.status_code, answer.content) == (status, b"")
    assert answer.reason_phrase
