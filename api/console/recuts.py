"""Recuts, as the console API writes it: documents to values and back.  Pure.

The picture's fields are those of Agora's ``transcodingConfig``, so that people can paste theirs.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field, ValidationError

from api.agora import layout, translate
from api.agora.body import Body, complaint
from api.agora.models import LayoutRequest, TranscodingConfig
from api.document import Document
from workers.job.ending import IDLE, STOPPED
from workers.job.errors import BadRecut
from workers.job.recut import Format, Recut, StreamMode, expected
from workers.job.spec import Mode, RecordingSpec
from workers.job.state import State
from workers.job.status import RecordingStatus, TapeStatus

_PICTURE: Final = "transcodingConfig"
_CANVAS: Final = ("width", "height", "fps", "bitrate")
_PROFILES: Final[tuple[Literal[0, 1, 2], ...]] = (0, 1, 2)
_MS: Final = 1_000_000  # nanoseconds
_HOW: Final[Mapping[str, str]] = {
    "": "the reason is not known any more",
    IDLE: "nobody was in the channel for maxIdleTime",
    STOPPED: "it was asked to stop",
}

PublisherUid = Annotated[str, Field(min_length=1, max_length=256)]
Publishers = Annotated[tuple[PublisherUid, ...], Field(strict=False, max_length=1000)]


class _Body(Body):
    model_config = ConfigDict(extra="forbid")


class PublisherLists(_Body):
    """Whom to take of those who were recorded; a medium without a list is taken of everybody."""

    audio: Publishers | None = None
    """Whose sound."""
    video: Publishers | None = None
    """Whose pictures."""


class RecutRequest(_Body):
    """The body of ``POST …/cuts``; what is left out stays as in the recording."""

    mode: Literal["mix", "individual"] | None = None
    """One picture and sound of everybody, or files of each publisher."""
    transcoding_config: TranscodingConfig | None = None
    """Width, height, fps and bitrate count one by one, the fields of the layout together."""
    audio_profile: Annotated[int, Field(ge=0, le=2)] | None = None
    """Of a mix: 0: mono, 48 kbit/s, 1: mono, 128 kbit/s, 2: stereo, 192 kbit/s."""
    stream_mode: StreamMode | None = None
    """Of individual ones: `standard` adds one merged playlist per publisher, `original` keeps sound
    as it was sent.
    """
    publishers: PublisherLists = PublisherLists()
    """A medium without a list is taken of everybody; an empty list means nobody."""
    av_file_type: (
        Annotated[tuple[Format, ...], Field(strict=False, min_length=1, max_length=3)] | None
    ) = None
    """A mix: `hls`, or `hls` and `mp4`; individual: `hls`, or `webm`."""


def read(document: Document) -> Recut:
    """What a body asks for.  Raises BadRecut and InvalidField."""
    try:
        request = RecutRequest.model_validate(document)
    except ValidationError as exc:
        raise BadRecut(*complaint(exc)) from None
    lists, profile = request.publishers, request.audio_profile
    return Recut(
        mode=None if request.mode is None else Mode(request.mode),
        audio_profile=None if profile is None else _PROFILES[profile],
        audio_uids=_set(lists.audio),
        video_uids=_set(lists.video),
        stream_mode=request.stream_mode,
        formats=_set(request.av_file_type),
        **_picture(request.transcoding_config),
    )


def _set(values: tuple[Any, ...] | None) -> Any:
    return None if values is None else frozenset(values)


def _picture(config: TranscodingConfig | None) -> dict[str, Any]:
    """The canvas field by field; the look as a whole, as updateLayout has it."""
    if config is None:
        return {}
    canvas = translate.canvas(config, f"{_PICTURE}.")
    given: dict[str, Any] = {
        name: getattr(canvas, name) for name in _CANVAS if name in config.model_fields_set
    }
    if config.model_fields_set & LayoutRequest.model_fields.keys():
        given["look"] = layout.look(config, f"{_PICTURE}.")
    return given


def accepted(spec: RecordingSpec) -> Document:
    """The answer to ``POST …/cuts``."""
    return {
        "sid": spec.sid,
        "cut_of": spec.tape_of,
        "mode": spec.mode.value,
        "from_ms": spec.tape_from_ns // _MS,
        "files": expected(spec),
    }


def recording(status: RecordingStatus, tape: TapeStatus) -> Document:
    """The answer to ``GET /recordings/<sid>``."""
    return {
        "sid": status.sid,
        "state": status.state.value,
        "mode": status.mode.value,
        "cname": status.cname,
        "uid": status.uid,
        "from_ms": status.slice_start_ms,
        "no_data": status.no_data,
        "reason": status.reason or None,
        "end": _end(status),
        "accepted_ms": status.accepted_ns // _MS,
        "stop_asked_ms": status.stop_ns // _MS or None,
        "until_ms": status.end_ns // _MS or None,
        "delivered_ms": status.delivered_ns // _MS or None,
        "files": [translate.file(entry) for entry in status.files],
        "cut_of": status.tape_of or None,
        "cuts": [sid for sid in tape.recuts if sid != status.sid],
        "tape": {
            "from_ms": tape.from_ns // _MS or None,
            "kept_until_ms": tape.until_ns // _MS or None,
        },
    }


def _end(status: RecordingStatus) -> Document | None:
    """How a recording ended, once it has."""
    if status.exit_status is None:
        return None
    return {
        "how": _how(status),
        "exit_status": status.exit_status,
        "uploading_status": "uploaded" if status.state is State.ENDED else "unknown",
    }


def _how(status: RecordingStatus) -> str:
    """In words; reasons that are not among ours are words already."""
    if status.state is State.FAILED:
        return f"nothing could be delivered: {status.reason or 'the reason is not known'}"
    how = _HOW.get(status.reason, status.reason)
    return f"{how}; nobody published anything" if status.no_data else how
