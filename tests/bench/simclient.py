"""Bare clients of the simulated services that are asked over HTTP, and the recorded-shape messages to compare with."""

from __future__ import annotations

import io
import json
import wave
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from hypothesis import strategies as st

from bench.simulators.conduct import Conduct
from bench.simulators.town import PROVIDERS, doors

WIRES = Path(__file__).parents[1] / "wires"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=9,
)


def calm() -> Conduct:
    return Conduct(stt_delay=0.0, chat_delay=0.0, chat_pace=5000.0, tts_delay=0.0, tts_pace=100.0)


@asynccontextmanager
async def asking(name: str, conduct: Conduct) -> AsyncIterator[httpx.AsyncClient]:
    """A client of one provider, that has a key."""
    keys, _ = PROVIDERS[name]
    header, scheme = next(iter(keys.items()))
    async with trio.open_nursery() as nursery:
        port = await nursery.start(doors(conduct)[name].serve, 0)
        headers, url = {header: f"{scheme} k".strip()}, f"http://127.0.0.1:{port}"
        # Certificates, which nobody needs here, would take 30 ms to read.
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=4, verify=False) as client:
            yield client
        nursery.cancel_scope.cancel()


async def until_cut(client: httpx.AsyncClient, path: str, **request: Any) -> bytes:
    """What came of an answer before its connection was dropped."""
    got = b""

    async def read(answer: httpx.Response) -> None:
        nonlocal got
        async for piece in answer.aiter_raw():
            got += piece

    async with client.stream("POST", path, **request) as answer:
        with pytest.raises(httpx.RemoteProtocolError):
            await read(answer)
    return got


def events(answer: bytes) -> list[str]:
    """The data of server-sent events."""
    lines = answer.decode("utf-8", "replace").replace("\r\n", "\n").split("\n")
    return [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]


def parsed(told: list[str]) -> list[dict[str, Any]]:
    """Those of them that are JSON."""
    return list(_parsed(told))


def _parsed(told: list[str]) -> Iterator[dict[str, Any]]:
    for data in told:
        try:
            yield json.loads(data)
        except ValueError:
            continue


def recorded(provider: str, sender: str = "server") -> list[dict[str, Any]]:
    """The messages of one side, as the vendor's own package or documents describe them."""
    lines = [json.loads(line) for line in (WIRES / f"{provider}.jsonl").read_text("utf-8").splitlines()]
    return [line["message"] for line in lines if line["from"] == sender]


def paths(message: Any, at: str = "") -> set[str]:
    """The places of all fields of a message."""
    if isinstance(message, list):
        return {place for inner in message for place in paths(inner, f"{at}[]")}
    if isinstance(message, dict):
        return {at} | {place for name, inner in message.items() for place in paths(inner, f"{at}.{name}")}
    return {at}


def _kind(message: dict[str, Any]) -> list[Any]:
    inner = [message.get(name) for name in ("delta", "content_block", "usage")]
    types = [one.get("type") for one in inner if isinstance(one, dict)]
    return [message.get("type"), message.get("RecognitionStatus"), "NBest" in message, *types]


def like_one_of(message: dict[str, Any], examples: list[dict[str, Any]]) -> bool:
    """Whether it has all fields that an example of its kind has."""
    same = [example for example in examples if _kind(example) == _kind(message)]
    return any(paths(example) <= paths(message) for example in same)


def wav(seconds: float = 1.0, rate: int = 16000, channels: int = 1, width: int = 2) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(width)
        writer.setframerate(rate)
        writer.writeframes(b"\x10" * (round(seconds * rate) * channels * width))
    return file.getvalue()
