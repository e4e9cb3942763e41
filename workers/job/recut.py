"""Recuts: what is asked for, and the recording that it makes.  Pure.

A recut is a recording of its own, without a recorder: the tape, and with it the time, is another's.
"""

from dataclasses import dataclass
from typing import Literal, TypeVar

from media.cut.look import Look
from media.tape.wanted import Wanted
from workers.job import naming
from workers.job.errors import BadRecut
from workers.job.spec import Canvas, Mode, RecordingSpec

Format = Literal["hls", "mp4", "webm"]
StreamMode = Literal["default", "standard", "original"]

_MOST_PIXELS = 1920 * 1080
_FORMATS = {
    Mode.MIX: ({"hls"}, {"hls", "mp4"}),
    Mode.INDIVIDUAL: ({"hls"}, {"webm"}),
}
_FORMATS_SAID = {
    Mode.MIX: "A mix is hls, or hls and mp4",
    Mode.INDIVIDUAL: "Individual recuts are hls, or webm",
}
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Recut:
    """What is asked of a recut; None: as in the recording that it is made of."""

    mode: Mode | None = None
    width: int | None = None  # pixels, of a mix
    height: int | None = None
    fps: int | None = None
    bitrate: int | None = None  # kbit/s
    look: Look | None = None  # None: also what updateLayout changed while it was taped
    audio_profile: Literal[0, 1, 2] | None = None
    audio_uids: frozenset[str] | None = None  # of those who were recorded, whom to take
    video_uids: frozenset[str] | None = None
    stream_mode: StreamMode | None = None  # of individual ones
    formats: frozenset[Format] | None = None

    def spec(self, parent: RecordingSpec, sid: str, now_ns: int) -> RecordingSpec:
        """The recording that is made; where its timeline begins is not known here.

        Raises BadRecut for what does not fit together.
        """
        mode = self.mode or parent.mode
        if mode is Mode.RAW:
            raise BadRecut("mode", "A recut is a mix or individual")
        self._check(mode)
        audio = parent.audio and self.audio_uids != frozenset()
        video = parent.video and self.video_uids != frozenset()
        if not audio and not video:
            raise BadRecut("publishers", "Nothing would be left")
        changes = {
            "sid": sid,
            "tape_of": parent.tape_sid,
            "accepted_ns": now_ns,
            "mode": mode,
            "channel_url": "",  # nobody joins
            "token": None,
            "audio": audio,
            "video": video,
            "canvas": self._canvas(parent.canvas),
            "look": parent.look if self.look is None else self.look,
            "follow": parent.follow and self.look is None,
            "only": self._only(parent.only),
            "audio_profile": _or(self.audio_profile, parent.audio_profile),
            "stream_mode": _or(self.stream_mode, parent.stream_mode),
            "mp4": mode is Mode.MIX and self._has("mp4", before=parent.mp4),
            "webm": mode is Mode.INDIVIDUAL and self._has("webm", before=parent.webm),
            "mp3": False,
            "files": True,
            "snapshot_s": 0,
        }
        return parent.model_copy(update=changes)

    def _check(self, mode: Mode) -> None:
        canvas = (self.width, self.height, self.fps, self.bitrate, self.look, self.audio_profile)
        if mode is not Mode.MIX and any(value is not None for value in canvas):
            raise BadRecut("mode", "Only a mix has a canvas, a layout and an audio profile")
        if mode is Mode.MIX and self.stream_mode is not None:
            raise BadRecut("streamMode", "Only individual recuts have one")
        if self.formats is not None and self.formats not in _FORMATS[mode]:
            raise BadRecut("avFileType", _FORMATS_SAID[mode])
        if self.formats is not None and "webm" in self.formats and self.stream_mode is not None:
            raise BadRecut("streamMode", "WebM holds what was sent")

    def _canvas(self, before: Canvas) -> Canvas:
        width, height = _or(self.width, before.width), _or(self.height, before.height)
        if width * height > _MOST_PIXELS:
            raise BadRecut("width", "width x height must not exceed 1920 x 1080")
        return Canvas(
            width=width,
            height=height,
            fps=_or(self.fps, before.fps),
            bitrate=_or(self.bitrate, before.bitrate),
        )

    def _only(self, before: Wanted) -> Wanted:
        return Wanted(
            audio_uids=_or(self.audio_uids, before.audio_uids),
            video_uids=_or(self.video_uids, before.video_uids),
        )

    def _has(self, format_: Format, *, before: bool) -> bool:
        return before if self.formats is None else format_ in self.formats


def expected(spec: RecordingSpec) -> list[str]:
    """The object keys that a recut makes; ``<uid>`` stands for each publisher's."""
    if spec.mode is Mode.MIX:
        names = [naming.playlist(naming.stem(spec, "", ""))]
        names += [naming.mp4(spec, 0)] if spec.mp4 else []
    else:
        kinds = ((spec.audio, "audio"), (spec.video, "video"))
        stems = [naming.stem(spec, "<uid>", kind) for on, kind in kinds if on]
        ending = "_<time>.webm" if spec.webm else ".m3u8"
        names = [stem + ending for stem in stems]
    names += [naming.report(spec)] if spec.quality_report else []
    return [spec.storage.prefix + name for name in names]


def _or(value: _T | None, before: _T) -> _T:
    return before if value is None else value
