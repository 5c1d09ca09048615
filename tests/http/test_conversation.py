"""A conversation on the page, with nothing in between: a Chromium whose microphone plays a recording, the real server
and the real receptionist.

It lasts about half a minute, because people do. With PARLANCE_PICTURE set to a path, the whole recording is played, and
a picture of the page is left there, taken while the agent answers the question with which the caller has cut in.
"""

from __future__ import annotations

import os
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio
from chromium import Page, chromium, executable
from stub import FLOOR, NOTICE
from test_sound import SPY

from parlance import main
from parlance.agents import load
from parlance.settings import Settings

SAMPLE = Path(__file__).parent.parent.parent / "samples" / "patient.wav"
PICTURE = os.environ.get("PARLANCE_PICTURE")
PARTS = ((0.0, 50.0),) if PICTURE else ((0.0, 14.7), (36.7, 45.5))
"""Seconds of the shipped recording: he asks for an appointment, on Monday morning; and then he asks for the opening
hours, and in the middle of the answer about Sunday. Before each stands the time in which the agent speaks."""

CALLER = "[...document.querySelectorAll('.line.caller:not([aria-hidden]) .words')].map((words) => words.textContent)"
AGENT = "[...document.querySelectorAll('.line.agent .words')].map((words) => words.textContent)"
LATENCY = "Number(document.querySelector('#latency .figure').textContent)"


@pytest.fixture(autouse=True)
def _browser() -> None:
    """Skipped here, and not inside a nursery, a test says why."""
    executable()


@pytest.fixture
def microphone(tmp_path: Path) -> Path:
    path = tmp_path / "microphone.wav"
    with wave.open(str(SAMPLE)) as source, wave.open(str(path), "wb") as cut:
        cut.setparams(source.getparams())
        rate = source.getframerate()
        for begin, end in PARTS:
            source.setpos(round(begin * rate))
            cut.writeframes(source.readframes(round((end - begin) * rate)))
    return path


@asynccontextmanager
async def served(microphone: Path) -> AsyncIterator[Page]:
    """The page of a whole house that is ready for calls."""
    opened: list[int] = []
    listening = trio.Event()

    def note(host: str, port: int) -> None:
        opened.append(port)
        listening.set()

    with trio.fail_after(120):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(main.run, Settings(port=0), load.shipped(), opened=note))
            await listening.wait()
            async with chromium(microphone=microphone) as page:
                await page.before_load(SPY)
                await page.open(f"http://127.0.0.1:{opened[0]}/")
                await page.wait_for("fetch('/ready').then((answer) => answer.ok)", within=30)
                yield page
            nursery.cancel_scope.cancel()


async def test_a_conversation_with_the_receptionist(microphone: Path) -> None:
    async with served(microphone) as page:
        await page.prefer(prefers_color_scheme="light")
        await page.wait_for("!document.getElementById('call').disabled")
        await page.click("#call")
        await page.wait_for("document.body.dataset.stage == 'talking'")
        await page.wait_for("spied.loud > 0.01", within=5)
        await page.wait_for(f"{AGENT}[0] == 'Harbor Street Clinic, good day. How can I help you?'")

        await page.wait_for(f"{CALLER}.includes('i would like to make an appointment')", within=15)
        await page.wait_for("spied.loud > 0.01", within=5)
        await page.wait_for(f"{AGENT}.some((said) => said.includes('For which day?'))", within=2)
        assert 100 < await page.wait_for(LATENCY, within=2) < 3000
        await page.wait_for(f"{CALLER}.includes('on monday morning')", within=10)
        await page.wait_for(f"{AGENT}.some((said) => said.includes('At what time'))", within=5)

        await page.wait_for(f"{CALLER}.includes('what are your opening hours')", within=40)
        await page.wait_for("document.querySelector('.cut')", within=15)
        await page.wait_for("spied.loud < 0.001", within=1)
        heard, rest = await page.evaluate(
            "[document.querySelector('.line:has(.cut) .words').firstChild.textContent,"
            " document.querySelector('.unheard').textContent]"
        )
        assert heard.startswith("We are open")
        assert "twelve" in rest
        await page.wait_for(f"{CALLER}.includes('what about sunday')", within=10)
        await page.wait_for(f"{AGENT}.pop().includes('We are closed on Sunday')", within=5)
        await page.wait_for("spied.loud > 0.01", within=5)
        if PICTURE:
            await photograph(page, Path(PICTURE))

        await page.click("#hangup")
        await page.wait_for(f"document.body.dataset.stage == 'idle' && {FLOOR} == 'Call ended'")
        assert await page.evaluate(NOTICE) == ""
        await page.wait_for("fetch('/health').then((answer) => answer.json()).then((figures) => !figures.calls)")


async def photograph(page: Page, path: Path) -> None:
    """The page as it is a moment into the answer, without a scroll bar and the ring of what has the focus."""
    await page.evaluate("void (document.getElementById('transcript').style.scrollbarWidth = 'none')")
    await page.evaluate("document.activeElement.blur()")
    await page.wait_for("document.querySelector('.line.agent:last-child .now')", within=2)
    await trio.sleep(0.7)
    await page.screenshot(path)
