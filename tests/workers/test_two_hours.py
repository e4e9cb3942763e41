"""A mix that lasts longer than one MP4 may: two files in a real bucket, and what they show.

Slices are really cut of a tape.  Two hours are made of two minutes of it (media/bench/long_mix.py),
but for the last two slices before the seam and the two behind it, which are cut of their own tape.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest
from pydantic import SecretStr

from media.bench.film import length_s
from media.bench.long_mix import PERIOD, SLICE_S, LongMix, Made
from media.cut.composite import cut_composite
from media.cut.look import Look
from media.cut.model import CompositeSpec, CutResult, Slice
from media.tape.model import NS, EventType, Source, TapeEvent
from tests.media.cut.long_take import wander
from tests.media.cut.look import Shot
from tests.media.cut.scene import H264, OPUS, ORIGIN_NS, RED, pictures, presence, tone, track
from tests.media.cut.tapes import on_tape
from tests.media.mux.box_reader import boxes
from tests.workers.buckets import BUCKET, S3Server
from tests.workers.grown import FARM_KEY
from workers.apps import Apps
from workers.bench.past import put
from workers.callbacks.outbox import Outbox
from workers.job.sealed import seal
from workers.job.spec import RecordingSpec
from workers.job.state import State
from workers.metrics.metrics import Metrics
from workers.settings import App
from workers.spool.spool import Closed, Delivery, Spool
from workers.store.store import Store
from workers.uploader.uploader import Uploader

pytestmark = [pytest.mark.server, pytest.mark.timeout(240)]
Make = Callable[..., RecordingSpec]
Deliver = Callable[[int], list[Path]]
SID = "0" * 32
FPS, SIZE, HZ, RATE = 5, (160, 90), 500, 48_000
SPEC = CompositeSpec(*SIZE, FPS, 60, look=Look(1), mp4=True)
FULL = 7200 // SLICE_S  # slices of a file
OWN = range(FULL - 2, FULL + 2)  # slices that are cut of their own tape
APPS = (App(app_id="app", customer_key="k", customer_secret=SecretStr("s")),)
HOP = 1024  # samples


@dataclass(frozen=True)
class Media:
    """Slices of a mix, whatever their number."""

    loop: LongMix
    own: dict[int, Made]

    def slice(self, number: int) -> Made:
        return self.own.get(number) or self.loop.slice(number, ORIGIN_NS)


def number_at(tick: int) -> int:
    """What a picture of the recording shows: they are counted from a second before each tape."""
    number, into = divmod(tick, SLICE_S * FPS)
    began = OWN.start if number in OWN else number // PERIOD * PERIOD
    return (number - began) * SLICE_S * FPS + into + FPS


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Media:
    out = tmp_path_factory.mktemp("cut")
    own = {
        number: (cut.segments[0], cut.pieces[0])
        for number, cut in zip(OWN, _cuts(OWN, out), strict=True)
    }
    return Media(LongMix(_cuts(range(PERIOD), out), out), own)


def _cuts(numbers: range, out: Path) -> list[CutResult]:
    """Consecutive slices of a recording whose tape has nothing before the first of them."""
    camera, microphone = track("1", Source.CAMERA, H264), track("1", Source.MICROPHONE, OPUS)
    begin_ns = ORIGIN_NS + numbers.start * SLICE_S * NS - NS
    how = {"start_ns": begin_ns, "seconds": len(numbers) * SLICE_S + 3}
    media = [pictures(camera, RED, fps=FPS, size=SIZE, **how), tone(microphone, HZ, **how)]
    heard = TapeEvent(EventType.TRACK_ADDED, begin_ns + 2, track=microphone.id)
    folder = out / f"tape-{numbers.start}"
    tape = on_tape(folder, media, [*presence(camera, begin_ns), heard])
    (out / str(numbers.start)).mkdir()
    begins = [ORIGIN_NS + number * SLICE_S * NS for number in numbers]
    return [
        cut_composite(
            tape,
            SPEC,
            origin_ns=ORIGIN_NS,
            slice=Slice(number, at_ns, at_ns + SLICE_S * NS),
            out_dir=out / str(numbers.start),
        )
        for number, at_ns in zip(numbers, begins, strict=True)
    ]


@pytest.fixture
def deliver(
    s3: S3Server, store: Store, make_spec: Make, media: Media, tmp_path: Path
) -> Callable[[int], list[Path]]:
    """Have the farm deliver a recording of so many slices; gives its MP4 files."""
    spool = Spool(tmp_path / "spool")
    spec = make_spec(SID, storage=s3.storage, mp4=True, accepted_ns=ORIGIN_NS, quality_report=False)

    def run(slices: int) -> list[Path]:
        folder = spool.folder(SID)
        folder.make(seal(spec, FARM_KEY))
        store.heartbeat("recorder-a", 1, ttl_s=600)
        store.start(spec, "nonce")
        claim = store.claim(SID, "recorder-a", 600)
        assert claim is not None
        uploader = Uploader(store, spool, Outbox(store.client, Apps(APPS)), Metrics())
        for number in range(slices):
            made = media.slice(number)
            put(folder, spec, number, made, final=number == slices - 1)
            (name,) = (one.name for one in folder.unit(number).segments)
            folder.deliver(name, Delivery(size=1, etag="e"))  # what is looked at is the MP4
            if number % 40 == 0:
                uploader.upload(SID, "")
        end_ns = ORIGIN_NS + slices * SLICE_S * NS
        folder.close(Closed(origin_ns=ORIGIN_NS, end_ns=end_ns, units=slices, reason="stopped"))
        fields = {"origin_ns": ORIGIN_NS, "end_ns": end_ns, "units_sealed": slices}
        store.tape_closed(claim, spec, **fields)
        uploader.upload(SID, "")
        row = store.row(SID)
        assert row is not None
        assert row.state is State.ENDED
        names = [name for name in s3.names() if name.endswith(".mp4")]
        assert names == [f"a/b/{SID}_room-7_{n}.mp4" for n in range(len(names))]
        return [s3.folder / BUCKET / name for name in names]

    return run


def test_two_hours_and_a_half_minute(deliver: Deliver, media: Media) -> None:
    films = deliver(FULL + 2)
    _assert_rotated(films, media, [range(FULL), range(FULL, FULL + 2)])


def test_two_gigabytes(deliver: Deliver, media: Media, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same bound, lowered: a file holds 13 slices of the 20."""
    most = sum(media.slice(number)[1].bytes for number in range(13))
    monkeypatch.setattr("media.mux.file_numbers.LARGEST", 10_000_000 + most)
    _assert_rotated(deliver(20), media, [range(13), range(13, 20)])


def _assert_rotated(films: Sequence[Path], media: Media, slices: Sequence[range]) -> None:
    assert len(films) == len(slices)
    for film, numbers in zip(films, slices, strict=True):
        begin = film.read_bytes()
        assert [name for name, _, _ in boxes(begin)] == [b"ftyp", b"moov", b"mdat"]
        segments = [media.slice(number)[0] for number in numbers]
        listed_s = sum(segment.duration_s for segment in segments)
        assert length_s(begin) == pytest.approx(listed_s, abs=1 / FPS)
        assert length_s(begin) == pytest.approx(
            _span(segments[-1].path)[1] - _span(segments[0].path)[0], abs=1 / FPS
        )
        assert _span(film) == pytest.approx((0, length_s(begin)), abs=1 / FPS)
        _assert_shows(film, numbers)
    _assert_sounds_on(*films)


def _span(path: Path) -> tuple[float, float]:
    """When the first of its samples begins and the last one ends, seconds."""
    lasts_s = {"video": 1 / FPS, "audio": HOP / RATE}
    with av.open(str(path)) as file:
        samples = [
            (float(packet.pts * packet.time_base), lasts_s[packet.stream.type])
            for packet in file.demux()
            if packet.size
        ]
    return min(at_s for at_s, _ in samples), max(at_s + long_s for at_s, long_s in samples)


def _assert_shows(film: Path, numbers: range) -> None:
    """At its beginning, in the middle, at its end."""
    first, count = numbers.start * SLICE_S * FPS, len(numbers) * SLICE_S * FPS
    for tick in (0, count // 2 + 7, count - 3 * FPS):
        seen = list(islice(_shots(film, tick / FPS), 3 * FPS))
        assert [round(shot.time_s * FPS) for shot in seen] == list(range(tick, tick + 3 * FPS))
        shown = [shot.number(0, 0, *SIZE, SIZE) for shot in seen]
        assert shown == [number_at(first + tick + n) for n in range(3 * FPS)]
        assert _level(film, tick / FPS) == pytest.approx(0.25, abs=0.02)


def _shots(film: Path, from_s: float) -> Iterator[Shot]:
    with av.open(str(film)) as file:
        file.seek(round(from_s * av.time_base))
        for frame in file.decode(video=0):
            if frame.time > from_s - 0.5 / FPS:
                y = frame.to_ndarray(format="yuv420p")[: frame.height]
                yield Shot(frame.time, y, y, y)


def _level(film: Path, from_s: float) -> float:
    """The amplitude of the tone in a second."""
    with av.open(str(film)) as file:
        file.seek(round(from_s * av.time_base))
        blocks = [block.to_ndarray()[0] for block in islice(file.decode(audio=0), 2 * RATE // HOP)]
    pcm = np.concatenate(blocks)[RATE // 2 : RATE // 2 + RATE]  # after a decoder's first frames
    return float(2 * abs(np.mean(pcm * np.exp(-2j * np.pi * HZ * np.arange(len(pcm)) / RATE))))


def _assert_sounds_on(before: Path, after: Path) -> None:
    """The tone goes on from one file to the other, as one decoder hears it."""
    with av.open(str(before)) as one, av.open(str(after)) as other:
        decoder = av.CodecContext.create("aac", "r")
        decoder.extradata = one.streams.audio[0].codec_context.extradata
        one.seek(round((length_s(before.read_bytes()) - 4) * av.time_base))
        packets = [*_packets(one, "audio"), *islice(_packets(other, "audio"), 4 * RATE // HOP)]
        heard = [frame.to_ndarray()[0] for packet in packets for frame in decoder.decode(packet)]
    pcm = np.concatenate(heard)
    assert len(pcm) / RATE > 7
    moved = wander(pcm, HZ)[4:-2]
    assert np.abs(moved).max() < 1  # samples, from each 1024 to the next
    assert np.abs(pcm).reshape(-1, HOP).max(axis=1)[4:].min() > 0.2


def _packets(file: av.container.InputContainer, kind: str) -> Iterator[av.Packet]:
    stream = next(stream for stream in file.streams if stream.type == kind)
    return (packet for packet in file.demux(stream) if packet.size)
