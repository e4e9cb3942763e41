"""Agora's documents to the farm's values and back.  Pure: no clock, no network, no state."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from api.agora import layout, legacy, snapshots, subscription
from api.agora.body import read
from api.agora.errors import ChannelNameInvalid, InvalidField, NotAvailable
from api.agora.models import (
    AcquireRequest,
    Envelope,
    LayoutRequest,
    RecordingConfig,
    StartRequest,
    StopRequest,
    TranscodingConfig,
    UpdateRequest,
)
from api.agora.owner import ANYTHING, Owner
from api.agora.storage import to_storage
from api.document import Document
from media.cut.look import Look
from workers.job.query_status import query_status
from workers.job.spec import Canvas, Limits, Mode, RecordingSpec, Subscription
from workers.job.status import FileEntry, RecordingStatus, StopOutcome

_CHANNEL: Final = re.compile(r"[a-zA-Z0-9 !#$%&()+\-:;<=.>?@\[\]^_{}|~,]+")
_SID: Final = re.compile(r"[0-9a-f]{32}")
_CHANNEL_BYTES: Final = 63
_LABEL_BYTES: Final = 1024
_WEB_SCENE, _POSTPONED_SCENE = 1, 2
WEB: Final = "web"  # the mode in a path
_FPS: Final = frozenset({1, 7, 10, 15, 24, 30, 60})
_FULL_HD: Final = 1920 * 1080
_CANVAS: Final = "recordingConfig.transcodingConfig."
_FILES: Final[Mapping[Mode, tuple[set[str], ...]]] = {  # §2.5
    Mode.INDIVIDUAL: ({"hls"},),
    Mode.MIX: ({"hls"}, {"hls", "mp4"}),
    Mode.RAW: ({"hls"}, {"hls", "mp4"}, {"mp3"}),
}


@dataclass(frozen=True, slots=True)
class Ticket:
    """What start knows beside its body."""

    sid: str
    app_id: str
    mode: Mode
    channel_url: str
    quality_report: bool
    now_ns: int
    owner: Owner = ANYTHING


def envelope(document: Document, *, web: bool = False) -> Envelope:
    """The outer shape.  Raises InvalidField and ChannelNameInvalid."""
    outer = read(Envelope, document)
    _check_channel(outer.cname, web=web)
    return outer


def acquire_request(document: Document) -> tuple[Envelope, AcquireRequest]:
    """The body of acquire.  Raises InvalidField and ChannelNameInvalid."""
    client = document.get("clientRequest")
    web = isinstance(client, dict) and client.get("scene") == _WEB_SCENE
    outer = envelope(document, web=web)
    return outer, read(AcquireRequest, outer.client_request)


def stop_request(outer: Envelope) -> StopRequest:
    """The inner body of stop."""
    return read(StopRequest, outer.client_request)


def mode(text: str) -> Mode:
    """The mode in a path.  Raises InvalidField and NotAvailable."""
    if text == WEB:
        raise NotAvailable("mode web")
    try:
        return Mode(text)
    except ValueError:
        raise InvalidField("mode", f"It must be one of {', '.join(Mode)}") from None


def check_sid(text: str) -> None:
    """Raises InvalidField for what cannot be a sid."""
    if not _SID.fullmatch(text):
        raise InvalidField("sid", "It must be 32 lower-case hex digits")


def check_scene(scene: int, wanted: Mode) -> None:
    """Whether a mode can be started in a scene; raw does not look at it (§1.12).

    Raises NotAvailable.
    """
    if wanted is Mode.RAW:
        return
    if scene == _POSTPONED_SCENE:
        raise NotAvailable("scene 2 (postponed transcoding)")
    if scene == _WEB_SCENE:
        raise NotAvailable("scene 1 (web page recording)")


def start_spec(outer: Envelope, ticket: Ticket) -> tuple[RecordingSpec, StartRequest]:
    """What start asks for.  Raises InvalidField and NotAvailable."""
    request = read(StartRequest, outer.client_request)
    config = request.recording_config
    _check_outputs(request, ticket.mode)
    _check_recording(config, ticket.mode)
    legacy.check_transcoding(request.apps_collection, request.transcode_options)
    legacy.check_services(request.extension_service_config, allowed=ticket.mode is not Mode.RAW)
    token = request.token if request.token.get_secret_value() else None
    picture = config.transcoding_config or TranscodingConfig()
    wanted = subscription.at_start(config)
    spec = RecordingSpec(
        sid=ticket.sid,
        app_id=ticket.app_id,
        cname=outer.cname,
        recorder_uid=outer.uid,
        mode=ticket.mode,
        channel_url=ticket.channel_url,
        token=token,
        live=config.channel_type == 1,
        low_stream=config.video_stream_type == 1,
        audio=config.stream_types != 1,
        video=config.stream_types != 0,
        subscription=wanted,
        streams=subscription.streams(config, wanted, mix=ticket.mode is Mode.MIX),
        canvas=canvas(picture),
        look=layout.look(picture, _CANVAS),
        audio_profile=_profile(config.audio_profile),
        stream_mode=_stream_mode(config, ticket.mode),
        correct_extinf=_correct_extinf(config.private_params),
        mp4="mp4" in request.recording_file_config.av_file_type,
        mp3="mp3" in request.recording_file_config.av_file_type,
        files=not snapshots.only(request),
        snapshot_s=snapshots.interval_s(request, ticket.mode),
        quality_report=ticket.quality_report,
        storage=to_storage(request.storage_config, ticket.now_ns, ticket.owner),
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
    return layout.look(read(LayoutRequest, outer.client_request), "")


def update_request(outer: Envelope) -> UpdateRequest:
    """``clientRequest`` of update.  Raises InvalidField and NotAvailable."""
    request = read(UpdateRequest, outer.client_request)
    for name in ("web_recording_config", "rtmp_publish_config"):
        if getattr(request, name) is not None:
            raise NotAvailable(f"update of {UpdateRequest.model_fields[name].alias}")
    if request.stream_subscribe is None and request.storage_config is None:
        raise InvalidField("streamSubscribe", "It is required")
    return request


def update(request: UpdateRequest, status: RecordingStatus) -> Subscription | None:
    """Whom to record from now on, if that changes.  Raises InvalidField."""
    lists = request.stream_subscribe
    if lists is None:
        return None
    return subscription.updated(lists, may_hear=status.audio, may_see=status.video)


def acquired(outer: Envelope, resource_id: str) -> Document:
    """The answer of acquire."""
    return {"cname": outer.cname, "uid": outer.uid, "resourceId": resource_id}


def started(outer: Envelope, resource_id: str, sid: str) -> Document:
    """The answer of start."""
    return acquired(outer, resource_id) | {"sid": sid}


def queried(status: RecordingStatus, resource_id: str) -> Document:
    """The answer of query (§4.3)."""
    server = {"status": query_status(status)} | _file_list(status)
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
    """MP4 files in order, then the indices (§4.4)."""
    return entry.name.endswith((".m3u8", ".mpd")), entry.slice_start_ms


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
    if kinds not in _FILES[wanted]:
        right = " or ".join(json.dumps(sorted(each)) for each in _FILES[wanted])
        raise InvalidField(field, f"It must be {right}")
    if "mp3" in kinds and request.recording_config.stream_types != 0:
        raise InvalidField(field, "mp3 needs streamTypes 0")


def _check_recording(config: RecordingConfig, wanted: Mode) -> None:
    if config.decryption_mode:
        raise NotAvailable("recordingConfig.decryptionMode other than 0")
    if wanted is not Mode.MIX and config.transcoding_config is not None:
        raise InvalidField("recordingConfig.transcodingConfig", "Only mix mode takes one")
    if wanted is Mode.RAW and "stream_mode" in config.model_fields_set:
        raise InvalidField("recordingConfig.streamMode", "Mode raw has none")


def _stream_mode(
    config: RecordingConfig, wanted: Mode
) -> Literal["default", "standard", "original"]:
    """``original`` has an effect on audio alone, and none of them has any in other modes."""
    if config.stream_mode == "original" and config.stream_types != 0:
        return "default"
    return config.stream_mode if wanted is Mode.INDIVIDUAL else "default"


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
