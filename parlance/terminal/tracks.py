"""A call's two sides in one WAV file: stereo PCM16, caller left, agent right, every sample at its place.

Placing audio touches memory only: the last few seconds are kept as a window in which either side may still be
written. `stage` hands what is new to `store`, which does the file's work and may be run in a thread. Audio goes to
its absolute position in the file, so silence costs nothing and an unfinished file is right as far as it goes.
That, and the rewriting within the window, is why the file is not written by a sequential WAV writer.
"""

from __future__ import annotations

import struct
import threading
from collections import deque
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

HEADER = 44
_FRAME = 4
_LARGEST = 0xFFFFFFFF - HEADER
_BACKLOG = 60.0
_SLACK = 1.0
"""Seconds by which the window is larger than promised, so that it is not moved for every frame."""


def header(rate: int, frames: int) -> bytes:
    """The RIFF/WAVE header (Microsoft's `PCMWAVEFORMAT`) of `frames` stereo PCM16 frames; capped at 4 GiB."""
    size = min(frames * _FRAME, _LARGEST - _LARGEST % _FRAME)
    riff = struct.pack("<4sI4s", b"RIFF", HEADER - 8 + size, b"WAVE")
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 2, rate, rate * _FRAME, _FRAME, 16)
    return riff + form + struct.pack("<4sI", b"data", size)


class Tracks:
    """The two-track recording at `path` while a call lasts. Raises `OSError` if the file cannot be opened.

    `rate`: samples a second. `window`: seconds behind the newest sample of either side within which audio may
    still be placed, in any order; the later of two overlapping pieces wins. What comes too late is left out and
    counted in `late` (samples). Memory is bounded by the window, and by 60 s of audio if the disk does not keep
    up: what is beyond that is left out and counted in `lost` (stereo frames).
    """

    def __init__(self, path: Path, rate: int, *, window: float = 5.0) -> None:
        self.path = path
        self.rate = rate
        self.late = 0
        self.lost = 0
        self._promised = max(round(window * rate), 1)
        self._size = self._promised + max(round(_SLACK * rate), 1)
        self._window: NDArray[np.int16] = np.zeros((self._size, 2), dtype="<i2")
        self._base = 0
        self._end = 0
        self._dirty: tuple[int, int] | None = None
        self._staged: deque[tuple[int, bytes]] = deque()
        self._given = 0
        self._taken = 0
        self._lock = threading.Lock()
        self._written = 0
        self._file: BinaryIO | None = path.open("wb")
        self._file.write(header(rate, 0))
        self._file.flush()

    @property
    def seconds(self) -> float:
        """The recording's length so far."""
        return self._end / self.rate

    def caller(self, position: int, pcm16: bytes) -> None:
        """Audio of the caller, its first sample `position` samples after the call's start.

        Raises `ValueError` for half a sample.
        """
        self._place(0, position, pcm16)

    def agent(self, position: int, pcm16: bytes) -> None:
        """Audio the caller hears, its first sample `position` samples after the call's start.

        Raises `ValueError` for half a sample.
        """
        self._place(1, position, pcm16)

    def _place(self, side: int, position: int, pcm16: bytes) -> None:
        samples: NDArray[np.int16] = np.frombuffer(pcm16, dtype="<i2")
        for begin in range(0, len(samples), self._promised):
            self._piece(side, position + begin, samples[begin : begin + self._promised])

    def _piece(self, side: int, position: int, samples: NDArray[np.int16]) -> None:
        end = position + len(samples)
        self._end = max(self._end, end)
        if self._end > self._base + self._size:
            self._slide(self._end - self._promised)
        missed = min(max(self._base - position, 0), len(samples))
        self.late += missed
        if missed == len(samples):
            return
        position += missed
        self._window[position - self._base : end - self._base, side] = samples[missed:]
        low, high = self._dirty or (position, end)
        self._dirty = (min(low, position), max(high, end))

    def _slide(self, base: int) -> None:
        """Move the window's beginning to `base`: what leaves it will not change."""
        step = base - self._base
        if self._dirty is not None and self._dirty[0] < base:
            low, high = self._dirty
            self._stage(low, min(base, high))
            self._dirty = (base, high) if high > base else None
        kept = max(self._size - step, 0)
        self._window[:kept] = self._window[self._size - kept :]
        self._window[kept:] = 0
        self._base = base

    def _stage(self, low: int, high: int) -> None:
        if self._given - self._taken > _BACKLOG * self.rate:
            self.lost += high - low
            return
        self._staged.append((low, self._window[low - self._base : high - self._base].tobytes()))
        self._given += high - low

    def stage(self) -> None:
        """Hand what is new to `store`. Memory only."""
        if self._dirty is not None:
            self._stage(*self._dirty)
            self._dirty = None

    def store(self) -> None:
        """Write what was staged. Blocks on the disk; may be called from any thread. Raises `OSError`."""
        with self._lock:
            if self._file is None:
                return
            while self._staged:
                position, data = self._staged.popleft()
                frames = len(data) // _FRAME
                self._taken += frames
                self._file.seek(HEADER + position * _FRAME)
                self._file.write(data)
                self._written = max(self._written, position + frames)
            self._file.seek(0)
            self._file.write(header(self.rate, self._written))
            self._file.flush()

    def close(self) -> None:
        """Write what was staged and close the file, even if that fails. Blocks on the disk. Raises `OSError`."""
        try:
            self.store()
        finally:
            with self._lock:
                file, self._file = self._file, None
                if file is not None:
                    file.close()
