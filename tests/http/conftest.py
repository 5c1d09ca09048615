"""The running server of these tests, and a page for it to serve."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import trio
from house import House


@pytest.fixture
def page(tmp_path: Path) -> Path:
    folder = tmp_path / "static"
    (folder / "deep").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>parlance</title>")
    (folder / "app.js").write_text("export const x = 1;")
    (folder / "style.css").write_text("body {}")
    (folder / "deep" / "worklet.js").write_text("registerProcessor('x', class {});")
    (folder / "notes.bak").write_text("private")
    (tmp_path / "secret.txt").write_text("secret")
    return folder


@pytest.fixture(params=[True, False], ids=["reactor", "asgi"])
async def house(request: pytest.FixtureRequest, page: Path, nursery: trio.Nursery) -> House:
    """The server with either door for media sockets: what holds for one holds for the other."""
    house = House(page, direct=request.param)
    house.port = await nursery.start(partial(house.run))
    return house
