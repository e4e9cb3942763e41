"""The merged playlist in Chromium through what real cameras do: they change their size."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from media.cut.model import IndividualSpec, Segment
from media.judge import decode
from media.tape.model import NS, EventType, Frame, Source, TapeEvent
from media.tape.reader import Tape
from tests.browser import chromium
from tests.e2e import player
from tests.media.cut.patterns import pattern
from tests.media.cut.scene import H264, OPUS, ORIGIN_NS, moved, presence, tone, track
from tests.media.cut.tapes import on_tape
from tests.media.cut.units import cut_apart
from workers.job import naming
from workers.spool.spool import SegmentFile, Unit
from workers.uploader import playlists

pytestmark = [pytest.mark.e2e, pytest.mark.alone]

MIC, CAM = track("7", Source.MICROPHONE, OPUS), track("7", Source.CAMERA, H264)
STEM = "s_c__uid_s_7__uid_e_"
LENGTH_S = 24


class Shelf:
    """What a bucket is to the player."""

    def __init__(self, segments: list[Segment]) -> None:
        self._files: dict[str, bytes] = {}
        rows = tuple(self._put(segment) for segment in segments)
        unit = Unit(
            number=0,
            start_ns=ORIGIN_NS,
            end_ns=ORIGIN_NS + LENGTH_S * NS,
            final=True,
            segments=rows,
            cursor={},
            keep_from_ns=0,
        )
        self.lines = {line.name: line for line in playlists.lines([unit], lambda _: True)}
        for line in self.lines.values():
            self._files[line.name] = playlists.text(line).encode()

    def _put(self, made: Segment) -> SegmentFile:
        name = naming.segment(STEM + made.kind, made.start_ns, made.container)
        self._files[name] = made.path.read_bytes()
        fields = ("uid", "kind", "container", "codec", "start_ns", "duration_s", "discontinuity")
        fields += ("resumed", "width", "height", "rotation", "turns", "profile")
        return SegmentFile(
            name=name,
            playlist=f"{STEM}{made.kind}.m3u8",
            source=made.source.value if made.source else None,
            bytes=len(self._files[name]),
            merged=f"{STEM}av.m3u8",
            **{field: getattr(made, field) for field in fields},
        )

    def get(self, key: str) -> bytes:
        return self._files[key]

    def content_type(self, key: str) -> str:
        return naming.content_type(key)


def sizes(*changes: tuple[float, tuple[int, int]]) -> list[Frame]:
    """A camera that changes its size at these times."""
    frames: list[Frame] = []
    ends = [at_s for at_s, _ in changes[1:]] + [float(LENGTH_S)]
    for (at_s, size), end_s in zip(changes, ends, strict=True):
        made = pattern(
            CAM,
            start_ns=ORIGIN_NS + round(at_s * NS),
            seconds=end_s - at_s,
            size=size,
            first=len(frames),
        )
        frames += [moved([f], rtp_time=f.rtp_time + round(at_s * 90_000))[0] for f in made]
    return frames


def on_air(folder: Path, video: list[Frame], *events: TapeEvent) -> Tape:
    heard = tone(MIC, 500, start_ns=ORIGIN_NS, seconds=LENGTH_S)
    added = TapeEvent(EventType.TRACK_ADDED, ORIGIN_NS, track=MIC.id)
    return on_tape(folder, [video, heard], [*presence(CAM, ORIGIN_NS), added, *events])


def play(shelf: Shelf, path: str) -> player.Played:
    async def test() -> player.Played:
        async with chromium(path) as context:
            return await player.play(context, shelf, f"{STEM}av.m3u8", LENGTH_S)

    return asyncio.run(asyncio.wait_for(test(), 120))


def test_sound_stays_in_step_with_a_picture_that_changes_its_size(
    tmp_path: Path, need: Callable[[str], str]
) -> None:
    video = sizes((0.0, (320, 180)), (3.0, (640, 360)), (8.0, (480, 270)))
    tape = on_air(tmp_path / "t", video)
    segments = cut_apart(tape, tmp_path / "o", LENGTH_S, IndividualSpec("standard"))
    shelf = Shelf(segments)
    texts = {name: shelf.get(name).decode() for name in shelf.lines}
    assert texts[f"{STEM}video.m3u8"].count("#EXT-X-DISCONTINUITY\n") == 3
    assert texts[f"{STEM}audio.m3u8"].count("#EXT-X-DISCONTINUITY\n") == 1
    assert "RESOLUTION=640x360" in texts[f"{STEM}av.m3u8"]
    played = play(shelf, need("chromium"))
    print(played)
    assert played.ended
    assert not any(error["fatal"] for error in played.errors)
    assert played.at_s >= LENGTH_S - 0.3
    shifts = _shifts(shelf, played)
    assert {medium for medium, _ in shifts} == {"main", "audio"}
    assert max(shifts.values()) - min(shifts.values()) <= 0.03


def _shifts(shelf: Shelf, played: player.Played) -> dict[tuple[str, int], float]:
    """Where hls.js put each segment, against the time that the segment itself has."""
    shifts = {}
    for medium, number, at_s in played.placed:
        kind = "video" if medium == "main" else "audio"
        row = shelf.lines[f"{STEM}{kind}.m3u8"].segments[number]
        shifts[medium, number] = decode.packets(shelf.get(row.name), kind)[0][0] - at_s
    return shifts
