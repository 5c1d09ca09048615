"""From one `Format` to another, as a stream: which steps it takes, and bytes that do not fill a sample."""

from __future__ import annotations

from collections.abc import Callable

from parlance.codecs import alaw, mulaw
from parlance.codecs.format import Encoding, Format
from parlance.codecs.resample import Resampler

_DECODE: dict[Encoding, Callable[[bytes], bytes]] = {"mulaw": mulaw.decode, "alaw": alaw.decode}
_ENCODE: dict[Encoding, Callable[[bytes], bytes]] = {"mulaw": mulaw.encode, "alaw": alaw.encode}

_EVERY_CODE = bytes(range(256))
_TRANSCODE: dict[tuple[Encoding, Encoding], bytes] = {
    ("mulaw", "alaw"): alaw.encode(mulaw.decode(_EVERY_CODE)),
    ("alaw", "mulaw"): mulaw.encode(alaw.decode(_EVERY_CODE)),
}
"""Code to code by way of PCM16. (Not G.711's own tables 3 and 4, which map code to code.)"""


class Converter:
    """A stream from `source` to `target`. Equal formats pass through untouched; any bytes are audio, none are refused.

    n samples in are ceil(n * target.rate / source.rate) samples out once flushed. Raises ValueError for a pair of
    different rates that `resample` does not know.
    """

    def __init__(self, source: Format, target: Format) -> None:
        self.source = source
        self.target = target
        self._decode = _DECODE.get(source.encoding)
        self._encode = _ENCODE.get(target.encoding)
        self._resampler = None if source.rate == target.rate else Resampler(source.rate, target.rate)
        self._table: bytes | None = None
        if self._resampler is None:
            self._table = _TRANSCODE.get((source.encoding, target.encoding))
            if source.encoding == target.encoding:
                self._decode = self._encode = None
        self._odd = b""

    @property
    def latency(self) -> float:
        """The most seconds of input that are still held back after a feed."""
        return self._resampler.latency if self._resampler is not None else 0.0

    def feed(self, audio: bytes) -> bytes:
        """The output that is due; a part of a sample is kept for the next feed."""
        if self._table is not None:
            return audio.translate(self._table)
        if self._decode is not None:
            audio = self._decode(audio)
        if self._resampler is not None:
            audio = self._resampler.feed(audio)
        if self._encode is not None:
            audio = self._encode(self._whole(audio))
        return audio

    def flush(self) -> bytes:
        """What is still held back. The next feed begins a new stream; a part of a sample is lost."""
        self._odd = b""
        tail = self._resampler.flush() if self._resampler is not None else b""
        return self._encode(tail) if self._encode is not None else tail

    def _whole(self, pcm16: bytes) -> bytes:
        if self._odd:
            pcm16 = self._odd + pcm16
        if len(pcm16) & 1:
            self._odd = pcm16[-1:]
            return pcm16[:-1]
        self._odd = b""
        return pcm16


def convert(audio: bytes, source: Format, target: Format) -> bytes:
    """A whole recording at once: the same bytes as feeding it in pieces."""
    stream = Converter(source, target)
    return stream.feed(audio) + stream.flush()
