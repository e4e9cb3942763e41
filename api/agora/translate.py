"""Agora's documents to the farm's values and back.  Pure: no clock, no network, no state."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar

from pydantic import ValidationError

from api.agora import layout, snapshots, subscription
from api.agora.errors import ChannelNameInvalid, InvalidField, NotAvailable
from api.agora.models import (
    AcquireRequest,
    Body,
    Envelope,
    LayoutRequest,
    RecordingConfig,
    StartRequest,
    StopRequest,
    StreamSubscribe,
    TranscodingConfig,
    UpdateRequest,
)
from api.agora.storage import to_storage
from api.document import Document
from media.cut.look import Look
from workers.job.spec import Canvas, Limits, Mode, RecordingSpec, Subscription
from workers.job.state import State
from workers.job.status import FileEntry, RecordingStatus, StopOutcome

Any_ = TypeVar("Any_", bound=Body)

_CHANNEL: Final = re.compile(r"[a-zA-Z0-9 !#$%&()+\-:;<=.>?@\[\]^_{}|~,]+")
_SID: Final = re.compile(r"[0-9a-f]{32}")
_CHANNEL_BYTES: Final = 63
_LABEL_BYTES: Final = 1024
_WEB_SCENE, _POSTPONED_SCENE = 1, 2
_MODES: Final = ("individual", "mix", "web", "raw")
_FPS: Final = frozenset({1, 7, 10, 15, 24, 30, 60})
_FULL_HD: Final = 1920 * 1080
_CANVAS: Final = "recordingConfig.transcodingConfig."
_QUERY_STATUS: Mapping[State, int] = {  # §4.2
    State.QUEUED: 1,
    State.JOINING: 2,
    State.RECORDING: 4,
    State.STOPPING: 6,
    State.DELIVERING: 6,
    State.ENDED: 8,
    State.FAILED: 20,
}
_FILES_SEEN: Final = 5


@dataclass(frozen=True, slots=True)
class Ticket:
    """What start knows beside its body."""

    sid: str
    app_id: str
    mode: Mode
    channel_url: str
    quality_report: bool
    now_ns: int


def envelope(document: Document, *, web: bool = False) -> Envelope:
    """The outer shape.  Raises InvalidField and ChannelNameInvalid."""
    outer = _parse(Envelope, document)
    _check_channel(outer.cname, web=web)
    return outer


def acquire_request(document: Document) -> tuple[Envelope, AcquireRequest]:
    """The body of acquire."""
    client = document.get("clientRequest")
    web = isinstance(client, dict) and client.get("scene") == _WEB_SCENE
    outer = envelope(document, web=web)
    return outer, _parse(AcquireRequest, outer.client_request)


def stop_request(outer: Envelope) -> StopRequest:
    """The inner body of stop."""
    return _parse(StopRequest, outer.client_request)


def mode(text: str) -> Mode:
    """The mode in a path.  Raises InvalidField and NotAvailable."""
    if text not in _MODES:
        raise InvalidField("mode", "It must be individual or mix")
    try:
        return Mode(text)
    except ValueError:
        raise NotAvailable(f"mode {text}") from None


def check_sid(text: str) -> None:
    """Raises InvalidField for what cannot be a sid."""
    if not _SID.fullmatch(text):
        raise InvalidField("sid", "It must be 32 lower-case hex digits")


def check_scene(scene: int) -> None:
    """Whether a ticket of this scene is good for the modes we have."""
    if scene == _POSTPONED_SCENE:
        raise NotAvailable("scene 2 (postponed transcoding)")
    if scene == _WEB_SCENE:
        raise InvalidField("mode", "The resource ID was acquired for web page recording")


def start_spec(outer: Envelope, ticket: Ticket) -> tuple[RecordingSpec, StartRequest]:
    """What start asks for.  Raises InvalidField and NotAvailable."""
    request = _parse(StartRequest, outer.client_request)
    config = request.recording_config
    _check_outputs(request, ticket.mode)
    _check_recording(config, ticket.mode)
    token = request.token if request.token.get_secret_value() else None
    picture = config.transcoding_config or TranscodingConfig()
    spec = RecordingSpec(
        sid=ticket.sid,
        app_id=ticket.app_id,
        cname=outer.cname,
        recorder_uid=outer.uid,
        mode=ticket.mode,
        channel_url=ticket.channel_url,
        token=token,
        live=config.channel_type == 1,
        audio=config.stream_types != 1,
        video=config.stream_types != 0,
        subscription=subscription.at_start(config),
        canvas=canvas(picture),
        look=layout.look(picture, _CANVAS),
        audio_profile=_profile(config.audio_profile),
        stream_mode=_stream_mode(config, ticket.mode),
        correct_extinf=_correct_extinf(config.private_params),
        mp4="mp4" in request.recording_file_config.av_file_type,
        files=not snapshots.only(request),
        snapshot_s=snapshots.interval_s(request, ticket.mode),
        quality_report=ticket.quality_report,
        storage=to_storage(request.storage_config, ticket.now_ns),
        limits=Limits(max_idle_s=config.max_idle_time),
        accepted_ns=ticket.now_ns,
    )
    return spec, request


def canvas(config: TranscodingConfig, field: str = _CANVAS) -> Canvas:
    """The picture of a mix (§2.4); ``field`` is where it was written.  Raises InvalidField."""
    if config.width * config.height > _FULL_HD:
        raise InvalidField(f"{field}width", "width x height must not exceed 1920 x 1080")
    return Canvas(
        width=config.width & ~1,  # 4:2:0 pictures have even sides
        height=config.height & ~1,
        fps=int(config.fps) if config.fps in _FPS else 15,
        bitrate=config.bitrate,
    )


def layout_request(outer: Envelope) -> Look:
    """``clientRequest`` of updateLayout: what is left out returns to its default (§2.9)."""
    return layout.look(_parse(LayoutRequest, outer.client_request), "")


def update_request(outer: Envelope) -> UpdateRequest:
    """``clientRequest`` of update.  Raises InvalidField and NotAvailable."""
    request = _parse(UpdateRequest, outer.client_request)
    for name, field in UpdateRequest.model_fields.items():
        if name != "stream_subscribe" and getattr(request, name) is not None:
            raise NotAvailable(f"update of {field.alias}")
    if request.stream_subscribe is None:
        raise InvalidField("streamSubscribe", "It is required")
    return request


def update(request: UpdateRequest, status: RecordingStatus) -> Subscription:
    """Whom to record from now on.  Raises InvalidField."""
    lists = request.stream_subscribe or StreamSubscribe()
    return subscription.updated(lists, may_hear=status.audio, may_see=status.video)


def acquired(outer: Envelope, resource_id: str) -> Document:
    """The answer of acquire."""
    return {"cname": outer.cname, "uid": outer.uid, "resourceId": resource_id}


def started(outer: Envelope, resource_id: str, sid: str) -> Document:
    """The answer of start."""
    return acquired(outer, resource_id) | {"sid": sid}


def queried(status: RecordingStatus, resource_id: str) -> Document:
    """The answer of query (§4.3)."""
    server = {"status": _status_number(status)} | _file_list(status)
    return _frame(status, resource_id, server | {"sliceStartTime": status.slice_start_ms})


def stopped(outcome: StopOutcome, resource_id: str) -> Document:
    """The answer of stop (§4.4)."""
    uploading = "uploaded" if outcome.uploaded else "unknown"
    server = _file_list(outcome.status) | {"uploadingStatus": uploading}
    return _frame(outcome.status, resource_id, server)


def _frame(status: RecordingStatus, resource_id: str, server: Document) -> Document:
    return {
        "cname": status.cname,
        "uid": status.uid,
        "resourceId": resource_id,
        "sid": status.sid,
        "serverResponse": server,
    }


def _status_number(status: RecordingStatus) -> int:
    """5 once a file is in the bucket, also while another recorder takes over.

    Of screenshots no list is kept: there it is 5 once there is media.
    """
    recording = status.state in {State.JOINING, State.RECORDING}
    seen = status.files or (status.snapshots and status.slice_start_ms)
    return _FILES_SEEN if recording and seen else _QUERY_STATUS[status.state]


def _file_list(status: RecordingStatus) -> Document:
    """Always there, from the first query on: the Go client tells the modes apart by it.

    And by its absence: with screenshots there is none (§4.3).
    """
    if status.snapshots:
        return {}
    if status.mode is Mode.MIX and not status.mp4:
        return {"fileListMode": "string", "fileList": status.files[0].name if status.files else ""}
    files = sorted(status.files, key=_listed_at) if status.mp4 else status.files
    return {"fileListMode": "json", "fileList": [file(entry) for entry in files]}


def _listed_at(entry: FileEntry) -> tuple[bool, int]:
    """MP4 files in order, then the playlist (§4.4)."""
    return entry.name.endswith(".m3u8"), entry.slice_start_ms


def file(entry: FileEntry) -> Document:
    """A file as answers list it (§4.3)."""
    return {
        "fileName": entry.name,
        "trackType": entry.track_type,
        "uid": entry.uid,
        "mixedAllUser": entry.mixed,
        "isPlayable": entry.playable,
        "sliceStartTime": entry.slice_start_ms,
    }


def _check_channel(cname: str, *, web: bool) -> None:
    size = len(cname.encode())
    if web:
        good = 0 < size <= _LABEL_BYTES and cname.isprintable()
    else:
        good = size <= _CHANNEL_BYTES and _CHANNEL.fullmatch(cname) is not None
    if not good:
        raise ChannelNameInvalid("not a channel name")


def _check_outputs(request: StartRequest, wanted: Mode) -> None:
    kinds = set(request.recording_file_config.av_file_type)
    field = "recordingFileConfig.avFileType"
    if kinds != {"hls"} and (wanted is Mode.INDIVIDUAL or kinds != {"hls", "mp4"}):
        right = '["hls"]' if wanted is Mode.INDIVIDUAL else '["hls"] or ["hls","mp4"]'
        raise InvalidField(field, f"It must be {right}")


def _check_recording(config: RecordingConfig, wanted: Mode) -> None:
    if config.decryption_mode:
        raise NotAvailable("recordingConfig.decryptionMode other than 0")
    if wanted is Mode.INDIVIDUAL and config.transcoding_config is not None:
        raise InvalidField("recordingConfig.transcodingConfig", "Only mix mode takes one")


def _stream_mode(
    config: RecordingConfig, wanted: Mode
) -> Literal["default", "standard", "original"]:
    """``original`` has an effect on audio alone, and none of them has any in mix."""
    if wanted is Mode.MIX or (config.stream_mode == "original" and config.stream_types != 0):
        return "default"
    return config.stream_mode


def _correct_extinf(private_params: str) -> bool:
    """Private parameters are JSON in a string; what we cannot read is nothing we know."""
    try:
        params = json.loads(private_params) if private_params else {}
    except (ValueError, RecursionError):
        raise InvalidField("recordingConfig.privateParams", "It must hold JSON") from None
    return isinstance(params, dict) and params.get("correctEXTINF") is True


def _profile(number: int) -> Literal[0, 1, 2]:
    profiles: tuple[Literal[0, 1, 2], ...] = (0, 1, 2)
    return profiles[number]


def _parse(model: type[Any_], document: Document) -> Any_:
    try:
        return model.model_validate(document)
    except ValidationError as exc:
        raise _first(exc.errors(include_url=False, include_input=False)) from None


def _first(errors: list[Any]) -> InvalidField:
    """The first complaint, by the name that the customer used."""
    error = errors[0]
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error["loc"])
    why = "It is required" if error["type"] == "missing" else error["msg"]
    return InvalidField(path.removeprefix("."), why.removeprefix("Value error, "))
