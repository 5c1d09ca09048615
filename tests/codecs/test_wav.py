from __future__ import annotations

import io
import itertools
import struct
import wave

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from parlance.codecs import alaw, mulaw, wav
from parlance.codecs.wav import BadAudio, Sound, Writer, read

GUID = bytes.fromhex("000000001000800000aa00389b71")


def fmt(tag=1, channels=1, rate=8000, bits=16, extra=b""):
    block = channels * bits // 8
    return struct.pack("<HHIIHH", tag, channels, rate, rate * block, block, bits) + extra


def chunk(name, body, size=None):
    return name + struct.pack("<I", len(body) if size is None else size) + body + b"\0" * (len(body) & 1)


def riff(*chunks, size=None):
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body) if size is None else size) + body


def extensible(tag, bits, channels=1):
    return fmt(0xFFFE, channels, bits=bits, extra=struct.pack("<HHIH", 22, bits, 0, tag) + GUID)


def words(*samples):
    return struct.pack(f"<{len(samples)}h", *samples)


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 24000, 44100, 48000])
@pytest.mark.parametrize(("channels", "expected"), [(1, (100, 300, -5, -7)), (2, (200, -6)), (4, (97,))])
def test_what_the_standard_library_writes_is_read(rate, channels, expected):
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((channels, 2, rate, 0, "NONE", ""))
        out.writeframes(words(100, 300, -5, -7))
    sound = read(file.getvalue())
    assert sound == Sound(words(*expected), rate)
    assert sound.seconds == len(expected) / rate


@pytest.mark.parametrize("wrap", [fmt, extensible], ids=["plain", "extensible"])
@pytest.mark.parametrize(
    ("tag", "bits", "data", "expected"),
    [
        (1, 8, bytes([128, 192, 0]), (0, 16384, -32768)),
        (1, 16, words(0, 1, -32768), (0, 1, -32768)),
        (1, 24, b"\0\0\0\0\0\x40\0\0\x80", (0, 16384, -32768)),
        (1, 32, struct.pack("<3i", 0, 1 << 30, -(2**31)), (0, 16384, -32768)),
        (3, 32, struct.pack("<3f", 0, 0.5, -1), (0, 16384, -32768)),
        (3, 64, struct.pack("<3d", 0, 0.5, -1), (0, 16384, -32768)),
        (7, 8, mulaw.encode(words(0, 16764, -32124)), (0, 16764, -32124)),
        (6, 8, alaw.encode(words(8, 16896, -32256)), (8, 16896, -32256)),
    ],
)
def test_every_encoding(wrap, tag, bits, data, expected):
    file = riff(chunk(b"fmt ", wrap(tag, bits=bits)), chunk(b"data", data))
    assert read(file) == Sound(words(*expected), 8000)


def test_other_chunks_and_their_padding_are_stepped_over():
    file = riff(chunk(b"LIST", b"odd"), chunk(b"fmt ", fmt()), chunk(b"fact", b"1234"), chunk(b"data", words(1, 2)))
    assert read(file + chunk(b"id3 ", b"tail")).samples == words(1, 2)


@pytest.mark.parametrize("size", [6, 7, 1000, 0x7FFFFFFF, 0xFFFFFFFF, 0])
def test_a_data_chunk_cut_short_or_never_filled_in_is_read_as_far_as_it_goes(size):
    file = riff(chunk(b"fmt ", fmt()), chunk(b"data", words(1, 2, 3), size=size), size=size)
    assert read(file).samples == words(1, 2, 3)
    assert read(file[:-1]).samples == words(1, 2)


BROKEN = {
    "an empty file": (b"", "the file is empty"),
    "text": (b"Hello, this is not audio at all.", "not a WAV file: it does not begin with RIFF and WAVE"),
    "an AVI": (b"RIFF\0\0\0\0AVI ", "not a WAV file: it does not begin with RIFF and WAVE"),
    "an MP3": (b"ID3\x04\0\0\0\0\0\0", "not a WAV file: it does not begin with RIFF and WAVE"),
    "half a magic": (b"RI", "the header is cut short"),
    "only a magic": (b"RIFF\0\0\0\0WAVE", "the header is cut short: it has no fmt chunk"),
    "big-endian": (b"RIFX\0\0\0\0WAVE", "RIFX files are not supported: save it as a plain RIFF WAV"),
    "a short fmt": (
        riff(chunk(b"fmt ", fmt()[:10])),
        "the header is cut short: its fmt chunk has less than 16 bytes",
    ),
    "a cut fmt": (riff(chunk(b"fmt ", fmt()))[:30], "the header is cut short: its fmt chunk has less than 16 bytes"),
    "a short extensible fmt": (
        riff(chunk(b"fmt ", fmt(0xFFFE))),
        "the header is cut short: an extensible fmt chunk has 40 bytes",
    ),
    "no data": (riff(chunk(b"fmt ", fmt())), "the file holds no audio: it has no data chunk"),
    "empty data": (
        riff(chunk(b"fmt ", fmt()), chunk(b"data", b"")),
        "the file holds no audio: its data chunk is empty",
    ),
    "empty data before a tag": (
        riff(chunk(b"fmt ", fmt()), chunk(b"data", b""), chunk(b"LIST", b"INFO")),
        "the file holds no audio: its data chunk is empty",
    ),
    "half a sample": (
        riff(chunk(b"fmt ", fmt()), chunk(b"data", b"\0")),
        "the file holds no audio: its data chunk is empty",
    ),
    "data before fmt": (
        riff(chunk(b"data", b"\0\0"), chunk(b"fmt ", fmt())),
        "the audio comes before the chunk that describes it (no fmt before data)",
    ),
    "zero rate": (riff(chunk(b"fmt ", fmt(rate=0))), "the header says zero samples a second"),
    "zero channels": (riff(chunk(b"fmt ", fmt(channels=0))), "the header says zero channels"),
    "too slow": (
        riff(chunk(b"fmt ", fmt(rate=7999))),
        "7999 samples a second is out of range: 8000 to 48000 are supported",
    ),
    "too fast": (
        riff(chunk(b"fmt ", fmt(rate=96000))),
        "96000 samples a second is out of range: 8000 to 48000 are supported",
    ),
    "12-bit": (riff(chunk(b"fmt ", fmt(bits=12))), "unsupported encoding: 12-bit PCM"),
    "16-bit float": (riff(chunk(b"fmt ", fmt(3, bits=16))), "unsupported encoding: 16-bit float"),
    "16-bit µ-law": (riff(chunk(b"fmt ", fmt(7))), "unsupported encoding: G.711 has 8 bits a sample, not 16"),
    "GSM": (
        riff(chunk(b"fmt ", fmt(0x31))),
        "unsupported encoding: GSM 6.10; PCM, float and G.711 are supported",
    ),
    "unheard of": (
        riff(chunk(b"fmt ", fmt(0x1234))),
        "unsupported encoding: format tag 0x1234; PCM, float and G.711 are supported",
    ),
    "a foreign extensible": (
        riff(chunk(b"fmt ", extensible(1, 16)[:-1] + b"!")),
        "unsupported encoding: an extensible format that is neither PCM, float nor G.711",
    ),
}


@pytest.mark.parametrize(("file", "message"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_gets_one_line_that_says_what_is_wrong(file, message):
    with pytest.raises(BadAudio) as caught:
        read(file)
    assert str(caught.value) == message


def test_a_file_on_disk_is_named_in_the_message(tmp_path):
    path = tmp_path / "caller.wav"
    path.write_bytes(b"nonsense")
    with pytest.raises(BadAudio, match=r"caller\.wav: not a WAV file"):
        read(path)
    with pytest.raises(BadAudio, match=r"gone\.wav: cannot be read: No such file"):
        read(str(tmp_path / "gone.wav"))
    with pytest.raises(BadAudio, match="cannot be read: Is a directory"):
        read(tmp_path)
    with pytest.raises(BadAudio, match="cannot be read: embedded null byte"):
        read("a\0b.wav")


def outcome(file):
    """The sound, or the one line of why not."""
    try:
        return read(file)
    except BadAudio as error:
        line = str(error)
    assert line.count("\n") == 0
    return line


@given(st.binary(max_size=200))
@example(b"RIFF")
@settings(deadline=None)
def test_any_bytes_are_read_or_refused(data):
    assert outcome(data)


@given(
    tag=st.sampled_from([1, 3, 6, 7, 0xFFFE]),
    channels=st.integers(0, 70),
    rate=st.integers(0, 100_000),
    bits=st.sampled_from([0, 8, 16, 24, 32, 64]),
    extra=st.one_of(st.just(b""), st.builds(lambda t: struct.pack("<HHIH", 22, 16, 0, t) + GUID, st.integers(0, 9))),
    body=st.binary(max_size=300),
    size=st.one_of(st.none(), st.integers(0, 2**32 - 1)),
    cut=st.integers(0, 400),
)
@settings(deadline=None)
def test_any_header_is_read_or_refused(tag, channels, rate, bits, extra, body, size, cut):
    file = riff(chunk(b"fmt ", fmt(tag, channels, rate, bits, extra)), chunk(b"data", body, size=size))[:cut]
    sound = outcome(file)
    if isinstance(sound, Sound):
        assert sound.rate == rate
        assert 0 < len(sound.samples) // 2 * channels * bits // 8 <= len(body) + 1  # the chunk's padding at most


@given(data=st.binary(max_size=400), cuts=st.lists(st.integers(0, 400), max_size=6), channels=st.sampled_from([1, 2]))
@settings(deadline=None)
def test_what_is_written_in_pieces_is_read_back(tmp_path_factory, data, cuts, channels):
    path = tmp_path_factory.mktemp("wav") / "out.wav"
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    with Writer(path, 16000, channels) as writer:
        for start, end in itertools.pairwise(edges):
            writer.write(data[start:end])
    whole = len(data) - len(data) % (2 * channels)
    assert writer.frames == whole // (2 * channels)
    with wave.open(str(path), "rb") as file:
        assert file.getparams()[:4] == (channels, 2, 16000, whole // (2 * channels))
        assert file.readframes(file.getnframes()) == data[:whole]


def test_a_file_that_was_never_closed_is_complete_up_to_the_last_write(tmp_path):
    path = tmp_path / "call.wav"
    writer = Writer(path, 8000, channels=2)
    try:
        writer.write(words(1, 2, 3))
        with wave.open(str(path), "rb") as file:
            assert file.readframes(9) == words(1, 2)
        writer.write(words(4))
        with wave.open(str(path), "rb") as file:
            assert file.readframes(9) == words(1, 2, 3, 4)
    finally:
        writer.close()
        writer.close()


def test_audio_behind_a_header_that_was_not_yet_updated_does_no_harm(tmp_path):
    path = tmp_path / "call.wav"
    with Writer(path, 8000) as writer:
        writer.write(words(1, 2))
    with path.open("ab") as file:
        file.write(words(3, 4))
    assert read(path).samples == words(1, 2)


def test_an_empty_recording_is_a_valid_file(tmp_path):
    path = tmp_path / "call.wav"
    Writer(path, 8000).close()
    with wave.open(str(path), "rb") as file:
        assert file.getnframes() == 0


def test_a_header_past_four_gigabytes_says_as_much_as_there_is(tmp_path):
    writer = Writer(tmp_path / "call.wav", 48000, 2)
    writer.close()
    writer._bytes = 5 << 30
    header = writer._header()
    assert struct.unpack_from("<I", header, 4) == struct.unpack_from("<I", header, 40) == (0xFFFFFFFF,)
    assert read(header + words(7, 7)).samples == words(7)


def test_many_channels_mix_without_overflow():
    file = riff(chunk(b"fmt ", fmt(channels=6)), chunk(b"data", words(*[32767] * 6, *[-32768] * 6)))
    assert np.frombuffer(read(file).samples, "<i2").tolist() == [32767, -32768]


def test_the_error_is_a_value_error():
    assert issubclass(wav.BadAudio, ValueError)
