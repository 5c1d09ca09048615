"""What a call leaves behind in a folder: `trace.jsonl`, `transcript.txt` and `call.wav`.

The sinks touch memory only. The disk is touched before the call (so that a folder that cannot be written is known
then), in `flush` and in `close`, the latter two in a thread. A disk that fails during the call does not end it: the
file concerned stops there, and `fault` says why.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import trio

from parlance.engine.errors import Misconfigured
from parlance.engine.trace import Record
from parlance.terminal.tracks import Tracks
from parlance.terminal.transcript import Transcript

TRACE = "trace.jsonl"
TRANSCRIPT = "transcript.txt"
AUDIO = "call.wav"

PATIENCE = 5.0
"""Seconds the disk has for the end of the recording."""

_BACKLOG = 100_000
"""Records that may wait for the disk: hours of a call."""


class Recorder:
    """A trace sink that keeps one call in `folder`, replacing what an earlier call left there.

    `date`: when the call began, for the transcript. Raises `Misconfigured` if the folder cannot be made or written.
    Call `flush` twice a second while the call lasts (what was not flushed is what a crash loses), and `close` once.
    """

    def __init__(self, folder: Path, *, date: datetime) -> None:
        self.folder = folder
        self.fault = ""
        """The first thing that could not be written, and why; empty if all is well."""
        self._date = date
        self._transcript = Transcript()
        self._pending: deque[Record] = deque()
        self._tracks: Tracks | None = None
        self._failed: set[str] = set()
        self._lock = threading.Lock()
        self._closed = False
        self._trace: BinaryIO = self._open()

    def __call__(self, record: Record) -> None:
        self._transcript(record)
        if len(self._pending) < _BACKLOG:
            self._pending.append(record)
        else:
            self._fail(TRACE, "the disk does not keep up")

    def tracks(self, rate: int) -> Tracks:
        """The audio's recording, at the line's `rate` in samples a second. To be asked for once, before the call."""
        if self._tracks is not None:
            raise ValueError("this call has its recording already")
        try:
            self._tracks = Tracks(self.folder / AUDIO, rate)
        except OSError as error:
            raise self._unwritable(error) from error
        return self._tracks

    async def flush(self) -> None:
        """Bring to the disk what has happened so far. Does not raise if the disk does not take it: see `fault`."""
        if self._tracks is not None:
            self._tracks.stage()
        await trio.to_thread.run_sync(self._store, abandon_on_cancel=True)

    async def close(self) -> None:
        """Bring everything to the disk and close the files: shielded, and given up after 5 s. May be called twice."""
        if self._closed:
            return
        self._closed = True
        if self._tracks is not None:
            self._tracks.stage()
        with trio.move_on_after(PATIENCE, shield=True) as scope:
            await trio.to_thread.run_sync(self._finish, abandon_on_cancel=True)
        if scope.cancelled_caught:
            self._fail(AUDIO, f"the disk did not answer within {PATIENCE:.0f} s")

    def _open(self) -> BinaryIO:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for name in (AUDIO, TRANSCRIPT):
                path = self.folder / name
                path.open("ab").close()
                path.unlink()
            return (self.folder / TRACE).open("wb")
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> Misconfigured:
        where = error.filename or self.folder
        return Misconfigured(
            f"cannot record the call in {self.folder}: {where}: {error.strerror}; choose a folder that can be written"
        )

    def _fail(self, name: str, why: str) -> None:
        self._failed.add(name)
        self.fault = self.fault or f"{self.folder / name}: {why}"

    def _attempt(self, name: str, work: Callable[[], object]) -> None:
        """Do `work` for the file `name`; what fails is kept as its fault."""
        try:
            work()
        except OSError as error:
            self._fail(name, error.strerror or str(error))

    def _store(self) -> None:
        # An abandoned flush may still be at work when the next one comes.
        with self._lock:
            if TRACE not in self._failed:
                self._attempt(TRACE, self._write_lines)
            if self._tracks is not None and AUDIO not in self._failed:
                self._attempt(AUDIO, self._tracks.store)

    def _write_lines(self) -> None:
        lines = []
        while self._pending:
            lines.append(self._pending.popleft().as_line())
        # A lone surrogate has no UTF-8: it becomes "?".
        self._trace.write("".join(lines).encode("utf-8", "replace"))
        self._trace.flush()

    def _finish(self) -> None:
        self._store()
        with self._lock:
            text = self._transcript.text(self._date).encode("utf-8", "replace")
            self._attempt(TRANSCRIPT, lambda: (self.folder / TRANSCRIPT).write_bytes(text))
            if self._tracks is not None:
                self._attempt(AUDIO, self._tracks.close)
            self._attempt(TRACE, self._trace.close)
