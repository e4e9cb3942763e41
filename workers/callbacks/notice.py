"""Notices in the shape of Agora's notification service (reference §7)."""

import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Mapping
from enum import IntEnum
from typing import Any

from workers.job.spec import Mode, RecordingSpec
from workers.store.letter import Notice

_PRODUCT = 3  # cloud recording
# Each publisher may have one every second.  If its uploader dies before it is noted in the spool
# that it is there, another one asks within seconds of the farm being whole again.
_SNAPSHOT_KEPT_S = 7200


class EventType(IntEnum):
    """The events that this farm sends."""

    ERROR = 1
    WARNING = 2
    STATUS_UPDATE = 3
    FILE_INFOS = 4
    SESSION_EXIT = 11
    SESSION_FAILOVER = 12
    UPLOADER_STARTED = 30
    UPLOADED = 31
    UPLOADING_PROGRESS = 33
    RECORDER_STARTED = 40
    RECORDER_LEAVE = 41
    SLICE_START = 42
    AUDIO_STREAM = 43
    VIDEO_STREAM = 44
    SNAPSHOT_FILE = 45


class Service(IntEnum):
    """Which part of the service a notice comes from."""

    CLOUD = 0
    RECORDER = 1
    UPLOADER = 2


class Module(IntEnum):
    """Where an error or a warning comes from (reference §7.3)."""

    RECORDER = 0
    UPLOADER = 1
    CLOUD = 2


class Level(IntEnum):
    """How bad an error is (reference §7.3)."""

    MEDIUM = 3
    MAJOR = 4
    FATAL = 5


def error(module: Module, level: Level, code: int, why: str) -> dict[str, Any]:
    """The details of an ERROR."""
    return {
        "module": int(module),
        "errorLevel": int(level),
        "errorCode": code,
        "stat": 0,
        "errorMsg": why,
    }


_NAMES: Mapping[EventType, tuple[str, Service]] = {
    EventType.ERROR: ("cloud_recording_error", Service.CLOUD),
    EventType.WARNING: ("cloud_recording_warning", Service.CLOUD),
    EventType.STATUS_UPDATE: ("cloud_recording_status_update", Service.CLOUD),
    EventType.FILE_INFOS: ("cloud_recording_file_infos", Service.CLOUD),
    EventType.SESSION_EXIT: ("session_exit", Service.CLOUD),
    EventType.SESSION_FAILOVER: ("session_failover", Service.CLOUD),
    EventType.UPLOADER_STARTED: ("uploader_started", Service.UPLOADER),
    EventType.UPLOADED: ("uploaded", Service.UPLOADER),
    EventType.UPLOADING_PROGRESS: ("uploading_progress", Service.UPLOADER),
    EventType.RECORDER_STARTED: ("recorder_started", Service.RECORDER),
    EventType.RECORDER_LEAVE: ("recorder_leave", Service.RECORDER),
    EventType.SLICE_START: ("recorder_slice_start", Service.RECORDER),
    EventType.AUDIO_STREAM: ("recorder_audio_stream_state_changed", Service.RECORDER),
    EventType.VIDEO_STREAM: ("recorder_video_stream_state_changed", Service.RECORDER),
    EventType.SNAPSHOT_FILE: ("recorder_snapshot_file", Service.RECORDER),
}


def make(
    spec: RecordingSpec, event: EventType, details: Mapping[str, Any], *, once: str = ""
) -> Notice:
    """A notice of something that happens now; with ``once`` only the first of that name."""
    name, service = _NAMES[event]
    id_, is_snapshot = uuid.uuid4().hex, event is EventType.SNAPSHOT_FILE
    told = {
        "noticeId": id_,
        "productId": _PRODUCT,
        "eventType": int(event),
        "notifyMs": 0,
        "sid": spec.sid,
        "payload": {
            "cname": spec.cname,
            "uid": spec.recorder_uid,
            "sid": spec.sid,
            "sequence": 0,
            "sendts": time.time_ns() // 1_000_000,
            "serviceType": int(service),
            "serviceScene": _scene(spec, is_snapshot=is_snapshot),
            "details": {"msgName": name, **details},
        },
    }
    return Notice(
        sid=spec.sid,
        app_id=spec.app_id,
        id=id_,
        text=json.dumps(told, separators=(",", ":")),
        once=once,
        once_s=_SNAPSHOT_KEPT_S if is_snapshot else 0,
    )


def _scene(spec: RecordingSpec, *, is_snapshot: bool) -> str:
    if is_snapshot or not spec.files:
        return "rtc_snapshot"
    return "rtsc/raw-recording" if spec.mode is Mode.RAW else "rtc_record"


def body(text: str, sequence: int, notify_ms: int) -> bytes:
    """The bytes that are sent and signed; ``text`` is that of a :class:`Notice`."""
    told = json.loads(text)
    told["notifyMs"] = notify_ms
    told["payload"]["sequence"] = sequence
    return json.dumps(told, separators=(",", ":")).encode()


def signatures(raw: bytes, secret: str) -> dict[str, str]:
    """Both signature headers: lower-case hex HMACs of the exact bytes (reference §7.1)."""
    key = secret.encode()
    return {
        "Agora-Signature": hmac.new(key, raw, hashlib.sha1).hexdigest(),
        "Agora-Signature-V2": hmac.new(key, raw, hashlib.sha256).hexdigest(),
    }
