"""Every bad body gets a 4xx in the service's error shape, and nothing is enqueued."""

import copy
from typing import Any

import pytest

from tests.api.farm import CNAME, NS, STORAGE, UID, Farm, error, start_body
from workers.job.errors import StorageRefused
from workers.job.spec import Canvas

MISSING = object()
PUBLIC = "s3.example.com"


def changed(body: Any, path: str, value: Any) -> Any:
    """A copy of a document with one field set or removed; the path is dotted."""
    body = copy.deepcopy(body)
    *parents, last = path.split(".")
    inner = body
    for parent in parents:
        inner = inner.setdefault(parent, {})
    if value is MISSING:
        inner.pop(last)
    else:
        inner[last] = value
    return body


ACQUIRE_BODY = {"cname": CNAME, "uid": UID, "clientRequest": {"scene": 0}}
BAD_ACQUIRE = [
    ("cname", MISSING, 2),
    ("cname", 7, 2),
    ("cname", None, 2),
    ("cname", ["x"], 2),
    ("cname", "", 401),
    ("cname", "a/b", 401),
    ("cname", "käse", 401),
    ("cname", "tab\there", 401),
    ("cname", "line\n", 401),
    ("cname", "x" * 64, 401),
    ("cname", "x" * 5000, 401),
    ("uid", MISSING, 2),
    ("uid", 527841, 2),
    ("uid", True, 2),
    ("uid", None, 2),
    ("uid", "", 2),
    ("uid", "0", 2),
    ("uid", "-1", 2),
    ("uid", "007", 2),
    ("uid", "1.0", 2),
    ("uid", " 1", 2),
    ("uid", "1\n", 2),
    ("uid", "\uff14\uff12", 2),
    ("uid", "4294967296", 2),
    ("uid", "9" * 4000, 2),
    ("uid", "alice", 2),
    ("clientRequest", MISSING, 2),
    ("clientRequest", None, 2),
    ("clientRequest", [], 2),
    ("clientRequest", "{}", 2),
    ("clientRequest.scene", "0", 2),
    ("clientRequest.scene", 3, 2),
    ("clientRequest.scene", -1, 2),
    ("clientRequest.scene", False, 2),
    ("clientRequest.scene", 0.5, 2),
    ("clientRequest.resourceExpiredHour", 0, 2),
    ("clientRequest.resourceExpiredHour", 721, 2),
    ("clientRequest.resourceExpiredHour", "24", 2),
    ("clientRequest.resourceExpiredHour", True, 2),
    ("clientRequest.resourceExpiredHour", 1.5, 2),
    ("clientRequest.resourceExpiredHour", 10**400, 2),
    ("clientRequest.region", "MARS", 2),
    ("clientRequest.region", 1, 2),
    ("clientRequest.regionAffinity", 5, 2),
    ("clientRequest.excludeResourceIds", "x", 2),
    ("clientRequest.excludeResourceIds", [1], 2),
]

RC, TC, SC = "recordingConfig", "recordingConfig.transcodingConfig", "storageConfig"
FILES = "recordingFileConfig"
UIDS = [str(number) for number in range(1, 34)]
BAD_START: list[tuple[str, str, Any]] = [  # mode, path in clientRequest, value
    ("mix", RC, MISSING),
    ("mix", RC, []),
    ("mix", RC, "x"),
    ("mix", SC, MISSING),
    ("mix", SC, None),
    ("mix", "token", 5),
    ("mix", "token", "a\nb"),
    ("mix", "token", "t" * 5000),
    ("mix", f"{RC}.channelType", 2),
    ("mix", f"{RC}.channelType", "0"),
    ("mix", f"{RC}.channelType", True),
    ("mix", f"{RC}.channelType", None),
    ("mix", f"{RC}.streamTypes", 3),
    ("mix", f"{RC}.streamTypes", "2"),
    ("mix", f"{RC}.streamTypes", 2.5),
    ("mix", f"{RC}.videoStreamType", 2),
    ("mix", f"{RC}.maxIdleTime", 4),
    ("mix", f"{RC}.maxIdleTime", 2_592_001),
    ("mix", f"{RC}.maxIdleTime", "30"),
    ("mix", f"{RC}.maxIdleTime", -1),
    ("mix", f"{RC}.maxIdleTime", 10**30),
    ("mix", f"{RC}.decryptionMode", 9),
    ("mix", f"{RC}.decryptionMode", 1),
    ("mix", f"{RC}.audioProfile", 3),
    ("mix", f"{RC}.subscribeUidGroup", 6),
    ("mix", f"{RC}.privateParams", {"correctEXTINF": True}),
    ("mix", f"{RC}.privateParams", "{"),
    ("individual", f"{RC}.privateParams", "[" * 2000),
    ("individual", f"{RC}.streamMode", "raw"),
    ("individual", f"{RC}.streamMode", 0),
    ("individual", f"{RC}.streamMode", ""),
    ("individual", TC, {}),
    ("mix", f"{RC}.subscribeAudioUids", []),
    ("mix", f"{RC}.subscribeAudioUids", "123"),
    ("mix", f"{RC}.subscribeAudioUids", [123]),
    ("mix", f"{RC}.subscribeAudioUids", ["0"]),
    ("mix", f"{RC}.subscribeAudioUids", ["alice"]),
    ("mix", f"{RC}.subscribeAudioUids", UIDS),
    ("mix", f"{RC}.subscribeAudioUids", ["#allstream#", "1"]),
    ("mix", f"{RC}.subscribeVideoUids", [["1"]]),
    ("mix", f"{RC}.unSubscribeAudioUids", ["#allstream#"]),
    ("mix", f"{RC}.unSubscribeVideoUids", []),
    ("mix", f"{RC}.unsubscribeVideoUids", [7]),
    ("mix", TC, "x"),
    ("mix", f"{TC}.width", 1921),
    ("mix", f"{TC}.width", 0),
    ("mix", f"{TC}.width", "360"),
    ("mix", f"{TC}.height", -640),
    ("mix", TC, {"width": 1920, "height": 1082}),
    ("mix", f"{TC}.bitrate", 6501),
    ("mix", f"{TC}.bitrate", 0),
    ("mix", f"{TC}.bitrate", "500"),
    ("mix", f"{TC}.fps", "15"),
    ("mix", f"{TC}.fps", True),
    ("mix", f"{TC}.mixedVideoLayout", 4),
    ("mix", f"{TC}.mixedVideoLayout", 3),
    ("mix", f"{TC}.mixedVideoLayout", "1"),
    ("mix", f"{TC}.layoutConfig", [{"x_axis": 0}]),
    ("mix", f"{TC}.backgroundColor", "red"),
    ("mix", f"{TC}.backgroundColor", "#FF000"),
    ("mix", f"{TC}.backgroundColor", "#FF0000\n"),
    ("mix", f"{TC}.backgroundColor", 0xFF0000),
    ("mix", f"{TC}.maxResolutionUid", "0"),
    ("mix", f"{TC}.backgroundConfig", [{"uid": "1"}]),
    ("mix", FILES, []),
    ("mix", f"{FILES}.avFileType", []),
    ("mix", f"{FILES}.avFileType", "hls"),
    ("mix", f"{FILES}.avFileType", ["mp4"]),
    ("mix", f"{FILES}.avFileType", ["hls", "mp3"]),
    ("mix", f"{FILES}.avFileType", ["hls", "mp4", "mp3"]),
    ("mix", f"{FILES}.avFileType", ["flv"]),
    ("individual", f"{FILES}.avFileType", ["hls", "mp4"]),
    ("mix", "snapshotConfig", {"fileType": ["jpg"]}),
    ("individual", "snapshotConfig", []),
    ("individual", "snapshotConfig", {}),
    ("individual", "snapshotConfig", {"fileType": []}),
    ("individual", "snapshotConfig", {"fileType": "jpg"}),
    ("individual", "snapshotConfig", {"fileType": ["png"]}),
    ("individual", "snapshotConfig", {"fileType": ["jpg", "jpg"]}),
    *(
        ("individual", "snapshotConfig", {"fileType": ["jpg"], "captureInterval": interval})
        for interval in (0, 3601, -5, "10", 10.5, True)
    ),
    *(("mix", f"{SC}.{name}", MISSING) for name in STORAGE if name != "extensionParams"),
    ("mix", f"{SC}.vendor", 12),
    ("mix", f"{SC}.vendor", 4),
    ("mix", f"{SC}.vendor", "11"),
    ("mix", f"{SC}.vendor", True),
    ("mix", f"{SC}.region", "0"),
    ("mix", f"{SC}.region", -1),
    ("mix", SC, STORAGE | {"vendor": 1, "region": 26}),
    ("mix", SC, STORAGE | {"vendor": 2, "region": 99}),
    ("mix", f"{SC}.bucket", ""),
    ("mix", f"{SC}.bucket", "a"),
    ("mix", f"{SC}.bucket", "a/b/c"),
    ("mix", f"{SC}.bucket", "a..b"),
    ("mix", f"{SC}.bucket", "10.0.0.1"),
    ("mix", f"{SC}.bucket", "x" * 64),
    ("mix", f"{SC}.accessKey", ""),
    ("mix", f"{SC}.accessKey", 5),
    ("mix", f"{SC}.accessKey", "a\r\nX-Evil: 1"),
    ("mix", f"{SC}.secretKey", "x" * 5000),
    ("mix", f"{SC}.fileNamePrefix", "directory1"),
    ("mix", f"{SC}.fileNamePrefix", ["a/b"]),
    ("mix", f"{SC}.fileNamePrefix", [".."]),
    ("mix", f"{SC}.fileNamePrefix", [""]),
    ("mix", f"{SC}.fileNamePrefix", ["käse"]),
    ("mix", f"{SC}.fileNamePrefix", ["x" * 64, "y" * 64]),
    ("mix", f"{SC}.stsToken", "abc"),
    ("mix", SC, STORAGE | {"vendor": 1, "stsToken": "abc"}),
    ("mix", SC, STORAGE | {"vendor": 1, "stsToken": "abc", "stsExpiration": 1}),
    ("mix", f"{SC}.extensionParams", []),
    ("mix", f"{SC}.extensionParams", {}),
    ("mix", f"{SC}.extensionParams.sse", "rot13"),
    ("mix", f"{SC}.extensionParams.sse", "kms"),
    ("mix", f"{SC}.extensionParams.tag", "a"),
    *(
        ("mix", f"{SC}.extensionParams.endpoint", endpoint)
        for endpoint in (
            "",
            "ftp://s3.example.com",
            "user:pass@s3.example.com",
            "s3.example.com/bucket",
            "s3.example.com?x=1",
            "s3.example.com#x",
            "s3.example.com:0",
            "s3.example.com:65536",
            "s3.example.com:http",
            "s3 example com",
            "-s3.example.com",
            "[::1]:9000",
            "http://",
            "x" * 400,
            9000,
        )
    ),
]
CONTRADICTIONS = [
    {"streamTypes": 0, "subscribeVideoUids": ["1"]},
    {"streamTypes": 0, "unSubscribeVideoUids": ["1"]},
    {"streamTypes": 1, "subscribeAudioUids": ["1"]},
    {"streamTypes": 1, "unSubscribeAudioUids": ["1"]},
    {"subscribeAudioUids": ["1"], "unSubscribeAudioUids": ["2"]},
    {"subscribeVideoUids": ["1"], "unsubscribeVideoUids": ["2"]},
]


@pytest.mark.parametrize(("path", "value", "code"), BAD_ACQUIRE)
def test_acquire_refuses(farm: Farm, path: str, value: Any, code: int) -> None:
    answer = farm.call("POST", "/acquire", changed(ACQUIRE_BODY, path, value))
    assert error(answer) == (400, code)
    if code == 2:
        field = path.removeprefix("clientRequest.")
        assert answer.json["reason"].startswith(f"Acquire: invalid {field}")


@pytest.mark.parametrize(("mode", "path", "value"), BAD_START)
def test_start_refuses(farm: Farm, mode: str, path: str, value: Any) -> None:
    client = changed(start_body(), path, value)
    answer = farm.start(farm.acquire(), client, mode=mode)
    assert error(answer) == (400, 2)
    assert path.split(".")[-1] in answer.json["reason"] or isinstance(value, dict)
    assert answer.json["reason"].startswith("Start: ")
    assert not farm.control.specs
    assert not farm.control.checked


@pytest.mark.parametrize("recording", CONTRADICTIONS)
def test_lists_that_contradict_the_rest_are_refused(farm: Farm, recording: Any) -> None:
    assert error(farm.start(farm.acquire(), start_body(**recording))) == (400, 2)
    assert not farm.control.specs


@pytest.mark.parametrize("field", ["cname", "uid", "clientRequest"])
@pytest.mark.parametrize("call", ["start", "stop"])
def test_the_outer_fields_are_required_everywhere(farm: Farm, call: str, field: str) -> None:
    resource_id, sid = farm.started()
    path = {"start": "mode/mix/start", "stop": f"sid/{sid}/mode/mix/stop"}[call]
    body = {"cname": CNAME, "uid": UID, "clientRequest": start_body()}
    body.pop(field)
    answer = farm.call("POST", f"/resourceid/{resource_id}/{path}", body)
    assert error(answer) == (400, 2)
    assert field in answer.json["reason"]


def test_a_channel_name_with_foreign_characters_is_1013_after_acquire(farm: Farm) -> None:
    assert error(farm.start(farm.acquire(), cname="a/b")) == (400, 1013)


@pytest.mark.parametrize("value", ["true", 1, 0, None, []])
def test_async_stop_must_be_a_bool(farm: Farm, value: Any) -> None:
    resource_id, sid = farm.started()
    assert error(farm.stop(resource_id, sid, async_stop=value)) == (400, 2)
    assert farm.query(resource_id, sid).json["serverResponse"]["status"] == 1


def test_secrets_never_come_back_in_a_reason(farm: Farm) -> None:
    for name in ("accessKey", "secretKey"):
        client = changed(start_body(), f"storageConfig.{name}", "top secret\n")
        assert "top secret" not in farm.start(farm.acquire(), client).text


RAW = [  # body, content type, expected (status, code)
    (b"", "application/json", (400, 8)),
    (b"{", "application/json", (400, 8)),
    (b"[]", "application/json", (400, 8)),
    (b'"x"', "application/json", (400, 8)),
    (b"null", "application/json", (400, 8)),
    (b'{"a": NaN}', "application/json", (400, 8)),
    (b'{"a": -Infinity}', "application/json", (400, 8)),
    (b'{"a": 1e999}', "application/json", (400, 8)),
    (b'{"a": ' + b"9" * 5000 + b"}", "application/json", (400, 8)),
    (b'{"cname": "\\ud800", "uid": "1", "clientRequest": {}}', "application/json", (400, 8)),
    (b'{"x": "\\udfff", "cname": "a"}', "application/json", (400, 8)),
    (b'{"cname": "\xff"}', "application/json", (400, 8)),
    (b'{"cname": "a", "cname": "b"}', "application/json", (400, 8)),
    (b'{"a":' * 3000 + b"1" + b"}" * 3000, "application/json", (400, 8)),
    (b"[" * 60_000, "application/json", (400, 8)),
    (b'\xef\xbb\xbf{"cname": "a"}', "application/json", (400, 8)),
    (b'{"cname": "a"}'.decode().encode("utf-16"), "application/json", (400, 8)),
    (b"{}", "text/plain", (400, 8)),
    (b"{}", "application/x-www-form-urlencoded", (400, 8)),
    (b"{}", "application/json;charset=latin-1", (400, 8)),
    (b"{}", "\x22;;=", (400, 8)),
    (b"{}", "application/json;charset=utf-8", (400, 2)),
    (b"{}", "application/json ; charset=UTF-8", (400, 2)),
    (b"{}", None, (400, 2)),
    (b" " * 70_000, "application/json", (413, 2)),
]


@pytest.mark.parametrize(("raw", "content_type", "expected"), RAW)
def test_bytes_that_are_no_document_are_refused(
    farm: Farm, raw: bytes, content_type: str | None, expected: tuple[int, int]
) -> None:
    resource_id, sid = farm.started()
    for path in (
        "/acquire",
        f"/resourceid/{resource_id}/mode/mix/start",
        f"/resourceid/{resource_id}/sid/{sid}/mode/mix/stop",
    ):
        answer = farm.call("POST", path, data=raw, content_type=content_type)
        assert error(answer) == expected


def test_what_is_wrong_with_a_number_is_said_in_our_words(farm: Farm) -> None:
    for number in (b"9" * 5000, b"-" + b"9" * 4200, b"1e400"):
        answer = farm.call("POST", "/acquire", data=b'{"a":' + number + b"}")
        assert error(answer) == (400, 8)
        assert answer.json["reason"].endswith("not valid JSON: a number is out of range")


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("uid", 527841, "Start: invalid uid value! It must be a string"),
        (f"clientRequest.{RC}.subscribeAudioUids", "1", "It must be an array"),
        (f"clientRequest.{RC}.subscribeAudioUids", [], "Its length must be at least 1"),
        (f"clientRequest.{RC}.transcodingConfig", [], "It must be an object"),
        (f"clientRequest.{RC}.maxIdleTime", 4, "It must be at least 5"),
        (f"clientRequest.{RC}.maxIdleTime", 15.5, "It must be an integer"),
        (f"clientRequest.{RC}.streamMode", "no", "It must be 'default', 'standard' or 'original'"),
        (f"clientRequest.{SC}.secretKey", "x" * 257, "Its length must be at most 256"),
    ],
)
def test_reasons_speak_of_json(farm: Farm, path: str, value: Any, says: str) -> None:
    body = {"cname": CNAME, "uid": UID, "clientRequest": start_body()}
    resource_id = farm.acquire()
    wrong = changed(body, path, value)
    answer = farm.call("POST", f"/resourceid/{resource_id}/mode/mix/start", wrong)
    assert error(answer) == (400, 2)
    assert answer.json["reason"].endswith(says)


def test_a_whole_number_may_be_written_with_a_point(farm: Farm) -> None:
    body = b'{"cname": "a", "uid": "1", "clientRequest": {"scene": 0.0, "resourceExpiredHour": %s}}'
    for number, status in ((b"24.0", 200), (b"2.4e1", 200), (b"24.5", 400), (b"721.0", 400)):
        json = {"data": body % number, "content_type": "application/json"}
        assert farm.call("POST", "/acquire", **json).status_code == status
    resource_id = farm.acquire()
    canvas = {"width": 640.0, "height": 360.0, "fps": 15.0, "bitrate": 500.0}
    started = farm.start(resource_id, start_body(maxIdleTime=30.0, transcodingConfig=canvas))
    assert started.status_code == 200, started.json
    assert farm.control.specs[started.json["sid"]].canvas == Canvas(
        width=640, height=360, fps=15, bitrate=500
    )


def test_a_body_without_a_length_is_bounded_too(farm: Farm) -> None:
    chunked = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}
    answer = farm.call("POST", "/acquire", data=b" " * 70_000, environ_overrides=chunked)
    assert error(answer) == (413, 2)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "169.254.169.254", "192.168.0.1", "100.64.0.1", "0.0.0.0"),
        *("::1", "fe80::1", "fd00::1", "::ffff:127.0.0.1", "64:ff9b::a00:1", "2002:7f00:1::"),
        *("fe80::1%eth0", "224.0.0.1", "::"),
    ],
)
def test_an_endpoint_inside_our_network_is_refused(address: str) -> None:
    farm = Farm(addresses={PUBLIC: ["93.184.216.34", address]})
    answer = farm.start(farm.acquire())
    assert error(answer) == (400, 2)
    assert "extensionParams.endpoint" in answer.json["reason"]
    assert not farm.control.checked


def test_an_endpoint_that_does_not_resolve_is_refused() -> None:
    farm = Farm(addresses={PUBLIC: []})
    answer = farm.start(farm.acquire())
    assert error(answer) == (400, 2)
    assert "cannot be resolved" in answer.json["reason"]


def test_a_farm_at_a_desk_may_record_to_loopback() -> None:
    farm = Farm(addresses={PUBLIC: ["127.0.0.1"]}, changes={"allow_private_endpoints": True})
    assert farm.start(farm.acquire()).status_code == 200


def test_storage_that_says_no_refuses_the_start_and_keeps_the_resource_id(farm: Farm) -> None:
    farm.control.storage_error = StorageRefused("the bucket refused the keys")
    resource_id = farm.acquire()
    answer = farm.start(resource_id)
    assert error(answer) == (400, 2)
    assert answer.json["reason"] == "Start: storageConfig: the bucket refused the keys"
    assert not farm.control.specs
    farm.control.storage_error = None
    assert farm.start(resource_id).status_code == 200


def test_temporary_credentials_need_four_hours(farm: Farm) -> None:
    storage = STORAGE | {"vendor": 1, "region": 7, "stsToken": "abc"}
    soon, late = farm.now_ns // NS + 4 * 3600 - 1, farm.now_ns // NS + 4 * 3600
    client = start_body() | {"storageConfig": storage | {"stsExpiration": soon}}
    assert error(farm.start(farm.acquire(), client)) == (400, 2)
    client = start_body() | {"storageConfig": storage | {"stsExpiration": late}}
    assert farm.start(farm.acquire(), client).status_code == 200
