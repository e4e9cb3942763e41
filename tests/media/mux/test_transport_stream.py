import av
import numpy as np
import pytest

from media.cut import aac, opus
from media.mux import adts, opus_ts
from media.mux.mpegts import START_TICKS, TransportStream, TsPacket, ticks
from media.mux.output import complete
from media.tape.model import NS, Source
from tests.media.cut.look import packets
from tests.media.cut.scene import OPUS, ORIGIN_NS, tone, track

MIC = track("1", Source.MICROPHONE, OPUS)


def _write(path, packets_, channels):
    with TransportStream(path, timed_audio=True) as stream:
        index = stream.add_opus(channels)
        for at_ns, data in packets_:
            time = ticks(at_ns, ORIGIN_NS)
            stream.write(TsPacket(index, time, opus_ts.unit(data)))


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("ms", [2.5, 5, 10, 20, 40, 60])
def test_opus_packets_come_back_byte_for_byte_with_their_times(tmp_path, ms, channels):
    frames = tone(MIC, 440, start_ns=ORIGIN_NS, seconds=1.2, ms=ms, channels=channels)
    half = len(frames) // 2
    sent = [(f.time_ns + (5 * NS if i >= half else 0), f.data) for i, f in enumerate(frames)]
    path = tmp_path / "a.ts"
    _write(path, sent, channels)
    got = packets(path)
    assert [data for _, data in got] == [data for _, data in sent]
    wanted = [(at - ORIGIN_NS) / NS for at, _ in sent]
    assert [time for time, _ in got] == pytest.approx(wanted, abs=2 / 90_000)


def test_the_shortest_silent_opus_packets_survive_too(tmp_path):
    frames = tone(MIC, 440, start_ns=ORIGIN_NS, seconds=0.2)
    sent = [(frame.time_ns, frame.data) for frame in frames]
    sent[3] = (sent[3][0], sent[3][1][:1])
    sent[6] = (sent[6][0], sent[6][1][:2])
    assert opus.samples(sent[3][1]) == 960
    path = tmp_path / "a.ts"
    _write(path, sent, 1)
    assert [data for _, data in packets(path)] == [data for _, data in sent]


def test_aac_costs_little_more_than_its_bits_and_every_frame_keeps_its_time(tmp_path):
    span = aac.Span(704, 1408)
    noise = np.random.default_rng(1).normal(0, 0.1, (1, span.samples)).astype(np.float32)
    sent = [adts.frame(payload, 1) for payload in aac.encode(noise, span, aac.PROFILES[0])]
    path = tmp_path / "a.ts"
    with TransportStream(path) as stream:
        index = stream.add_aac()
        for i, frame in enumerate(sent):
            stream.write(TsPacket(index, aac.frame_ticks(span.first + i), frame))
    got = packets(path)
    assert [data for _, data in got] == sent
    wanted = [(span.first + i) * aac.FRAME / opus.RATE for i in range(len(sent))]
    assert [time for time, _ in got] == pytest.approx(wanted, abs=1e-9)
    assert path.stat().st_size < 1.15 * sum(map(len, sent))


@pytest.mark.parametrize("frames", range(1, 25))
def test_however_short_it_is_players_see_what_it_is(tmp_path, frames):
    span = aac.Span(0, frames)
    silence = np.zeros((1, span.samples), np.float32)
    sent = [adts.frame(payload, 1) for payload in aac.encode(silence, span, aac.PROFILES[0])]
    path = tmp_path / "no-extension-tells"
    with TransportStream(path) as stream:
        index = stream.add_aac()
        for i, frame in enumerate(sent):
            stream.write(TsPacket(index, aac.frame_ticks(i), frame))
    with av.open(str(path)) as file:
        assert file.format.name == "mpegts"
        assert [bytes(packet) for packet in file.demux() if packet.size] == sent


def test_a_recording_starts_at_ten_seconds():
    assert ticks(ORIGIN_NS, ORIGIN_NS) == START_TICKS == 900_000


def test_a_file_has_its_name_only_when_it_is_complete(tmp_path):
    path = tmp_path / "deep" / "a.ts"
    with complete(path) as part:
        part.write_bytes(b"1")
        assert not path.exists()
    assert path.read_bytes() == b"1"


def test_a_failure_leaves_no_file_behind(tmp_path):
    def fail():
        with complete(tmp_path / "a.ts") as part:
            part.write_bytes(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(tmp_path.iterdir()) == []
