"""A real Chromium, driven over its DevTools protocol: for tests of the page, against whichever server.

    async with chromium(microphone=wav) as page:
        await page.open("http://127.0.0.1:8080/")
        await page.wait_for("document.title == 'parlance'")

One empty profile and one process group for each browser; both are gone when the context is left. A test that wants a
browser where there is none is skipped; in CI (`CI=true`) it fails. Inside a nursery, where a skip would become a
group of exceptions, ask `executable()` before.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, open_websocket_url

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--remote-debugging-port=0",
)
STARTING = 30.0
CLOSING = 5.0

# The keys that tests press: DOM key -> (code, virtual key code, text).
KEYS = {
    "Tab": ("Tab", 9, ""),
    "Enter": ("Enter", 13, "\r"),
    "Escape": ("Escape", 27, ""),
    " ": ("Space", 32, " "),
    "ArrowDown": ("ArrowDown", 40, ""),
    "m": ("KeyM", 77, "m"),
}


def executable() -> str:
    """Where Chromium is; without one the test is skipped, or fails in CI."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail("no Chromium is installed, and in CI the browser tests must run")
        pytest.skip("no Chromium is installed (Debian: apt-get install chromium)")
    return found


class PageError(AssertionError):
    """The page threw, or did not reach the state a test waits for."""


@dataclass
class Page:
    """One tab. `faults`: what its console complained of; leaving the browser's context asserts that there is none."""

    socket: WebSocketConnection
    session: str = ""
    faults: list[str] = field(default_factory=list)
    _ids: Any = field(default_factory=lambda: count(1))
    _waiting: dict[int, tuple[trio.Event, dict[str, Any]]] = field(default_factory=dict)

    async def command(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One DevTools command and its result."""
        number = next(self._ids)
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        answered, answer = self._waiting[number] = (trio.Event(), {})
        await self.socket.send_message(json.dumps(message))
        await answered.wait()
        if "error" in answer:
            raise PageError(f"{method}: {answer['error'].get('message')}")
        result: dict[str, Any] = answer["result"]
        return result

    async def read(self) -> None:
        """Hands answers to those who wait for them, until the browser has gone."""
        try:
            while True:
                message = json.loads(await self.socket.get_message())
                if "id" in message:
                    answered, answer = self._waiting.pop(message["id"])
                    answer.update(message)
                    answered.set()
                else:
                    self._note(message["method"], message["params"])
        except ConnectionClosed:
            for answered, answer in self._waiting.values():
                answer.update(error={"message": "the browser has gone"})
                answered.set()

    def _note(self, method: str, event: dict[str, Any]) -> None:
        match method:
            case "Runtime.exceptionThrown":
                details = event["exceptionDetails"]
                self.faults.append(details.get("exception", {}).get("description") or details["text"])
            case "Runtime.consoleAPICalled" if event["type"] in ("error", "warning", "assert"):
                self.faults.append(" ".join(str(item.get("value", item.get("description"))) for item in event["args"]))
            case "Log.entryAdded" if event["entry"]["level"] == "error":
                self.faults.append(f"{event['entry']['text']} {event['entry'].get('url', '')}")

    async def attach(self, size: tuple[int, int]) -> None:
        target = await self.command("Target.createTarget", url="about:blank")
        self.session = (await self.command("Target.attachToTarget", targetId=target["targetId"], flatten=True))[
            "sessionId"
        ]
        for domain in ("Page", "Runtime", "Log"):
            await self.command(f"{domain}.enable")
        await self.resize(*size)

    async def before_load(self, script: str) -> None:
        """`script` runs in every document before its own scripts."""
        await self.command("Page.addScriptToEvaluateOnNewDocument", source=script)

    async def open(self, address: str) -> None:
        """Go there, and return when the document and its modules have been loaded."""
        result = await self.command("Page.navigate", url=address)
        if result.get("errorText"):
            raise PageError(f"{address}: {result['errorText']}")
        await self.wait_for("document.readyState == 'complete' && location.href != 'about:blank'")

    async def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression, awaited if it is a promise."""
        answer = await self.command(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True, userGesture=True
        )
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise PageError(details.get("exception", {}).get("description") or details["text"])
        return answer["result"].get("value")

    async def wait_for(self, expression: str, within: float = 10.0) -> Any:
        """The expression's value once it is true. Raises `PageError`, with what the page says, after `within` s."""
        watch = f"""new Promise((done) => {{
            const look = () => {{ const value = ({expression}); value ? done(value) : setTimeout(look, 20); }};
            look();
        }})"""
        with trio.move_on_after(within):
            return await self.evaluate(watch)
        text = await self.evaluate("document.body.innerText")
        raise PageError(f"not true within {within} s: {expression}\nfaults: {self.faults}\nthe page says:\n{text}")

    async def press(self, key: str) -> None:
        """One key, down and up."""
        code, number, text = KEYS[key]
        event = {"key": key, "code": code, "windowsVirtualKeyCode": number, "nativeVirtualKeyCode": number}
        await self.command("Input.dispatchKeyEvent", type="keyDown", text=text, **event)
        await self.command("Input.dispatchKeyEvent", type="keyUp", **event)

    async def click(self, selector: str) -> None:
        """A click of the mouse in the middle of the element, wherever it is on the screen."""
        x, y = await self.evaluate(f"""(() => {{
            const box = document.querySelector({json.dumps(selector)}).getBoundingClientRect();
            return [box.x + box.width / 2, box.y + box.height / 2];
        }})()""")
        for kind in ("mousePressed", "mouseReleased"):
            await self.command("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    async def prefer(self, **features: str) -> None:
        """Media features, as `prefers_color_scheme="dark"`."""
        named = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        await self.command("Emulation.setEmulatedMedia", features=named)

    async def resize(self, width: int, height: int, *, scale: float = 1.0, mobile: bool = False) -> None:
        await self.command(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=mobile
        )

    async def screenshot(self, path: Path) -> None:
        """The viewport as a PNG."""
        picture = await self.command("Page.captureScreenshot", format="png")
        await trio.Path(path).write_bytes(base64.b64decode(picture["data"]))


@asynccontextmanager
async def chromium(*, microphone: Path | None = None, size: tuple[int, int] = (1280, 800)) -> AsyncIterator[Page]:
    """A browser with one blank tab, whose microphone plays the WAV file once and then is silent.

    Without a file the microphone beeps once a second. Raises `PageError` on leaving if the console complained.
    """
    flags = [executable(), *FLAGS]
    if microphone is not None:
        flags.append(f"--use-file-for-fake-audio-capture={microphone}%noloop")
    with tempfile.TemporaryDirectory(prefix="chromium", ignore_cleanup_errors=True) as profile:
        process = await trio.lowlevel.open_process(
            [*flags, f"--user-data-dir={profile}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        page: Page | None = None
        try:
            async with trio.open_nursery() as nursery:
                address = await nursery.start(_log, process)
                async with open_websocket_url(address, max_message_size=64 << 20) as socket:
                    page = Page(socket)
                    nursery.start_soon(page.read)
                    await page.attach(size)
                    yield page
                    with trio.move_on_after(CLOSING):
                        page.session = ""
                        await page.command("Browser.close")
                nursery.cancel_scope.cancel()
        finally:
            with trio.CancelScope(shield=True):
                await _stop(process)
        if page is not None and page.faults:
            raise PageError("the console complained: " + "; ".join(page.faults))


async def _log(process: trio.Process, task_status: trio.TaskStatus[str]) -> None:
    """Reads what Chromium logs: first its DevTools address, then anything, so that its pipe cannot fill up."""
    assert process.stderr is not None
    seen = b""
    with trio.move_on_after(STARTING) as waiting:
        async for chunk in process.stderr:
            seen += chunk
            if waiting.deadline != float("inf") and (found := re.search(rb"DevTools listening on (ws://\S+)\n", seen)):
                waiting.deadline = float("inf")
                task_status.started(found[1].decode())
    if waiting.deadline != float("inf"):
        raise PageError(f"Chromium did not start: {seen.decode(errors='replace')[-2000:]}")


async def _stop(process: trio.Process) -> None:
    """The process group of this browser and no other, gone within a bound."""
    with trio.move_on_after(CLOSING):
        if process.returncode is None:
            process.terminate()
        await process.wait()
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    await process.wait()
