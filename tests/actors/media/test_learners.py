"""What the runner of errands fetches before any errand: keys and access tokens, and how often it asks for them."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
import trio
from restside import CUT, NEVER, SECRET, answer, work

from parlance.actors.media import runner as module
from parlance.actors.media.errand import Errand, Handle


class Pupil:
    """Wants until it was answered with 200, and again when it is told to."""

    def __init__(self) -> None:
        self.wanted: Callable[[], None] = lambda: None
        self.url = ""
        self.heard: list[tuple[int, bytes]] = []
        self.knows = False

    def wants(self, now: float) -> Errand | None:
        return None if self.knows else Errand("GET", self.url, {"Authorization": SECRET}, again=True)

    def learned(self, status: int, body: bytes, now: float) -> None:
        self.heard.append((status, body))
        self.knows = self.knows or status == 200


async def test_what_has_to_be_known_is_learned_at_once_and_before_any_errand() -> None:
    pupil = Pupil()
    async with work(learners=(pupil,)) as w:
        assert await w.do() == Handle("c9")
        assert [head.split()[0] for head in w.carrier.heads] == ["GET", "POST"]
        assert pupil.heard == [(200, b"c9")]


async def test_what_is_wanted_again_is_learned_again_without_an_errand() -> None:
    pupil = Pupil()
    async with work(learners=(pupil,)) as w:
        await w.do()
        pupil.knows = False
        pupil.wanted()
        with trio.fail_after(5):
            while len(pupil.heard) < 2:
                await trio.sleep(0.01)
        assert [head.split()[0] for head in w.carrier.heads] == ["GET", "POST", "GET"]


@pytest.mark.parametrize(("said", "status"), [(answer(401), 401), (CUT, 0), (NEVER, 0)], ids=["401", "cut", "never"])
async def test_who_has_not_learned_is_not_heard_for_a_while(
    said: bytes, status: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A carrier may count failed logins, and lock the account."""
    monkeypatch.setattr(module, "PATIENCE", 0.3)
    monkeypatch.setattr(module, "TIRED", 0.5)
    pupil = Pupil()
    with caplog.at_level(logging.WARNING):
        async with work(said, learners=(pupil,)) as w:
            with trio.fail_after(5):
                while not pupil.heard:
                    await trio.sleep(0.01)
            assert pupil.heard == [(status, b"")]
            for _ in range(3):
                pupil.wanted()
                await w.do()
            assert len(pupil.heard) == 1
            await trio.sleep(0.6)
            await w.do()
            assert pupil.heard[1:] == [(200, b"c9")]
    assert "tel" in caplog.text
    assert SECRET not in caplog.text


async def test_a_crowd_logs_in_once() -> None:
    pupil = Pupil()
    async with work(learners=(pupil,)) as w:
        await w.do()
        pupil.knows = False
        async with trio.open_nursery() as nursery:
            for _ in range(6):
                nursery.start_soon(w.do)
        assert [head.split()[0] for head in w.carrier.heads].count("GET") == 2
