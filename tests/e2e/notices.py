"""A customer's look at callbacks: signatures, shapes and order, from the reference's §7 alone.

Nothing of the farm's own code is used here.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

Notice = dict[str, Any]

_BLOCK = 64  # bytes, of SHA-1 and SHA-256 (RFC 2104 §2)
_ENVELOPE = {"noticeId", "productId", "eventType", "notifyMs", "sid", "payload"}
_PAYLOAD = {"cname", "uid", "sid", "sequence", "sendts", "serviceType", "serviceScene", "details"}
_SCENES = {"rtc_record", "rtc_snapshot", "rtsc/raw-recording"}
_TRACKS = {"audio", "video", "audio_and_video"}
_STATUSES = {*range(9), 20}
_UID_MOST = 2**32 - 1
_YEAR_2020_MS = 1_577_836_800_000


def hmac_hex(name: str, key: bytes, text: bytes) -> str:
    """An HMAC in lower-case hex (RFC 2104)."""
    if len(key) > _BLOCK:
        key = hashlib.new(name, key).digest()
    padded = key.ljust(_BLOCK, b"\0")
    inner = hashlib.new(name, bytes(byte ^ 0x36 for byte in padded) + text).digest()
    return hashlib.new(name, bytes(byte ^ 0x5C for byte in padded) + inner).hexdigest()


def opened(headers: Mapping[str, str], raw: bytes, secret: str) -> Notice:
    """A notice whose headers are those of §7.1; AssertionError if they are not."""
    named = {name.lower(): value for name, value in headers.items()}
    assert named["content-type"] == "application/json"
    assert named["agora-signature"] == hmac_hex("sha1", secret.encode(), raw)
    assert named["agora-signature-v2"] == hmac_hex("sha256", secret.encode(), raw)
    return dict(json.loads(raw))


def unique(notices: Iterable[Notice]) -> list[Notice]:
    """Each once, as it came first: what was sent again has the same ``noticeId`` (§7.1)."""
    first: dict[str, Notice] = {}
    for notice in notices:
        first.setdefault(notice["noticeId"], notice)
    return list(first.values())


def check(notice: Notice) -> None:
    """Envelope (§7.2) and details (§7.3); AssertionError if they are not as documented."""
    assert set(notice) == _ENVELOPE, notice
    payload, event = notice["payload"], notice["eventType"]
    assert set(payload) == _PAYLOAD, payload
    assert notice["productId"] == 3
    assert re.fullmatch("[0-9a-f]{32}", notice["noticeId"])
    assert re.fullmatch("[0-9a-f]{32}", notice["sid"])
    assert payload["sid"] == notice["sid"]
    assert _is_ms(payload["sendts"]), payload
    assert _is_ms(notice["notifyMs"]), notice
    assert notice["notifyMs"] >= payload["sendts"]
    assert _between(0, 1 << 31)(payload["sequence"])
    assert _is_uid(payload["uid"]), payload
    assert _is_name(payload["cname"]), payload
    assert payload["serviceScene"] in _SCENES
    name, service, details_of = EVENTS[event]
    assert payload["serviceType"] == service, notice
    details = dict(payload["details"])
    assert details.pop("msgName") == name, notice
    for key, is_good in details_of.items():
        assert key in details, f"event {event} lacks {key}: {details}"
        assert is_good(details.pop(key)), f"event {event}, {key}: {payload['details']}"
    assert not details, f"event {event} has more than is documented: {details}"


def entry_is_good(entry: object) -> bool:
    """One of the files of §4.3."""
    if not isinstance(entry, dict):
        return False
    keys = {"fileName", "trackType", "uid", "mixedAllUser", "isPlayable", "sliceStartTime"}
    return (
        set(entry) == keys
        and isinstance(entry["fileName"], str)
        and entry["trackType"] in _TRACKS
        and entry["mixedAllUser"] is (entry["uid"] == "0")
        and isinstance(entry["uid"], str)
        and isinstance(entry["isPlayable"], bool)
        and _is_ms(entry["sliceStartTime"])
    )


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_ms(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > _YEAR_2020_MS


def _is_uid(value: object) -> bool:
    return isinstance(value, str) and value.isdigit() and 0 < int(value) <= _UID_MOST


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _is_list(value: object) -> bool:
    return isinstance(value, list) and all(entry_is_good(entry) for entry in value)


def _one_of(*values: object) -> Callable[[object], bool]:
    return lambda value: type(value) in {type(one) for one in values} and value in values


def _between(least: int, most: int) -> Callable[[object], bool]:
    return lambda value: (
        isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
    )


_STREAM = {
    "streamUid": _is_uid,
    "state": _one_of(0, 1),
    "UtcMs": _is_ms,
    "utcMs": _is_ms,
}
_Details = Mapping[str, Callable[[Any], bool]]

# event: msgName, serviceType, what its details hold beside msgName (§7.3 to §7.5, §10 12)
EVENTS: Mapping[int, tuple[str, int, _Details]] = {
    1: (
        "cloud_recording_error",
        0,
        {
            "module": _one_of(0, 1, 2, 6),
            "errorLevel": _between(1, 5),
            "errorCode": _between(1, 1 << 31),
            "stat": _one_of(0),
            "errorMsg": _is_text,
        },
    ),
    2: ("cloud_recording_warning", 0, {"module": _one_of(0, 1), "warnCode": _one_of(31, 32)}),
    3: (
        "cloud_recording_status_update",
        0,
        {
            "status": lambda value: _is_int(value) and value in _STATUSES,
            "recordingMode": _one_of(0, 1),
            "fileList": _is_text,
        },
    ),
    4: ("cloud_recording_file_infos", 0, {"fileList": _is_name}),
    11: ("session_exit", 0, {"exitStatus": _one_of(0, 1)}),
    12: ("session_failover", 0, {"newUid": _between(1, _UID_MOST)}),
    30: ("uploader_started", 2, {"status": _is_int}),
    31: ("uploaded", 2, {"status": _is_int, "fileList": _is_list}),
    33: ("uploading_progress", 2, {"progress": _between(0, 10000)}),
    40: ("recorder_started", 1, {"status": _is_int}),
    41: ("recorder_leave", 1, {"leaveCode": _between(1, 31)}),
    42: (
        "recorder_slice_start",
        1,
        {
            "startUtcMs": _is_ms,
            "discontinueUtcMs": _is_ms,
            "mixedAllUser": _one_of(True, False),
            "streamUid": lambda value: value == "0" or _is_uid(value),
            "trackType": _one_of("audio", "video", "audio_and_video"),
        },
    ),
    43: ("recorder_audio_stream_state_changed", 1, _STREAM),
    44: ("recorder_video_stream_state_changed", 1, _STREAM),
    45: ("recorder_snapshot_file", 1, {"fileName": _is_name}),
}
