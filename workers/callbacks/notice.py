"""Notices in the shape of Agora's notification service (reference §7)."""

import hashlib
import hmac
import json
import uuid
from collections.abc import Mapping
from enum import IntEnum
from typing import Any

from workers.job.spec import RecordingSpec

_PRODUCT = 3  # cloud recording


class EventType(IntEnum):
    """The events that this farm sends."""

    ERROR = 1
    WARNING = 2
    FILE_INFOS = 4
    SESSION_EXIT = 11
    SESSION_FAILOVER = 12
    UPLOADED = 31
    RECORDER_STARTED = 40
    RECORDER_LEAVE = 41
    SLICE_START = 42
    SNAPSHOT_FILE = 45


class Service(IntEnum):
    """Which part of the service a notice comes from."""

    CLOUD = 0
    RECORDER = 1
    UPLOADER = 2


_NAMES: Mapping[EventType, tuple[str, Service]] = {
    EventType.ERROR: ("cloud_recording_error", Service.CLOUD),
    EventType.WARNING: ("cloud_recording_warning", Service.CLOUD),
    EventType.FILE_INFOS: ("cloud_recording_file_infos", Service.CLOUD),
    EventType.SESSION_EXIT: ("session_exit", Service.CLOUD),
    EventType.SESSION_FAILOVER: ("session_failover", Service.CLOUD),
    EventType.UPLOADED: ("uploaded", Service.UPLOADER),
    EventType.RECORDER_STARTED: ("recorder_started", Service.RECORDER),
    EventType.RECORDER_LEAVE: ("recorder_leave", Service.RECORDER),
    EventType.SLICE_START: ("recorder_slice_start", Service.RECORDER),
    EventType.SNAPSHOT_FILE: ("recorder_snapshot_file", Service.RECORDER),
}


def envelope(
    spec: RecordingSpec, event: EventType, details: Mapping[str, Any], sequence: int, at_ns: int
) -> dict[str, Any]:
    """A notice without ``notifyMs``, which is set at each attempt (reference §7.2)."""
    name, service = _NAMES[event]
    return {
        "noticeId": uuid.uuid4().hex,
        "productId": _PRODUCT,
        "eventType": int(event),
        "sid": spec.sid,
        "payload": {
            "cname": spec.cname,
            "uid": spec.recorder_uid,
            "sid": spec.sid,
            "sequence": sequence,
            "sendts": at_ns // 1_000_000,
            "serviceType": int(service),
            "serviceScene": "rtc_record" if spec.files else "rtc_snapshot",
            "details": {"msgName": name, **details},
        },
    }


def body(notice: Mapping[str, Any], notify_ms: int) -> bytes:
    """The bytes that are sent and signed."""
    ordered = {**notice, "notifyMs": notify_ms}
    return json.dumps(ordered, separators=(",", ":")).encode()


def signatures(raw: bytes, secret: str) -> dict[str, str]:
    """Both signature headers: lower-case hex HMACs of the exact bytes (reference §7.1)."""
    key = secret.encode()
    return {
        "Agora-Signature": hmac.new(key, raw, hashlib.sha1).hexdigest(),
        "Agora-Signature-V2": hmac.new(key, raw, hashlib.sha256).hexdigest(),
    }
