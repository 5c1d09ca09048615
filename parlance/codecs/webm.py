"""WebM with Opus, as a browser's MediaRecorder delivers it in chunks, to mono PCM16.

The container is taken apart here and only Opus packets go to PyAV. PyAV's own demuxer pulls from a blocking file-like:
on the event loop there is nothing to pull, and opening the blob anew for every chunk decodes the call from its start
each time. What MediaRecorder writes is small: elements (RFC 8794) nested in a Segment and Clusters of unknown length,
one Opus packet in each SimpleBlock or Block (RFC 9559). The element ids are unique over all levels, so that masters are
entered by forgetting where they end.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from parlance.codecs import pcm, pyav
from parlance.codecs.errors import BadAudio
from parlance.codecs.resample import Resampler

if TYPE_CHECKING:
    from collections.abc import Iterator

_EBML, _SEGMENT, _CLUSTER, _TRACKS = 0x1A45DFA3, 0x18538067, 0x1F43B675, 0x1654AE6B
_BLOCK_GROUP, _BLOCK, _SIMPLE_BLOCK, _TRACK_ENTRY = 0xA0, 0xA1, 0xA3, 0xAE
_NUMBER, _TYPE, _CODEC, _PRIVATE, _ENCODINGS = 0xD7, 0x83, 0x86, 0x63A2, 0x6D80
_ENTERED = frozenset({_SEGMENT, _CLUSTER, _TRACKS, _BLOCK_GROUP})
_KEPT = frozenset({_BLOCK, _SIMPLE_BLOCK, _TRACK_ENTRY})
_MAY_BE_ENDLESS = frozenset({_SEGMENT, _CLUSTER})
_MAGIC = _EBML.to_bytes(4)

_AUDIO = 2
_OPUS_RATE = 48000
_MONO_HEAD = b"OpusHead" + struct.pack("<BBHIhB", 1, 1, 0, _OPUS_RATE, 0, 0)
"""RFC 7845's header, for a track that carries none."""

MAX_ELEMENT = 1 << 20
"""Bytes of one element. A second of Opus is at most 64 kB; a larger element means the stream is not what it seems."""


@dataclass(frozen=True, slots=True)
class _Element:
    id: int
    body: bytes


def _varint(data: bytes | bytearray, at: int, longest: int, *, marker: bool) -> tuple[int, int] | None:
    """An EBML number at `at` (with its length marker or without) and its length; None where it is not all there yet."""
    if at >= len(data):
        return None
    length = 9 - data[at].bit_length()
    if length > longest:
        raise BadAudio("broken WebM: a number that is too long, so its place in the stream is lost")
    if at + length > len(data):
        return None
    value = int.from_bytes(data[at : at + length])
    return (value if marker else value & (1 << 7 * length) - 1), length


class _Demuxer:
    """Chunks to the elements that matter, one at a time."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._skip = 0
        self._begun = False

    def feed(self, chunk: bytes) -> Iterator[_Element]:
        self._buffer += chunk
        while True:
            dropped = min(self._skip, len(self._buffer))
            del self._buffer[:dropped]
            self._skip -= dropped
            if not self._begun:
                if not _MAGIC.startswith(self._buffer[:4]):
                    raise BadAudio("not a WebM stream: it does not begin with an EBML header")
                self._begun = len(self._buffer) >= 4
            element = self._next()
            if element is None:
                return
            if element.id:
                yield element

    def _next(self) -> _Element | None:
        """The next element, one of id 0 for what was entered or is skipped; None until more has come."""
        head = _varint(self._buffer, 0, 4, marker=True)
        if head is None:
            return None
        kind, width = head
        tail = _varint(self._buffer, width, 8, marker=False)
        if tail is None:
            return None
        size, more = tail
        body = width + more
        endless = size == (1 << 7 * more) - 1
        if endless and kind not in _MAY_BE_ENDLESS:
            raise BadAudio(f"broken WebM: element 0x{kind:X} has no length")
        if kind in _ENTERED:
            del self._buffer[:body]
            return _Element(0, b"")
        if size > MAX_ELEMENT:
            raise BadAudio(f"broken WebM: element 0x{kind:X} of {size} bytes, at most {MAX_ELEMENT} are taken")
        if kind not in _KEPT:
            del self._buffer[:body]
            self._skip = size
            return _Element(kind if kind == _EBML else 0, b"")
        if len(self._buffer) < body + size:
            return None
        element = _Element(kind, bytes(self._buffer[body : body + size]))
        del self._buffer[: body + size]
        return element


def _children(body: bytes) -> dict[int, bytes]:
    """A small master's elements; the last of a kind counts."""
    found: dict[int, bytes] = {}
    at = 0
    while at < len(body):
        head = _varint(body, at, 4, marker=True)
        tail = _varint(body, at + head[1], 8, marker=False) if head else None
        if head is None or tail is None or at + head[1] + tail[1] + tail[0] > len(body):
            raise BadAudio("broken WebM: a track's description is cut short")
        at += head[1] + tail[1]
        found[head[0]] = body[at : at + tail[0]]
        at += tail[0]
    return found


class Decoder:
    """WebM chunks, cut anywhere, to mono PCM16 at `rate` Hz, without the encoder's pre-skip.

    A new EBML header begins a new recording, so that a recorder may be stopped and started on one connection.
    Each packet (20 ms) costs about 30 µs: cheap enough for the loop. Raises `MissingCodec` without PyAV and ValueError
    for a rate that cannot be had.
    """

    def __init__(self, rate: int = _OPUS_RATE) -> None:
        self._av = pyav.load("WebM")
        self.rate = rate
        self._demuxer = _Demuxer()
        self._resampler = Resampler(_OPUS_RATE, rate)
        self._track: int | None = None
        self._opus: Any = None
        self._failure: str | None = None

    def feed(self, chunk: bytes) -> bytes:
        """The audio of the packets that are whole now.

        Raises `BadAudio` for what is not WebM with Opus. The place in the stream is lost then: every later feed raises
        the same.
        """
        if self._failure is not None:
            raise BadAudio(self._failure)
        audio = []
        try:
            for element in self._demuxer.feed(chunk):
                if element.id == _EBML:
                    audio.append(self._resampler.flush())
                    self._track = self._opus = None
                elif element.id == _TRACK_ENTRY:
                    self._describe(_children(element.body))
                else:
                    audio.append(self._resampler.feed(self._block(element.body)))
        except BadAudio as error:
            self._failure = str(error)
            raise
        return b"".join(audio)

    def flush(self) -> bytes:
        """What is still held back at the end of the recording."""
        return self._resampler.flush()

    def _describe(self, track: dict[int, bytes]) -> None:
        if int.from_bytes(track.get(_TYPE, b"")) != _AUDIO or self._track is not None:
            return
        codec = track.get(_CODEC, b"").rstrip(b"\0")
        if codec != b"A_OPUS":
            raise BadAudio(f"the audio in this WebM is {codec.decode('ascii', 'replace')!r}, only Opus is supported")
        if _ENCODINGS in track:
            raise BadAudio("the audio in this WebM is compressed or encrypted once more, which is not supported")
        head = track.get(_PRIVATE) or _MONO_HEAD
        if len(head) < 19 or not head.startswith(b"OpusHead") or head[9] not in (1, 2) or head[18] != 0:
            raise BadAudio("broken WebM: its Opus header is not one of a mono or stereo track")
        opus = self._av.CodecContext.create(self._decoder(), "r")
        opus.extradata = head
        try:
            opus.open()
        except self._av.error.FFmpegError as error:
            raise BadAudio(f"broken WebM: its Opus header is refused ({error.strerror})") from error
        self._opus = opus
        self._track = int.from_bytes(track.get(_NUMBER, b""))

    def _decoder(self) -> str:
        """libopus where PyAV was built with it: 28 µs a packet against 97 of FFmpeg's own."""
        return "libopus" if "libopus" in self._av.codecs_available else "opus"

    def _block(self, body: bytes) -> bytes:
        """A block's audio: track number, two bytes of time, flags, one packet."""
        number = _varint(body, 0, 8, marker=False)
        if number is None or len(body) < number[1] + 3:
            raise BadAudio("broken WebM: a block is cut short")
        if self._track is None:
            raise BadAudio("this WebM has no audio track")
        track, width = number
        if track != self._track:
            return b""
        if body[width + 2] & 0x06:
            raise BadAudio("broken WebM: several packets in one block (lacing) are not supported")
        packet = body[width + 3 :]
        if not packet:
            return b""
        try:
            frames = self._opus.decode(self._av.Packet(packet))
        except self._av.error.FFmpegError as error:
            raise BadAudio(f"broken WebM: an Opus packet cannot be decoded ({error.strerror})") from error
        return b"".join(_mono(frame) for frame in frames)


def _mono(frame: Any) -> bytes:
    """A decoded frame, interleaved 16-bit (libopus) or planar float (FFmpeg's own)."""
    samples = frame.to_ndarray()
    if samples.dtype != np.int16:
        return pcm.to_pcm16(samples.mean(axis=0).astype("<f4").tobytes(), "f32")
    return pcm.mono(samples.tobytes(), frame.layout.nb_channels)


def decode(blob: bytes, rate: int = _OPUS_RATE) -> bytes:
    """A whole recording as mono PCM16 at `rate` Hz. Raises `BadAudio`, also where there is no audio in it."""
    decoder = Decoder(rate)
    audio = decoder.feed(blob) + decoder.flush()
    if not audio:
        raise BadAudio("this WebM holds no audio")
    return audio
