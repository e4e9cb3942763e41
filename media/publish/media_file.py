"""A media file as a source: copied where it fits, else transcoded once, and played for ever."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from math import ceil
from pathlib import Path

import av
import structlog
from av.container import InputContainer

from media.errors import FarmError
from media.publish.encoders import AUDIO_RATE, OPUS_SAMPLES
from media.publish.inspect_file import inspect
from media.publish.lanes import AudioLane, CopiedAudio, CopiedVideo, Lane, VideoLane
from media.publish.sources import CLOCK_RATES, CONSTRAINED_BASELINE, Unit
from media.tape.model import Kind

_log = structlog.get_logger(__name__)

_CACHE_BYTES = 64 << 20
_STEP_S = 0.1
_PACKET_S = OPUS_SAMPLES / AUDIO_RATE


class UnreadableMedia(FarmError):
    """The file cannot be opened, or holds nothing that can be published."""


class FileSource:
    """Plays a file again and again, with RTP time going on from one round to the next.

    What had to be transcoded is kept and replayed while it fits into a bounded cache; a longer
    file is transcoded again in each round.  Key frames come where the file has them (copied) or
    each second (transcoded), never on demand.
    """

    def __init__(
        self,
        path: Path,
        *,
        video: str | None,
        audio: bool,
        size: tuple[int, int] | None = None,
        bitrate: int | None = None,
    ) -> None:
        """``video``: a codec as in options.Video, ``"auto"`` (the file's own), or None."""
        self._path = path
        with _our_errors(path):
            self._facts = inspect(path)
        self.video = self._choose(video)
        self._audio = audio and self._facts.audio_codec is not None
        self._size, self._bitrate = size, bitrate
        self.audio = "opus"
        self.channels = 2 if self._facts.channels > 1 else 1
        wanted = ((Kind.VIDEO, self.video is not None), (Kind.AUDIO, self._audio))
        copied = self._copies_video()
        self.profile_level_id = self._facts.profile_level_id if copied else CONSTRAINED_BASELINE
        self.kinds = frozenset(kind for kind, there in wanted if there)
        if not self.kinds:
            raise UnreadableMedia(f"{path} holds nothing to publish")
        self._kept: list[Unit] | None = None
        self._units = self._rounds()

    @property
    def copies(self) -> frozenset[Kind]:
        """What goes out byte for byte as it stands in the file."""
        lanes = ((Kind.VIDEO, self._copies_video()), (Kind.AUDIO, self._facts.opus_20_ms))
        return self.kinds & frozenset(kind for kind, copied in lanes if copied)

    def step(self, *, keyframe: bool) -> list[Unit]:
        """The next 100 ms or so; ``keyframe`` cannot be granted."""
        del keyframe
        units: list[Unit] = []
        with _our_errors(self._path):
            while not units or units[-1].time_s < units[0].time_s + _STEP_S:
                units.append(next(self._units))
        return units

    def close(self) -> None:
        """Close the file."""
        self._units.close()

    def _choose(self, video: str | None) -> str | None:
        if video != "auto":
            return video if self._facts.video_codec is not None else None
        if self._facts.video_codec is None:
            return None
        return self._facts.video_codec if self._facts.video_fits else "vp8"

    def _copies_video(self) -> bool:
        return (
            self._facts.video_fits
            and self._size is None
            and (self.video == self._facts.video_codec)
        )

    def _rounds(self) -> Generator[Unit, None, None]:
        begin_s = 0.0
        while True:
            end_s = 0.0
            for unit in self._kept or self._round():
                lasts_s = _PACKET_S if unit.kind is Kind.AUDIO else self._facts.frame_s
                end_s = max(end_s, unit.time_s + lasts_s)
                yield _later(unit, begin_s)
            if end_s == 0:
                raise UnreadableMedia(f"{self._path} has tracks, but nothing in them")
            # The next round begins on the grid of sound packets, so that they just go on.
            begin_s += ceil(end_s / _PACKET_S - 0.1) * _PACKET_S

    def _round(self) -> Iterator[Unit]:
        kept: list[Unit] | None = [] if self.copies != self.kinds else None
        room = _CACHE_BYTES
        with av.open(str(self._path)) as container:
            for unit in self._play(container):
                room -= len(unit.data)
                if kept is not None and room < 0:
                    _log.warning("the file is too long to be kept; each round is encoded anew")
                    kept = None
                if kept is not None:
                    kept.append(unit)
                yield unit
        self._kept = kept

    def _play(self, container: InputContainer) -> Iterator[Unit]:
        lanes = {lane.stream.index: lane for lane in self._lanes(container)}
        for packet in container.demux([lane.stream for lane in lanes.values()]):
            yield from lanes[packet.stream.index].feed(packet)

    def _lanes(self, container: InputContainer) -> Iterator[Lane]:
        facts = self._facts
        if self.video is not None:
            stream = container.streams.video[0]
            if self._copies_video():
                yield CopiedVideo(stream, facts.start_s)
            else:
                yield VideoLane(
                    stream,
                    facts.start_s,
                    codec=self.video,
                    size=self._size,
                    bitrate=self._bitrate,
                )
        if self._audio:
            sound = container.streams.audio[0]
            if facts.opus_20_ms:
                yield CopiedAudio(sound, facts.start_s)
            else:
                yield AudioLane(sound, facts.start_s, channels=self.channels)


def _later(unit: Unit, by_s: float) -> Unit:
    return replace(unit, time=unit.time + round(by_s * CLOCK_RATES[unit.kind]))


@contextmanager
def _our_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (av.FFmpegError, OSError) as exc:
        raise UnreadableMedia(f"{path}: {exc}") from exc
