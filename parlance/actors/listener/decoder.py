"""The process in which pocketsphinx decodes one call at a time, and the bytes it speaks over its pipes.

It imports no trio and nothing of the engine: a blocking loop over stdin that ends when stdin does. It is a process and
not a thread because the decoder holds the GIL while it works, up to 15 ms at a time.

A message is `HEADER` (kind, utterance, length) and `length` bytes. To the worker: `CALL` (a new call: forget the
last one), `BEGIN`, `AUDIO` (PCM16, 8 kHz, mono), `END`. From it: `READY` (every `CALL` is answered, after the model
was loaded), `INTERIM` and `FINAL` (UTF-8 words), `FAULT` (why it ends). Whatever comes before the answer to the
latest `CALL` belongs to an earlier call.

How it is set up, and why. WER is of 47 receptionists' sentences (flite `rms`, 8 kHz, 300-3400 Hz, µ-law, -20 dBFS, a
little noise), each one as the first utterance of a call and decoded as it comes; "final" is the CPU from the end of the
audio to the words. As it is: 3.5 % (41 of 47 word for word), final 10 ms (20 at worst), 0.10 s of CPU a second.

- `cmninit`: the model's own mean is not a telephone's: 75 % WER with it, 3.5 % with `LINE_MEAN`, which is what live
  adaptation arrives at over those sentences with digital silence between them. It is set again for each utterance: the
  adaptation counts the noise around the words, and in a call of 47 sentences with noise it leads to 17 %.
- `fwdflat=False`: the second pass hears about the same (3.1 %), but takes 60 ms at the end, 109 at worst.
- `maxhmmpf=5000`: a tenth less CPU than the default of 30,000, same WER, and a bound where there is noise.
- Other voices it hears worse, whatever the mean: flite's `slt` (a woman) 34 %, `awb` (a Scot) 27 %.
- A cough becomes a short word with a poor posterior: 24 bursts of noise of 135-292 ms were taken for words of at most
  29 frames and a posterior of at most 0.45, a lone "yes", "no", "stop" or "hello" has 32 frames and 0.77 at the least.
  Hence `LEAST_FRAMES` and `LEAST_POSTERIOR`, with which no burst has interim or final words. The first interim then
  comes 0.45 s after the first voiced frame (90 %: 0.65 s).
"""

from __future__ import annotations

import os
import signal
import struct
import sys
from typing import Any, BinaryIO

from parlance.actors.listener.conditioner import MODEL, Conditioner

HEADER = struct.Struct("<cII")

CALL = b"C"
BEGIN = b"B"
AUDIO = b"A"
END = b"E"

READY = b"R"
INTERIM = b"I"
FINAL = b"F"
FAULT = b"X"

LINE_MEAN = (
    "50.78,31.0267,-36.0132,51.8544,-16.2639,-7.1828,15.1374,-41.2248,-4.8138,-16.9582,-4.22494,11.5619,-15.6642"
)
LEAST_FRAMES = 32
"""Frames of 10 ms that words must cover before they are told; a final of fewer needs `LEAST_POSTERIOR`."""
LEAST_POSTERIOR = 0.5


def message(kind: bytes, utterance: int = 0, payload: bytes = b"") -> bytes:
    """One message, either way."""
    return HEADER.pack(kind, utterance, len(payload)) + payload


KIND = 5
"""How much lower a decoder's priority is than the house's (nice(2))."""


class Decoding:
    """The decoder and the utterance it is in. `decoder` is a `pocketsphinx.Decoder` or behaves like one."""

    def __init__(self, decoder: Any) -> None:
        self._decoder = decoder
        self._mean = decoder.get_cmn(False)
        self._line = Conditioner()
        self._open = False
        self._told = ""
        self._odd = b""

    def forget(self) -> None:
        """A new call: what was learned of the last one's line does not hold for it."""
        self._close()
        self._line.forget()

    def begin(self) -> None:
        self._close()
        self._line.begin()
        # The decoder's own adaptation counts the silence around the words, and drifts away with it.
        self._decoder.set_cmn(self._mean)
        self._decoder.start_utt()
        self._open, self._told, self._odd = True, "", b""

    def hear(self, audio: bytes) -> str | None:
        """Decode `audio`; the words so far, if they have changed. Without an open utterance it is thrown away."""
        if not self._open:
            return None
        audio = self._odd + audio
        whole = len(audio) & ~1
        self._odd = audio[whole:]
        if not (audio := self._line.hear(audio[:whole])):
            return None
        self._decoder.process_raw(audio, False, False)
        words = self._words()
        text = " ".join(word for word, _, _ in words)
        if text == self._told or sum(frames for _, frames, _ in words) < LEAST_FRAMES:
            return None
        self._told = text
        return text

    def end(self) -> str:
        """The utterance's words; empty if there were none, or only a cough."""
        if not self._open:
            return ""
        if audio := self._line.end():
            self._decoder.process_raw(audio, False, False)
        self._close()
        words = self._words()
        if (
            sum(frames for _, frames, _ in words) < LEAST_FRAMES
            and max((posterior for _, _, posterior in words), default=0.0) < LEAST_POSTERIOR
        ):
            return ""
        if words:
            self._line.learn()
        return " ".join(word for word, _, _ in words)

    def _close(self) -> None:
        if self._open:
            self._open = False
            self._decoder.end_utt()

    def _words(self) -> list[tuple[str, int, float]]:
        """Word, frames, posterior (which means something only once the utterance has ended)."""
        if self._decoder.hyp() is None:
            return []
        return [
            # A variant of pronunciation is written "the(2)"; <sil>, [NOISE] and ++UH++ are not words.
            (part.word.partition("(")[0], part.end_frame - part.start_frame + 1, part.prob)
            for part in self._decoder.seg()
            if part.word[0] not in "<[+"
        ]


def serve(decoding: Decoding, source: BinaryIO, sink: BinaryIO) -> None:
    """Answer the messages of `source` until it ends."""

    def tell(kind: bytes, utterance: int, text: str) -> None:
        sink.write(message(kind, utterance, text.encode()))
        sink.flush()

    while len(head := source.read(HEADER.size)) == HEADER.size:
        kind, utterance, length = HEADER.unpack(head)
        payload = source.read(length)
        if len(payload) < length:
            return
        if kind == CALL:
            decoding.forget()
            tell(READY, utterance, "")
        elif kind == BEGIN:
            decoding.begin()
        elif kind == AUDIO:
            text = decoding.hear(payload)
            if text is not None:
                tell(INTERIM, utterance, text)
        elif kind == END:
            tell(FINAL, utterance, decoding.end())
        else:
            tell(FAULT, utterance, f"unknown message {kind!r}")
            return


def main() -> None:
    # The house's frames come first: a word that is late by a moment is no gap in what a caller hears.
    os.nice(KIND)
    # A service manager may signal every process of the program: calls still want their words while the house drains.
    # The end of its pipe is what ends a decoder.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # Whatever the library prints must not get between the messages.
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        from pocketsphinx import Decoder

        try:
            decoder = Decoder(samprate=MODEL, loglevel="FATAL", cmninit=LINE_MEAN, fwdflat=False, maxhmmpf=5000)
            serve(Decoding(decoder), sys.stdin.buffer, sink)
        except (ImportError, RuntimeError, ValueError) as error:
            sink.write(message(FAULT, 0, str(error).encode()))
            sink.flush()
            raise
    except BrokenPipeError:
        # Nobody listens any more. What is still buffered must not be flushed again at exit.
        os._exit(0)


if __name__ == "__main__":
    main()
