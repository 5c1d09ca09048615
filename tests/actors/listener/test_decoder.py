"""What the decoder's worker tells, and when, with a decoder made of words."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from parlance.actors.listener import decoder

CHUNK = bytes(8000)
"""Half a second at 8 kHz: nothing less is decoded of a line whose level is not known."""


@dataclass
class Words:
    """Behaves like pocketsphinx: `heard` is what it makes of each chunk, as (word, frames) pairs."""

    heard: list[list[tuple[str, int]]]
    posterior: float = 0.9
    said: list[str] = field(default_factory=list)
    taken: list[bytes] = field(default_factory=list)

    def get_cmn(self, update: bool) -> str:
        return "1,2,3"

    def set_cmn(self, mean: str) -> None:
        self.said.append(f"mean {mean}")

    def start_utt(self) -> None:
        self.said.append("start")
        self.taken.clear()

    def end_utt(self) -> None:
        self.said.append("end")

    def process_raw(self, audio: bytes, no_search: bool, full: bool) -> None:
        self.taken.append(audio)

    def hyp(self) -> object | None:
        return object() if self.taken else None

    def seg(self) -> list[SimpleNamespace]:
        at, parts = 0, []
        for word, frames in self.heard[min(len(self.taken), len(self.heard)) - 1]:
            parts.append(SimpleNamespace(word=word, start_frame=at, end_frame=at + frames - 1, prob=self.posterior))
            at += frames
        return parts


def replies(data: bytes) -> list[tuple[bytes, int, str]]:
    found = []
    while data:
        kind, utterance, length = decoder.HEADER.unpack_from(data)
        found.append((kind, utterance, data[decoder.HEADER.size : decoder.HEADER.size + length].decode()))
        data = data[decoder.HEADER.size + length :]
    return found


def talk(words: Words, *messages: bytes) -> list[tuple[bytes, int, str]]:
    sink = io.BytesIO()
    decoder.serve(decoder.Decoding(words), io.BytesIO(b"".join(messages)), sink)
    return replies(sink.getvalue())


def utterance(number: int, chunks: int) -> list[bytes]:
    return [
        decoder.message(decoder.BEGIN, number),
        *[decoder.message(decoder.AUDIO, number, CHUNK)] * chunks,
        decoder.message(decoder.END, number),
    ]


def test_words_are_told_when_they_change_and_once_at_the_end() -> None:
    words = Words([[("hello", 40)], [("hello", 40)], [("hello", 40), ("there", 30)]])
    assert talk(words, *utterance(7, 3)) == [
        (decoder.INTERIM, 7, "hello"),
        (decoder.INTERIM, 7, "hello there"),
        (decoder.FINAL, 7, "hello there"),
    ]


def test_noises_fillers_and_variants_are_not_in_the_text() -> None:
    heard = [("<s>", 20), ("[NOISE]", 30), ("the(2)", 20), ("++UH++", 30), ("<sil>", 9), ("door", 20), ("</s>", 30)]
    assert talk(Words([heard]), *utterance(1, 1)) == [(decoder.INTERIM, 1, "the door"), (decoder.FINAL, 1, "the door")]


@pytest.mark.parametrize(
    ("frames", "posterior", "interim", "final"),
    [
        (decoder.LEAST_FRAMES - 1, 0.49, False, ""),
        (decoder.LEAST_FRAMES - 1, 0.5, False, "huh"),
        (decoder.LEAST_FRAMES, 0.01, True, "huh"),
    ],
)
def test_a_short_doubtful_word_is_a_cough(frames: int, posterior: float, interim: bool, final: str) -> None:
    told = talk(Words([[("huh", frames)]], posterior), *utterance(1, 1))
    assert told == [(decoder.INTERIM, 1, "huh")] * interim + [(decoder.FINAL, 1, final)]


def test_silence_gives_an_empty_final() -> None:
    assert talk(Words([[("<s>", 10), ("</s>", 10)]]), *utterance(1, 2)) == [(decoder.FINAL, 1, "")]


def test_an_utterance_without_audio_gives_an_empty_final() -> None:
    assert talk(Words([[("hello", 40)]]), *utterance(1, 0)) == [(decoder.FINAL, 1, "")]


def test_a_new_call_ends_the_open_utterance() -> None:
    words = Words([[("hello", 40)]])
    told = talk(words, decoder.message(decoder.BEGIN, 1), decoder.message(decoder.CALL, 5))
    assert told == [(decoder.READY, 5, "")]
    assert words.said == ["mean 1,2,3", "start", "end"]


def test_every_utterance_begins_with_the_mean_of_a_line() -> None:
    words = Words([[("hello", 40)]])
    talk(words, *utterance(1, 1), *utterance(2, 1))
    assert words.said == ["mean 1,2,3", "start", "end"] * 2


def test_a_short_utterance_is_decoded_at_its_end() -> None:
    words = Words([[("yes", 40)]])
    told = talk(
        words,
        decoder.message(decoder.BEGIN, 1),
        decoder.message(decoder.AUDIO, 1, CHUNK[:-2]),
        decoder.message(decoder.END, 1),
    )
    assert told == [(decoder.FINAL, 1, "yes")]


def test_audio_outside_an_utterance_is_thrown_away() -> None:
    words = Words([[("hello", 40)]])
    assert talk(words, decoder.message(decoder.AUDIO, 1, CHUNK), decoder.message(decoder.END, 1)) == [
        (decoder.FINAL, 1, "")
    ]
    assert words.said == []


def test_a_sample_cut_in_two_is_put_together_again() -> None:
    words = Words([[("hello", 40)]])
    talk(
        words,
        decoder.message(decoder.BEGIN, 1),
        *[decoder.message(decoder.AUDIO, 1, bytes(3001))] * 6,
        decoder.message(decoder.END, 1),
    )
    assert sum(map(len, words.taken)) == 2 * 6 * 3001


def test_the_worker_ends_when_its_input_is_cut_anywhere() -> None:
    whole = b"".join(utterance(1, 1))
    sink = io.BytesIO()
    for cut in (0, 1, decoder.HEADER.size, decoder.HEADER.size + 3, len(whole) - 1):
        decoder.serve(decoder.Decoding(Words([[("hello", 40)]])), io.BytesIO(whole[:cut]), sink)
    assert decoder.FINAL not in [kind for kind, _, _ in replies(sink.getvalue())]


def test_an_unknown_message_is_a_fault_and_the_end() -> None:
    told = talk(Words([[]]), decoder.message(b"?", 3), decoder.message(decoder.CALL, 1))
    assert [kind for kind, _, _ in told] == [decoder.FAULT]
