"""Sound as MP3, slice by slice."""

import numpy as np
import pytest

from media.cut import mp3
from media.cut.aac import Span
from media.cut.model import IndividualSpec
from media.cut.mp3_cut import cut_mp3
from media.judge import decode
from media.mux import file_numbers
from media.tape.model import NS, EventType, Source, TapeEvent
from tests.media.cut.scene import OPUS, ORIGIN_NS, moved, presence, tone, track
from tests.media.cut.tapes import on_tape
from tests.media.cut.units import by_units

MIC = track("1", Source.MICROPHONE, OPUS)
SPEC = IndividualSpec(video=False)


def cut(tape, out, end_s, *, units=15.0):
    """All pieces of MIC; what is done goes from the tape."""
    results = by_units(cut_mp3, tape, out, end_s, SPEC, units=units, trim=True)
    assert not any(made.segments for made in results)
    return [piece for made in results for piece in made.pieces]


def file(pieces):
    return b"".join(piece.payload.read_bytes() for piece in pieces)


def loudness(sound, begin_s, end_s):
    part = sound.samples[int(begin_s * decode.RATE) : int(end_s * decode.RATE)]
    return float(np.sqrt((part**2).mean()))


def test_frames_encoded_apart_are_those_encoded_together():
    times = np.arange(decode.RATE * 3)
    sent = (0.4 * np.sin(2 * np.pi * 440 * times / decode.RATE)).astype(np.float32)

    def encoded(first, last):
        begin, count = mp3.window(Span(first, last))
        at = np.arange(begin, begin + count)
        good = (at >= 0) & (at < len(sent))
        pcm = np.zeros((1, count), np.float32)
        pcm[0, good] = sent[at[good]]
        return mp3.encode(pcm, Span(first, last))

    assert encoded(0, 40) + encoded(40, 41) + encoded(41, 100) == encoded(0, 100)
    heard = decode.sound(b"".join(encoded(0, 100))).samples
    lags = [
        np.corrcoef(heard[9600 + lag : 57_600 + lag], sent[9600:57_600])[0, 1] for lag in range(60)
    ]
    assert int(np.argmax(lags)) == 0  # nothing is late


@pytest.mark.parametrize("units", [15.0, 4.0])
def test_slices_are_one_stream_without_a_seam(tmp_path, units):
    heard = tone(MIC, 500, start_ns=ORIGIN_NS + NS // 3, seconds=40)
    tape = on_tape(tmp_path / "t", [heard], presence(MIC, ORIGIN_NS))
    pieces = cut(tape, tmp_path, 41, units=units)
    assert {(p.kind, p.codec, p.media, p.uid) for p in pieces} == {("mp3", "mp3", "audio", "1")}
    assert pieces[0].start_ns == pytest.approx(ORIGIN_NS + NS // 3, abs=25_000_000)
    data = file(pieces)
    assert decode.codecs(data)["audio"].startswith("mp3")
    sound = decode.sound(data)
    assert sound.end_s == pytest.approx(40, abs=0.05)
    window = np.hanning(4800)
    for at in range(4800, len(sound.samples) - 9600, 2400):
        spectrum = np.abs(np.fft.rfft(sound.samples[at : at + 4800] * window)) ** 2
        assert spectrum[45:56].sum() > 0.999 * spectrum.sum()


def test_gaps_are_silence_of_their_length(tmp_path):
    first = tone(MIC, 500, start_ns=ORIGIN_NS, seconds=5)
    again = tone(MIC, 500, start_ns=ORIGIN_NS + 32 * NS, seconds=5)
    again = [moved([f], rtp_time=f.rtp_time + 32 * 48_000)[0] for f in again]
    mute = [
        TapeEvent(kind, ORIGIN_NS + at * NS, uid="1", source=Source.MICROPHONE)
        for kind, at in ((EventType.MUTED, 5), (EventType.UNMUTED, 32))
    ]
    tape = on_tape(tmp_path / "t", [[*first, *again]], [*presence(MIC, ORIGIN_NS), *mute])
    sound = decode.sound(file(cut(tape, tmp_path, 45)))
    assert sound.end_s == pytest.approx(37, abs=0.05)
    loud = loudness(sound, 1, 4)
    assert loudness(sound, 33, 36) == pytest.approx(loud, rel=0.01)
    assert loudness(sound, 5.3, 31.9) < loud / 1000
    assert loudness(sound, 32.1, 32.5) > loud / 2


def test_the_same_cut_twice_gives_the_same_bytes(tmp_path):
    heard = tone(MIC, 500, start_ns=ORIGIN_NS, seconds=20)
    made = []
    for name in "ab":
        tape = on_tape(tmp_path / name, [heard], presence(MIC, ORIGIN_NS))
        out = tmp_path / f"o{name}"
        out.mkdir()
        pieces = cut(tape, out, 20)
        made.append([(p.payload.read_bytes(), p.index.read_bytes()) for p in pieces])
    assert made[0] == made[1]


def test_a_very_long_gap_begins_another_file(tmp_path, monkeypatch):
    monkeypatch.setattr("media.cut.mp3_cut._MOST_FRAMES", 10 * decode.RATE // mp3.FRAME)
    monkeypatch.setattr(file_numbers, "LONGEST_NS", 10 * NS)
    first = tone(MIC, 500, start_ns=ORIGIN_NS, seconds=5)
    again = tone(MIC, 500, start_ns=ORIGIN_NS + 32 * NS, seconds=5)
    again = [moved([f], rtp_time=f.rtp_time + 32 * 48_000)[0] for f in again]
    tape = on_tape(tmp_path / "t", [[*first, *again]], presence(MIC, ORIGIN_NS))
    pieces = cut(tape, tmp_path, 45)
    assert list(file_numbers.files(pieces)) == [0, 1]
    assert decode.sound(file(pieces[1:])).end_s == pytest.approx(5, abs=0.05)
