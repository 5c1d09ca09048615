"""WAV files: any kind that a caller's recording may be, to mono PCM16; and a writer whose file is right at any time.

Reading is of bytes in memory. Only `read` of a path and `Writer` touch a disk, and both block: not for the loop.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from parlance.codecs import alaw, mulaw, pcm
from parlance.codecs.errors import BadAudio

__all__ = ["MAX_RATE", "MIN_RATE", "BadAudio", "Sound", "Writer", "read"]

MIN_RATE, MAX_RATE = 8000, 48000

_PCM, _FLOAT, _ALAW, _MULAW, _EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
_GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")
"""What follows the format tag in the sub-format of WAVE_FORMAT_EXTENSIBLE (KSDATAFORMAT_SUBTYPE_*)."""

_DEPTHS: dict[tuple[int, int], pcm.Depth] = {
    (_PCM, 8): "u8",
    (_PCM, 16): "s16",
    (_PCM, 24): "s24",
    (_PCM, 32): "s32",
    (_FLOAT, 32): "f32",
    (_FLOAT, 64): "f64",
}
_KNOWN_AS = {0x02: "Microsoft ADPCM", 0x11: "IMA ADPCM", 0x31: "GSM 6.10", 0x50: "MPEG", 0x55: "MP3", 0xFF: "AAC"}

_ENDLESS = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Sound:
    """A recording: mono PCM16 at `rate` samples a second."""

    samples: bytes
    rate: int

    @property
    def seconds(self) -> float:
        return len(self.samples) / 2 / self.rate


@dataclass(frozen=True, slots=True)
class _Layout:
    tag: int
    channels: int
    rate: int
    bits: int


def read(source: bytes | str | Path) -> Sound:
    """A WAV file or its bytes, mixed to mono PCM16 at its own rate.

    8, 16, 24 and 32-bit integers, 32 and 64-bit floats, A-law and µ-law; plain or WAVE_FORMAT_EXTENSIBLE; 8 to 48 kHz.
    A data chunk that is cut short, or whose length was never filled in, is read as far as it goes.
    Raises `BadAudio`, with one line that says what is wrong (and of which file), and nothing else.
    """
    if isinstance(source, bytes):
        return _parse(source)
    try:
        return _parse(Path(source).read_bytes())
    except OSError as error:
        raise BadAudio(f"{source}: cannot be read: {error.strerror or error}") from error
    except BadAudio as error:
        raise BadAudio(f"{source}: {error}") from None
    except ValueError as error:  # a path with a zero byte in it
        raise BadAudio(f"{str(source)!r}: cannot be read: {error}") from error


def _parse(data: bytes) -> Sound:
    if not data:
        raise BadAudio("the file is empty")
    if data[:4] in (b"RIFX", b"RF64"):
        raise BadAudio(f"{data[:4].decode()} files are not supported: save it as a plain RIFF WAV")
    if data[:4] != b"RIFF"[: len(data)] or data[8:12] != b"WAVE"[: max(0, len(data) - 8)]:
        raise BadAudio("not a WAV file: it does not begin with RIFF and WAVE")
    if len(data) < 12:
        raise BadAudio("the header is cut short")
    layout: _Layout | None = None
    at = 12
    while at + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, at)
        at += 8
        if name == b"data":
            if layout is None:
                raise BadAudio("the audio comes before the chunk that describes it (no fmt before data)")
            return _sound(layout, _audio(data, at, size))
        if name == b"fmt ":
            layout = _layout(data[at : at + size], size)
        at += size + (size & 1)
    if layout is None:
        raise BadAudio("the header is cut short: it has no fmt chunk")
    raise BadAudio("the file holds no audio: it has no data chunk")


def _layout(body: bytes, size: int) -> _Layout:
    if len(body) < min(size, 16) or size < 16:
        raise BadAudio("the header is cut short: its fmt chunk has less than 16 bytes")
    tag, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", body)
    if tag == _EXTENSIBLE:
        if len(body) < 40:
            raise BadAudio("the header is cut short: an extensible fmt chunk has 40 bytes")
        if body[26:40] != _GUID_TAIL:
            raise BadAudio("unsupported encoding: an extensible format that is neither PCM, float nor G.711")
        (tag,) = struct.unpack_from("<H", body, 24)
    if channels == 0:
        raise BadAudio("the header says zero channels")
    if rate == 0:
        raise BadAudio("the header says zero samples a second")
    if not MIN_RATE <= rate <= MAX_RATE:
        raise BadAudio(f"{rate} samples a second is out of range: {MIN_RATE} to {MAX_RATE} are supported")
    if tag in (_ALAW, _MULAW):
        if bits != 8:
            raise BadAudio(f"unsupported encoding: G.711 has 8 bits a sample, not {bits}")
    elif tag in (_PCM, _FLOAT):
        if (tag, bits) not in _DEPTHS:
            raise BadAudio(f"unsupported encoding: {bits}-bit {'PCM' if tag == _PCM else 'float'}")
    else:
        name = _KNOWN_AS.get(tag, f"format tag 0x{tag:04X}")
        raise BadAudio(f"unsupported encoding: {name}; PCM, float and G.711 are supported")
    return _Layout(tag, channels, rate, bits)


def _audio(data: bytes, at: int, size: int) -> bytes:
    """The data chunk's bytes. A writer to a pipe leaves its length 0 or all ones: then the rest of the file is it."""
    complete = struct.unpack_from("<I", data, 4)[0] + 8 == len(data)
    if size == _ENDLESS or (size == 0 and not complete):
        return data[at:]
    return data[at : at + size]


def _sound(layout: _Layout, audio: bytes) -> Sound:
    block = layout.channels * layout.bits // 8
    audio = audio[: len(audio) - len(audio) % block]
    if not audio:
        raise BadAudio("the file holds no audio: its data chunk is empty")
    if layout.tag == _MULAW:
        samples = mulaw.decode(audio)
    elif layout.tag == _ALAW:
        samples = alaw.decode(audio)
    else:
        samples = pcm.to_pcm16(audio, _DEPTHS[layout.tag, layout.bits])
    return Sound(pcm.mono(samples, layout.channels), layout.rate)


class Writer:
    """A WAV file that grows: interleaved PCM16 of `channels` at `rate`.

    After every `write` the header says what is in the file, so that a file that was never closed is complete up to the
    last write. Past 4 GB the header says "as much as there is". Raises OSError where the file cannot be written.
    """

    def __init__(self, path: str | Path, rate: int, channels: int = 1) -> None:
        self.rate = rate
        self.channels = channels
        self._block = 2 * channels
        self._rest = b""
        self._bytes = 0
        self._file = Path(path).open("wb", buffering=0)
        self._file.write(self._header())

    @property
    def frames(self) -> int:
        """Samples of each channel in the file."""
        return self._bytes // self._block

    def write(self, pcm16: bytes) -> None:
        """Append; what does not fill a sample of every channel waits for the next write."""
        if self._rest:
            pcm16 = self._rest + pcm16
        whole = len(pcm16) - len(pcm16) % self._block
        pcm16, self._rest = pcm16[:whole], pcm16[whole:]
        if not pcm16:
            return
        # The audio first: a header never promises what is not there.
        left = memoryview(pcm16)
        while left:
            left = left[self._file.write(left) :]
        self._bytes += whole
        self._file.seek(0)
        self._file.write(self._header())
        self._file.seek(0, 2)

    def close(self) -> None:
        """Close the file; closing twice is allowed."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _header(self) -> bytes:
        return _header(self._bytes, self.rate, self.channels)


def encode(pcm16: bytes, rate: int, channels: int = 1) -> bytes:
    """A whole WAV file of interleaved PCM16."""
    return _header(len(pcm16), rate, channels) + pcm16


def _header(size: int, rate: int, channels: int) -> bytes:
    size = size if size + 36 < _ENDLESS else _ENDLESS
    block = 2 * channels
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", min(size + 36, _ENDLESS), b"WAVE"),
        *(b"fmt ", 16, _PCM, channels, rate, rate * block, block, 16),
        *(b"data", size),
    )
