"""The embedded ear: real pocketsphinx on recorded telephone speech, and made-up workers that misbehave.

Real processes take real time; nothing here waits for a state by sleeping.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
import trio
from called import CHUNK, called, failing

from parlance.actors.listener import decoder, sphinx
from parlance.actors.listener.port import Heard
from parlance.engine.errors import Garbled, Misconfigured, Unreachable

RECORDINGS = Path(__file__).parents[2] / "recordings"
SENTENCES: dict[str, str] = json.loads((RECORDINGS / "sentences.json").read_text())


def recorded(name: str) -> bytes:
    """A recording as the ear wants it."""
    with wave.open(str(RECORDINGS / name)) as file:
        assert (file.getframerate(), file.getsampwidth(), file.getnchannels()) == (8000, 2, 1)
        return file.readframes(file.getnframes())


def cough(seed: int) -> bytes:
    """A quarter of a second of noise through a throat's resonances, after 0.25 s and before 0.7 s of quiet."""
    random = np.random.default_rng(seed)
    t = np.arange(2000) / 8000
    noise = random.normal(0, 1, t.size)
    for f in (700, 1500):
        a1, a2 = -2 * 0.93 * np.cos(2 * np.pi * f / 8000), 0.93**2
        for i in range(2, t.size):
            noise[i] -= a1 * noise[i - 1] + a2 * noise[i - 2]
    noise *= np.exp(-t / 0.05) + 0.5 * np.exp(-(((t - 0.15) / 0.04) ** 2))
    noise *= 2600 / np.sqrt(np.mean(noise**2))
    line = np.concatenate([np.zeros(2000), noise, np.zeros(5600)]) + random.normal(0, 4, 9600)
    return np.clip(np.rint(line), -32768, 32767).astype("<i2").tobytes()


@asynccontextmanager
async def pooled(ear: sphinx.SphinxEar) -> AsyncIterator[sphinx.SphinxEar]:
    async with trio.open_nursery() as nursery:
        await nursery.start(ear.run)
        yield ear
        nursery.cancel_scope.cancel()


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


# ------------------------------------------------------------------------------------ real speech


async def test_telephone_sentences_are_heard_word_for_word_each_as_the_first_of_its_call() -> None:
    async with pooled(sphinx.make({})) as ear:
        for name, text in SENTENCES.items():
            async with called(ear) as call:
                heard = await call.listen(3, recorded(name))
            assert heard[-1] == Heard(3, text, final=True)
            assert [words.final for words in heard].count(True) == 1
            assert len(heard) > 1, "no interim words"
            assert {words.utterance for words in heard} == {3}


async def test_several_utterances_of_one_call() -> None:
    async with called(sphinx.make({})) as call:
        for number, name in enumerate(("hours.wav", "monday.wav", "yes.wav")):
            assert (await call.listen(number, recorded(name)))[-1] == Heard(number, SENTENCES[name], final=True)


async def test_a_cough_has_no_words() -> None:
    async with called(sphinx.make({})) as call:
        for seed in range(6):
            assert await call.listen(seed, cough(seed)) == [Heard(seed, "", final=True)]


async def test_two_calls_at_once_do_not_hear_each_other() -> None:
    heard: dict[str, str] = {}

    async def ring(ear: sphinx.SphinxEar, name: str) -> None:
        async with called(ear) as call:
            heard[name] = (await call.listen(1, recorded(name)))[-1].text

    async with pooled(sphinx.make({})) as ear, trio.open_nursery() as nursery:
        nursery.start_soon(ring, ear, "yes.wav")
        nursery.start_soon(ring, ear, "minute.wav")
    assert heard == {name: SENTENCES[name] for name in ("yes.wav", "minute.wav")}


# --------------------------------------------------------------------------------------- the pool


async def test_a_worker_left_in_mid_utterance_serves_the_next_call_and_tells_it_nothing_old() -> None:
    async with pooled(sphinx.make({"warm": 1, "idle": 2})) as ear:
        async with called(ear) as call:
            first = call.hearing._worker
            await call.hearing.begin(1)
            await call.hearing.hear(recorded("name.wav")[:30_000])
        # Whichever worker comes next: the one that was just used goes to the front.
        async with called(ear) as call:
            assert call.hearing._worker is first
            assert {words.utterance for words in await call.listen(2, recorded("yes.wav"))} == {2}


async def test_leaving_the_pool_leaves_no_process_and_no_descriptor() -> None:
    before = descriptors()
    ear = sphinx.make({"warm": 2})
    async with pooled(ear):
        workers = list(ear._idle)
        assert len(workers) == 2
        async with called(ear) as call:
            await call.listen(1, recorded("yes.wav"))
    assert [worker.process.returncode is None for worker in workers] == [False, False]
    assert ear.statistics()["idle"] == 0
    assert descriptors() == before


async def test_a_pool_that_ends_during_a_call_does_not_end_the_call() -> None:
    before = descriptors()
    ear = sphinx.make({})
    async with trio.open_nursery() as nursery:
        await nursery.start(ear.run)
        with trio.CancelScope(shield=True):
            async with called(ear) as call:
                nursery.cancel_scope.cancel()
                assert (await call.listen(1, recorded("yes.wav")))[-1].text == "yes please"
    assert descriptors() == before


async def test_a_killed_worker_is_unreachable_and_the_next_call_gets_another() -> None:
    async with pooled(sphinx.make({"warm": 1})) as ear:
        with failing(Unreachable, "decoder ended"), trio.fail_after(20):
            async with called(ear) as call:
                await call.listen(1, recorded("yes.wav"))
                call.hearing._worker.process.kill()
                await trio.sleep_forever()
        assert call.hearing._worker.process.returncode == -signal.SIGKILL
        assert ear.statistics()["lost"] == 1
        async with called(ear) as call:
            assert (await call.listen(1, recorded("yes.wav")))[-1].text == "yes please"


async def test_a_warm_worker_that_died_is_replaced_unnoticed() -> None:
    async with pooled(sphinx.make({"warm": 1})) as ear:
        process = ear._idle[0].process
        process.kill()
        await process.wait()
        async with called(ear) as call:
            assert (await call.listen(1, recorded("yes.wav")))[-1].text == "yes please"


# ------------------------------------------------------------------------------ misbehaving workers


def impostor(code: str) -> sphinx.SphinxEar:
    return sphinx.SphinxEar(sphinx.Settings(), [sys.executable, "-c", code])


async def test_speaking_to_a_dead_worker_is_unreachable() -> None:
    with failing(Unreachable):
        async with called(impostor("")) as call:
            with trio.CancelScope(shield=True):
                await call.hearing._worker.process.wait()
                with pytest.raises(Unreachable, match="decoder ended with code 0"):
                    await call.hearing.begin(1)
            await trio.sleep_forever()


async def test_a_worker_that_says_why_it_ends_is_quoted() -> None:
    said = decoder.message(decoder.FAULT, 0, b"no model here")
    with failing(Unreachable, "no model here"), trio.fail_after(20):
        async with called(impostor(f"import sys; sys.stdout.buffer.write({said!r}); sys.stdin.read()")):
            await trio.sleep_forever()


async def test_a_worker_that_talks_nonsense_is_garbled() -> None:
    code = "import sys; sys.stdout.write('nonsense' * 9); sys.stdout.flush(); sys.stdin.read()"
    with failing(Garbled), trio.fail_after(20):
        async with called(impostor(code)):
            await trio.sleep_forever()


async def test_a_worker_that_never_reads_holds_up_only_its_own_call_and_is_killed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sphinx, "GRACE", 0.05)
    async with called(impostor("import signal; signal.pause()")) as call:
        await call.hearing.begin(1)
        # 64 KB fit into the pipe; then `hear` waits, and can be cancelled.
        with trio.move_on_after(0.2) as scope:
            while True:
                await call.hearing.hear(bytes(CHUNK))
        assert scope.cancelled_caught
        process = call.hearing._worker.process
    assert process.returncode == -signal.SIGKILL


async def test_a_message_cut_by_a_cancellation_is_completed_before_the_next() -> None:
    # It reads nothing until it gets the signal, and then says how many bytes of audio there were.
    code = """
import signal, sys
from parlance.actors.listener import decoder as d
def tell(*message):
    sys.stdout.buffer.write(d.message(*message)); sys.stdout.flush()
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
tell(d.READY, 1)
tell(d.INTERIM, 0, b"up")
signal.sigwait([signal.SIGUSR1])
n = 0
while len(head := sys.stdin.buffer.read(d.HEADER.size)) == d.HEADER.size:
    kind, utterance, length = d.HEADER.unpack(head)
    n += len(sys.stdin.buffer.read(length))
    if kind == d.END:
        tell(d.FINAL, utterance, str(n).encode())
"""
    async with called(impostor(code)) as call:
        hearing, words = call.hearing, call.words
        with trio.fail_after(20):
            assert await anext(words) == Heard(0, "up", final=False)
            await hearing.begin(1)
            with trio.move_on_after(0.1) as scope:
                await hearing.hear(bytes(200_000))
            assert scope.cancelled_caught
            hearing._worker.process.send_signal(signal.SIGUSR1)
            await hearing.hear(bytes(2))
            await hearing.end(1)
            assert await anext(words) == Heard(1, "200002", final=True)


async def test_a_closed_ear_tells_nothing_more_and_cannot_be_spoken_to() -> None:
    # It answers a call with one word, and its end with another.
    code = """
import sys
from parlance.actors.listener import decoder as d
def tell(*message):
    sys.stdout.buffer.write(d.message(*message)); sys.stdout.flush()
sys.stdin.buffer.read(d.HEADER.size)
tell(d.READY, 1)
tell(d.INTERIM, 0, b"up")
sys.stdin.read()
tell(d.INTERIM, 0, b"and gone")
"""
    told: list[Heard] = []
    up = trio.Event()

    def note(heard: Heard) -> None:
        told.append(heard)
        up.set()

    with trio.fail_after(20):
        async with impostor(code).open(note) as hearing:
            await up.wait()
    assert told == [Heard(0, "up", final=False)]
    with pytest.raises(trio.ClosedResourceError):
        await hearing.begin(2)


async def test_a_command_that_cannot_be_started_is_unreachable() -> None:
    with pytest.raises(Unreachable, match="cannot start"):
        async with called(sphinx.SphinxEar(sphinx.Settings(), ["/nowhere/at/all"])):
            pass


# ---------------------------------------------------------------------------------------- settings


def test_wrong_settings_are_named() -> None:
    with pytest.raises(Misconfigured, match=r"sphinx.*warm.*color"):
        sphinx.make({"warm": -1, "color": "red"})


def test_without_pocketsphinx_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sphinx, "find_spec", lambda name: None)
    with pytest.raises(Misconfigured, match=r"\.\[local\]"):
        sphinx.make({})
