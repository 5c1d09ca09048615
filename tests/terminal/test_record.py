from __future__ import annotations

import errno
import json
import threading
import wave
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trio

from parlance.engine import trace
from parlance.engine.errors import Misconfigured
from parlance.engine.trace import Record
from parlance.terminal import record
from parlance.terminal.record import Recorder

DATE = datetime(2026, 11, 20, 14, 3, tzinfo=UTC)
SECOND = b"\x01\x00" * 8000


def lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "trace.jsonl").read_text("utf-8").splitlines()]


async def test_a_call_leaves_its_trace_its_transcript_and_its_sound(tmp_path: Path, conversation: list[Record]) -> None:
    folder = tmp_path / "deep" / "out"
    recorder = Recorder(folder, date=DATE)
    tracks = recorder.tracks(8000)
    for n, happened in enumerate(conversation):
        recorder(happened)
        tracks.caller(n * 8000, SECOND)
        await recorder.flush()
    await recorder.close()
    assert recorder.fault == ""
    assert lines(folder) == [happened.as_dict() for happened in conversation]
    assert "00:10.0  Caller  on tuesday please" in (folder / "transcript.txt").read_text("utf-8")
    with wave.open(str(folder / "call.wav")) as sound:
        assert sound.getnframes() == len(conversation) * 8000


async def test_what_was_flushed_survives_without_a_close(tmp_path: Path, conversation: list[Record]) -> None:
    recorder = Recorder(tmp_path, date=DATE)
    tracks = recorder.tracks(8000)
    for happened in conversation[:5]:
        recorder(happened)
    tracks.agent(0, SECOND)
    assert lines(tmp_path) == []
    await recorder.flush()
    assert len(lines(tmp_path)) == 5
    with wave.open(str(tmp_path / "call.wav")) as sound:
        assert sound.getnframes() == 8000
    await recorder.close()


async def test_an_earlier_call_is_replaced(tmp_path: Path) -> None:
    for name in ("trace.jsonl", "transcript.txt", "call.wav"):
        (tmp_path / name).write_bytes(b"of an earlier call")
    recorder = Recorder(tmp_path, date=DATE)
    await recorder.close()
    assert (tmp_path / "trace.jsonl").read_bytes() == b""
    assert "earlier" not in (tmp_path / "transcript.txt").read_text()
    assert not (tmp_path / "call.wav").exists()


@pytest.mark.parametrize("name", ["", "trace.jsonl", "transcript.txt", "call.wav"])
def test_something_in_the_way_is_told_before_the_call(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "out"
    if name:
        (folder / name).mkdir(parents=True)
    else:
        folder.write_text("a file")
    with pytest.raises(Misconfigured, match=r"cannot record the call in .*out.*choose a folder") as caught:
        Recorder(folder, date=DATE)
    assert "\n" not in str(caught.value)


def test_a_folder_that_cannot_be_made_is_told_before_the_call(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Misconfigured, match="cannot record the call"):
        Recorder(tmp_path / "file" / "out", date=DATE)


async def test_two_recordings_of_one_call_are_refused(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, date=DATE)
    recorder.tracks(8000)
    with pytest.raises(ValueError, match="already"):
        recorder.tracks(16000)
    await recorder.close()


async def test_a_full_disk_stops_the_file_and_not_the_call(
    tmp_path: Path, conversation: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder(tmp_path, date=DATE)
    tracks = recorder.tracks(8000)

    def full() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tracks, "store", full)
    tracks.caller(0, SECOND)
    await recorder.flush()
    assert "call.wav: No space left on device" in recorder.fault
    for happened in conversation:
        recorder(happened)
    await recorder.flush()
    assert len(lines(tmp_path)) == len(conversation)
    await recorder.close()
    assert (tmp_path / "transcript.txt").exists()
    assert tracks._file is None


async def test_the_end_is_written_although_the_call_is_cancelled(tmp_path: Path, conversation: list[Record]) -> None:
    recorder = Recorder(tmp_path, date=DATE)
    with trio.CancelScope() as scope:
        try:
            recorder(conversation[0])
            scope.cancel()
            await trio.sleep_forever()
        finally:
            await recorder.close()
            await recorder.close()
    assert len(lines(tmp_path)) == 1
    assert "Ended:    without an ending" in (tmp_path / "transcript.txt").read_text()


async def test_a_disk_that_does_not_answer_cannot_hold_the_end_of_a_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "PATIENCE", 0.05)
    recorder = Recorder(tmp_path, date=DATE)
    tracks = recorder.tracks(8000)
    answers, done = threading.Event(), threading.Event()
    store, close = tracks.store, tracks.close

    def slow() -> None:
        answers.wait(10)
        store()

    def closing() -> None:
        close()
        done.set()

    monkeypatch.setattr(tracks, "store", slow)
    monkeypatch.setattr(tracks, "close", closing)
    with trio.fail_after(5):
        await recorder.close()
    assert "did not answer" in recorder.fault
    answers.set()
    assert await trio.to_thread.run_sync(done.wait, 5)


async def test_text_that_has_no_encoding_is_still_kept(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, date=DATE)
    recorder(Record(1, 0.5, trace.CallerSaid("Gr\u00fc\u00dfe \ud800", True, 1)))
    await recorder.close()
    assert lines(tmp_path)[0]["text"] == "Gr\u00fc\u00dfe ?"


async def test_a_flush_that_is_abandoned_loses_nothing(tmp_path: Path, conversation: list[Record]) -> None:
    recorder = Recorder(tmp_path, date=DATE)
    for happened in conversation:
        recorder(happened)
        with trio.move_on_after(0):
            await recorder.flush()
    await recorder.close()
    assert [line["seq"] for line in lines(tmp_path)] == [happened.seq for happened in conversation]
