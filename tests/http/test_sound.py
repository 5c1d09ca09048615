"""The page's sound in a real Chromium: a WAV as its microphone, and what would come out of its loudspeaker.

Real time, because a real browser's audio is tested; every wait has a bound.
"""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trio
from chromium import executable
from stub import FLOOR, NOTICE, called, tone, visited, voice


@pytest.fixture(autouse=True)
def _browser() -> None:
    """Skipped here, and not inside a nursery, a test says why."""
    executable()


@pytest.fixture
def microphone(tmp_path: Path) -> Path:
    """A buzz like a voice, ten seconds of it."""
    path = tmp_path / "microphone.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(voice(10))
    return path


def levels(samples: np.ndarray[Any, np.dtype[np.int16]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """RMS of each 100 ms."""
    frames = samples[: len(samples) // 1600 * 1600].reshape(-1, 1600).astype(float)
    return np.sqrt((frames**2).mean(axis=1))


async def test_the_microphone_arrives_as_16_khz_pcm_in_real_time(microphone: Path):
    async with visited(microphone=microphone) as (page, stub):
        line = await called(page, stub)
        before, since = len(line.heard), trio.current_time()
        samples = await line.until_heard(before / 32000 + 3)
        took = trio.current_time() - since
        assert took == pytest.approx(3, abs=0.4)
        loud = levels(samples)[5:]
        assert 300 < np.median(loud[loud > 100]) < 15000
        # The buzz is 130 Hz and its harmonics: its strongest line tells that the rate is right.
        spectrum = np.abs(np.fft.rfft(samples[-32000:] * np.hanning(32000)))
        strongest = float(np.argmax(spectrum[100:])) / 2 + 50
        harmonic = strongest / 130
        assert abs(harmonic - round(harmonic)) < 0.12 * round(harmonic), strongest


async def test_a_muted_microphone_sends_silence_and_is_heard_again_after(microphone: Path):
    async with visited(microphone=microphone) as (page, stub):
        line = await called(page, stub)
        await page.click("#mute")
        samples = await line.until_heard(len(line.heard) / 32000 + 1.5)
        assert levels(samples)[-8:].max() < 5
        await page.click("#mute")
        samples = await line.until_heard(len(line.heard) / 32000 + 2)
        assert levels(samples)[-10:].max() > 100


async def test_what_the_agent_says_is_played_and_a_mark_comes_back_when_it_has_been():
    async with visited() as (page, stub):
        line = await called(page, stub)
        begun = trio.current_time()
        await line.play(tone(1.0))
        await line.say(line.wire.mark("half"))
        await line.play(tone(0.5))
        await line.say(line.wire.mark("whole"))
        with trio.fail_after(5):
            half, whole = await line.until_mark("half") - begun, await line.until_mark("whole") - begun
        assert 0.9 < half < 1.4, "when it is heard, and not before"
        assert 1.4 < whole < 2.5


async def test_the_levels_are_drawn_with_motion_and_without():
    async with visited() as (page, stub):
        line = await called(page, stub)
        await line.play(tone(8.0))
        for motion in ("no-preference", "reduce"):
            await page.prefer(prefers_reduced_motion=motion)
            await page.wait_for(f"({PAINTED}) > 200")
        await line.say(line.wire.clear())
        await page.wait_for(f"({PAINTED}) == 0")


# How many pixels of the agent's lane have the agent's color.
PAINTED = """(() => {
    const canvas = document.getElementById("scope");
    const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height / 2 - 2).data;
    let count = 0;
    for (let at = 0; at < pixels.length; at += 4) count += pixels[at + 3] > 200 && pixels[at + 1] > pixels[at] + 50;
    return count;
})()"""


async def test_a_clear_stops_the_sound_at_once_and_gives_its_marks_back():
    async with visited(SPY) as (page, stub):
        line = await called(page, stub)
        await line.play(tone(5.0))
        await line.say(line.wire.mark("one"))
        await page.wait_for("spied.loud > 0.1")
        begun = trio.current_time()
        await line.say(line.wire.clear(), line.wire.mark("two"))
        with trio.fail_after(2):
            assert await line.until_mark("one") - begun < 1.0, "of five seconds"
            await line.until_mark("two")
        assert [name for name, _ in line.marks] == ["one", "two"]
        await page.wait_for("spied.loud < 0.001", within=1)
        await line.play(tone(0.2))
        await line.say(line.wire.mark("three"))
        await page.wait_for("spied.loud > 0.1", within=2)
        with trio.fail_after(2):
            await line.until_mark("three")


# The level of what really leaves the playback worklet for the loudspeaker.
SPY = """
const connect = AudioNode.prototype.connect;
window.spied = {
    get loud() {
        if (!this.meter) return 0;
        const samples = new Float32Array(this.meter.fftSize);
        this.meter.getFloatTimeDomainData(samples);
        return Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length);
    },
};
AudioNode.prototype.connect = function (target, ...rest) {
    if (target instanceof AudioDestinationNode) {
        spied.meter = new AnalyserNode(this.context, { fftSize: 1024 });
        connect.call(this, spied.meter);
    }
    return connect.call(this, target, ...rest);
};
"""


async def test_hanging_up_ends_the_session_and_lets_the_microphone_go():
    spy = "const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);"
    spy += "navigator.mediaDevices.getUserMedia = async (wish) => (window.stream = await ask(wish));"
    async with visited(spy) as (page, stub):
        line = await called(page, stub)
        await line.until_heard(0.6)  # what comes sooner is taken for the second half of a double click
        await page.click("#hangup")
        with trio.fail_after(5):
            await line.stopped.wait()
            await line.gone.wait()
        assert await page.evaluate("window.stream.getTracks().every((track) => track.readyState == 'ended')")
        assert await page.evaluate(FLOOR) == "Call ended"
        assert await page.evaluate(NOTICE) == ""
        again = await called(page, stub)
        assert again is not line


async def test_a_sound_the_browser_has_paused_can_be_resumed():
    spy = "const Made = AudioContext; window.AudioContext = class extends Made { constructor(...all)"
    spy += "{ super(...all); window.context = this; } };"
    async with visited(spy) as (page, stub):
        await called(page, stub)
        await page.wait_for("window.context.state == 'running'")
        await page.evaluate("window.context.suspend()")
        await page.wait_for(f"({NOTICE}).includes('paused the sound')")
        await page.click("#act")
        await page.wait_for(f"window.context.state == 'running' && ({NOTICE}) == ''")


async def test_the_resampler_keeps_speech_lets_nothing_alias_and_never_drifts():
    async with visited() as (page, _):
        measure = """async (from, to, hertz) => {
            const { Resampler } = await import("/static/resample.js");
            const resampler = new Resampler(from, to);
            let [count, power] = [0, 0];
            for (let at = 0; at < 5 * from; at++) {
                resampler.push(Math.sin(2 * Math.PI * hertz * at / from), (sample) => {
                    count += 1;
                    if (count > to) power += sample * sample;
                });
            }
            return [count, Math.sqrt(2 * power / (count - to))];
        }"""
        for start, end in ((48000, 16000), (44100, 16000), (96000, 16000), (16000, 48000), (16000, 44100)):
            count, level = await page.evaluate(f"({measure})({start}, {end}, 1000)")
            assert abs(count - 5 * end) <= 1, (start, end)
            assert level == pytest.approx(1, abs=0.01), (start, end)
            if end < start:
                _, alias = await page.evaluate(f"({measure})({start}, {end}, 9000)")
                assert alias < 10 ** (-60 / 20), (start, end)
