"""What the Azure voice asks for: SSML in which any text is text."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parlance.actors.speaker.azure import PATH, Settings, make, ssml
from parlance.actors.speaker.single import sent

SPEAK = "{http://www.w3.org/2001/10/synthesis}"
MSTTS = "{https://www.w3.org/2001/mstts}"


def settings(**more: Any) -> Settings:
    return Settings.model_validate({"url": "http://127.0.0.1:1/v1", **more})


def read(document: str) -> ElementTree.Element:
    return ElementTree.fromstring(document.encode("utf-8"))


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("Hello.", "Hello."),
        ("R&D <speak> 'a' \"b\" ]]> <!-- c -->", "R&D <speak> 'a' \"b\" ]]> <!-- c -->"),
        ("</voice></speak><audio src='http://x'/>", "</voice></speak><audio src='http://x'/>"),
        ("&amp; &#0; &lt;", "&amp; &#0; &lt;"),
        ("a\x00\x08b\x0bc\x1f", "a  b c"),
        ("a\r\nb\tc\x85d", "a  b c d"),
        ("half \ud83d an emoji", "half   an emoji"),
        ("whole \U0001f642 emoji", "whole \U0001f642 emoji"),
        ("\ufffe\uffffx", "x"),
        ("\u0645\u0631\u062d\u0628\u0627", "\u0645\u0631\u062d\u0628\u0627"),
    ],
    ids=ascii,
)
def test_any_text_is_text(text: str, spoken: str) -> None:
    root = read(ssml(text, settings()))
    (voice,) = root
    assert not list(voice)
    assert voice.text == spoken


@given(text=st.text(st.characters(exclude_categories=[])), rate=st.sampled_from(["", "+10%"]))
def test_the_document_of_any_text_is_the_same_but_for_the_text(text: str, rate: str) -> None:
    root = read(ssml(text, settings(rate=rate, style="cheerful")))
    tags = [element.tag for element in root.iter()]
    assert tags == [f"{SPEAK}speak", f"{SPEAK}voice", f"{MSTTS}express-as", *[f"{SPEAK}prosody"] * bool(rate)]
    assert "".join(root.itertext()) == sent(text)


@pytest.mark.parametrize(
    ("more", "language", "attributes"),
    [
        ({}, "en-US", {}),
        ({"voice": "de-CH-LeniNeural"}, "de-CH", {}),
        ({"voice": "de-CH-LeniNeural", "language": "fr-CH"}, "fr-CH", {}),
        ({"voice": "zh-CN-liaoning-XiaobeiNeural", "rate": "slow"}, "zh-CN", {"rate": "slow"}),
        ({"rate": "-12.5%", "pitch": "+2st"}, "en-US", {"rate": "-12.5%", "pitch": "+2st"}),
    ],
)
def test_the_manner_is_as_it_was_set(more: dict[str, Any], language: str, attributes: dict[str, str]) -> None:
    root = read(ssml("Hello", settings(**more)))
    assert root.get("version") == "1.0"
    assert root.get("{http://www.w3.org/XML/1998/namespace}lang") == language
    assert root[0].get("name") == settings(**more).voice
    prosody = root.find(f".//{SPEAK}prosody")
    assert (prosody.attrib if prosody is not None else {}) == attributes


def test_a_region_is_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_SPEECH_KEY", "k")
    chosen = Settings.model_validate({"region": "westeurope"})
    assert chosen.url == f"https://westeurope.tts.speech.microsoft.com{PATH}"
    assert make({"region": "westeurope"}).provider == "azure"
