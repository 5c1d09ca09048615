"""WebM as browsers record it: made by FFmpeg's live muxer, and byte by byte here, where the layout matters."""

from __future__ import annotations

import io
import itertools
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parlance.codecs import webm
from parlance.codecs.errors import BadAudio, MissingCodec
from parlance.codecs.resample import resample

EBML, SEGMENT, INFO, CLUSTER, TRACKS = 0x1A45DFA3, 0x18538067, 0x1549A966, 0x1F43B675, 0x1654AE6B
ENDLESS = b"\x01" + b"\xff" * 7


def tone(frequency=440, seconds=0.5, rate=48000):
    return np.rint(8000 * np.sin(2 * np.pi * frequency * np.arange(int(rate * seconds)) / rate)).astype("<i2")


def packets(samples, layout="mono"):
    """(the Opus header, the packets)."""
    opus = av.CodecContext.create("libopus", "w")
    opus.sample_rate, opus.layout, opus.format = 48000, layout, "s16"
    opus.open()
    made = []
    for at in range(0, len(samples), 960):
        block = samples[at : at + 960]
        interleaved = np.repeat(block, 2) if layout == "stereo" else block
        frame = av.AudioFrame.from_ndarray(interleaved.reshape(1, -1), format="s16", layout=layout)
        frame.sample_rate, frame.pts = 48000, at
        made += [bytes(packet) for packet in opus.encode(frame)]
    made += [bytes(packet) for packet in opus.encode(None)]
    return bytes(opus.extradata), made


def element(kind, body, size=None):
    number = kind.to_bytes((kind.bit_length() + 7) // 8)
    return number + (size if size is not None else (len(body) | 1 << 28).to_bytes(4)) + body


def track(head, number=1, kind=2, codec=b"A_OPUS", more=b""):
    body = element(0xD7, bytes([number])) + element(0x83, bytes([kind])) + element(0x86, codec) + more
    return element(0xAE, body + (element(0x63A2, head) if head else b""))


def block(packet, number=1, flags=0x80):
    return bytes([0x80 | number, 0, 0, flags]) + packet


def recording(head, blocks, tracks=None):
    """What MediaRecorder writes: Segment and Cluster without a length, a SimpleBlock a packet."""
    clusters = b""
    for at in range(0, len(blocks), 10):
        inside = element(0xE7, b"\0") + b"".join(blocks[at : at + 10])
        clusters += element(CLUSTER, inside, size=b"\xff")
    return (
        element(EBML, element(0x4282, b"webm"))
        + element(SEGMENT, b"", size=ENDLESS)
        + element(INFO, element(0x4D80, b"Chrome"))
        + element(TRACKS, tracks if tracks is not None else track(head))
        + clusters
    )


@pytest.fixture(scope="module")
def opus():
    return packets(tone())


@pytest.fixture(scope="module")
def live(opus):
    head, made = opus
    return recording(head, [element(0xA3, block(packet)) for packet in made])


def samples(pcm16):
    return np.frombuffer(pcm16, "<i2").astype(float)


def resembles(got, sent):
    size = min(len(got), len(sent)) - 960
    error = got[960:size] - sent[960:size]
    return 10 * np.log10(np.mean(sent[960:size].astype(float) ** 2) / np.mean(error**2))


def test_the_tone_that_was_recorded_comes_out_at_its_time(live):
    got = samples(webm.decode(live))
    assert 24000 <= len(got) < 24000 + 960  # Opus pads the last packet
    assert resembles(got, tone()) > 25


@pytest.mark.parametrize("layout", ["mono", "stereo"])
@pytest.mark.parametrize("options", [{}, {"live": "1"}], ids=["file", "live"])
def test_what_ffmpeg_muxes_decodes_to_what_ffmpeg_decodes(layout, options):
    file = io.BytesIO()
    container = av.open(file, "w", format="webm", options=options)
    stream = container.add_stream("libopus", rate=48000)
    stream.layout = layout
    interleaved = np.repeat(tone(), 2) if layout == "stereo" else tone()
    frame = av.AudioFrame.from_ndarray(interleaved.reshape(1, -1), format="s16", layout=layout)
    frame.sample_rate = 48000
    for packet in [*stream.encode(frame), *stream.encode(None)]:
        container.mux(packet)
    container.close()
    with av.open(io.BytesIO(file.getvalue())) as again:
        oracle = np.concatenate([part.to_ndarray() for part in again.decode(audio=0)], axis=1).mean(axis=0) * 32768
    got = samples(webm.decode(file.getvalue()))
    # FFmpeg's own decoder and libopus agree to -60 dB, not to the bit.
    assert np.mean((got[: len(oracle)] - oracle) ** 2) / np.mean(oracle**2) < 1e-6
    assert 0 <= len(got) - len(oracle) < 960  # the container's trimming of the end is not looked at


def test_what_chromiums_mediarecorder_wrote_of_a_600_hz_tone_is_heard():
    """The first 0.9 s of a recording that is still going on, as `MediaRecorder.start(100)` delivered it."""
    blob = Path(__file__).with_name("mediarecorder.webm").read_bytes()
    decoder = webm.Decoder(16000)
    got = samples(b"".join(decoder.feed(blob[at : at + 3906]) for at in range(0, len(blob), 3906)) + decoder.flush())
    with av.open(io.BytesIO(blob)) as file:
        oracle = sum(part.samples for part in file.decode(audio=0))
    assert len(got) == -(-oracle // 3)
    heard = np.abs(np.fft.rfft(got[4000:12000] * np.hanning(8000)))
    assert heard.argmax() * 2 == 600
    assert np.sqrt(np.mean(got[4000:12000] ** 2)) > 1000


@given(cuts=st.lists(st.integers(0, 9000), max_size=10), rate=st.sampled_from([48000, 16000, 8000]))
@settings(max_examples=25, deadline=None)
def test_any_chunking_gives_the_same_samples(live, cuts, rate):
    decoder = webm.Decoder(rate)
    edges = [0, *sorted(min(cut, len(live)) for cut in cuts), len(live)]
    pieces = [decoder.feed(live[start:end]) for start, end in itertools.pairwise(edges)]
    assert b"".join(pieces) + decoder.flush() == webm.decode(live, rate)


def test_byte_by_byte_audio_comes_as_soon_as_its_packet_is_whole(live, opus):
    decoder = webm.Decoder()
    sizes = [len(decoder.feed(live[at : at + 1])) // 2 for at in range(len(live))]
    frames = [(at, size) for at, size in enumerate(sizes) if size]
    assert len(frames) == len(opus[1])
    assert {size for _, size in frames[1:]} == {960}
    assert frames[0][1] == 960 - 312  # without the encoder's pre-skip
    assert frames[-1][0] == len(live) - 1


def test_a_rate_is_the_resampled_recording(live):
    assert webm.decode(live, 16000) == resample(webm.decode(live), 48000, 16000)


def test_block_groups_lengths_and_other_tracks_make_no_difference(live, opus):
    head, made = opus
    blocks = []
    for packet in made:
        blocks.append(element(0xA3, block(b"video", number=2)))
        blocks.append(element(0xA0, element(0xA1, block(packet, flags=0)) + element(0x9B, b"\x14")))
    video = track(b"", number=2, kind=1, codec=b"V_VP8")
    assert webm.decode(recording(head, blocks, tracks=video + track(head))) == webm.decode(live)


def test_a_track_without_an_opus_header_is_mono_without_pre_skip(live, opus):
    _, made = opus
    bare = webm.decode(recording(b"", [element(0xA3, block(packet)) for packet in made]))
    assert samples(bare)[312:].tolist() == samples(webm.decode(live)).tolist()


def test_a_recorder_may_be_stopped_and_started_again(live):
    decoder = webm.Decoder(16000)
    assert decoder.feed(live + live) + decoder.flush() == webm.decode(live, 16000) * 2


HEAD = bytes.fromhex("4f707573486561640101380180bb0000000000")
FAULTS = {
    "not EBML": (b"RIFF....WAVE", "not a WebM stream: it does not begin with an EBML header"),
    "the first byte already": (b"\x1b", "not a WebM stream: it does not begin with an EBML header"),
    "Vorbis": (recording(b"", [], tracks=track(b"", codec=b"A_VORBIS")), "'A_VORBIS', only Opus is supported"),
    "encrypted": (recording(b"", [], tracks=track(HEAD, more=element(0x6D80, b""))), "compressed or encrypted"),
    "a header of noise": (recording(b"", [], tracks=track(b"OpusHead" + b"\xff" * 11)), "Opus header"),
    "video only": (recording(b"", [element(0xA3, block(b"x"))], tracks=b""), "has no audio track"),
    "lacing": (recording(HEAD, [element(0xA3, block(b"\x02abc", flags=0x82))]), "(lacing) are not supported"),
    "a block cut short": (recording(HEAD, [element(0xA3, b"\x81\0")]), "a block is cut short"),
    "a packet of noise": (recording(HEAD, [element(0xA3, block(b"\xff\xff\xff"))]), "packet cannot be decoded"),
    "a track cut short": (recording(b"", [], tracks=element(0xAE, b"\xd7\x84\x01")), "description is cut short"),
    "a huge element": (recording(b"", [element(0xA3, b"", size=b"\x10\x20\0\0")]), "at most 1048576 are taken"),
    "an endless block": (recording(b"", [element(0xA3, b"", size=b"\xff")]), "element 0xA3 has no length"),
    "a zero byte as an id": (recording(HEAD, [b"\0\0"]), "its place in the stream is lost"),
}


@pytest.mark.parametrize(("data", "message"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_one_line_and_the_stream_stays_refused(data, message):
    decoder = webm.Decoder()
    with pytest.raises(BadAudio) as caught:
        decoder.feed(data)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(BadAudio) as again:
        decoder.feed(b"")
    assert str(again.value) == str(caught.value)


def test_a_blob_without_audio_is_refused(live):
    with pytest.raises(BadAudio, match="holds no audio"):
        webm.decode(b"")
    with pytest.raises(BadAudio, match="holds no audio"):
        webm.decode(live[:60])


def outcome(blob):
    """The audio, or the one line of why not."""
    try:
        return webm.decode(blob)
    except BadAudio as error:
        line = str(error)
    assert line.count("\n") == 0
    return line


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_any_bytes_decode_or_are_refused(data):
    assert outcome(data)
    assert outcome(b"\x1a\x45\xdf\xa3\x80" + data)


@given(flips=st.lists(st.tuples(st.integers(0, 9000), st.integers(1, 255)), min_size=1, max_size=6))
@settings(max_examples=60, deadline=None)
def test_a_damaged_recording_decodes_or_is_refused(live, flips):
    damaged = bytearray(live)
    for at, bits in flips:
        damaged[at % len(damaged)] ^= bits
    assert outcome(bytes(damaged))


@given(head=st.binary(min_size=8, max_size=24), packet=st.binary(max_size=60))
@settings(max_examples=60, deadline=None)
def test_any_opus_header_and_packet_decode_or_are_refused(head, packet):
    for header in (b"OpusHead\x01" + head, HEAD):
        assert outcome(recording(header, [element(0xA3, block(packet))]))


def test_the_codec_of_ffmpeg_itself_serves_where_libopus_is_missing(live, monkeypatch):
    with_libopus = samples(webm.decode(live))
    monkeypatch.setattr(webm.Decoder, "_decoder", lambda self: "opus")
    assert np.abs(samples(webm.decode(live)) - with_libopus).max() <= 2


def test_without_pyav_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingCodec, match=r"WebM needs PyAV: pip install '.\[formats\]'"):
        webm.Decoder()
