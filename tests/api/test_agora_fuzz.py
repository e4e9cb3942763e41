"""Laws: whatever a customer sends, the answer is a clear one and never our fault."""

import copy
import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.farm import CNAME, STORAGE, UID, Farm, start_body
from workers.job.order import Order

MODEST = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["hls", "mp4", "#allstream#", "1", "\ud800", "\0", "http://[", 2**64]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)
PICTURE: dict[str, Any] = {
    "mixedVideoLayout": 3,
    "maxResolutionUid": "1",
    "backgroundColor": "#000000",
    "backgroundImage": "https://img.example.com/a.jpg",
    "defaultUserBackgroundImage": "",
    "layoutConfig": [
        {
            "uid": "1",
            "x_axis": 0,
            "y_axis": 0.5,
            "width": 1,
            "height": 0.5,
            "alpha": 0,
            "render_mode": 1,
        }
    ],
    "backgroundConfig": [{"uid": "1", "image_url": "http://img.example.com", "render_mode": 0}],
}
FULL: dict[str, Any] = {
    "cname": CNAME,
    "uid": UID,
    "clientRequest": {
        "token": "t",
        "scene": 0,
        "resourceExpiredHour": 24,
        "region": "EU",
        "regionAffinity": 0,
        "excludeResourceIds": [],
        "async_stop": True,
        **PICTURE,
        "streamSubscribe": {
            "audioUidList": {"subscribeAudioUids": ["#allstream#"]},
            "videoUidList": {"unSubscribeVideoUids": ["1"]},
        },
        "recordingConfig": {
            "channelType": 0,
            "streamTypes": 2,
            "streamMode": "default",
            "videoStreamType": 0,
            "maxIdleTime": 30,
            "decryptionMode": 0,
            "secret": "",
            "salt": "",
            "audioProfile": 1,
            "transcodingConfig": {
                "width": 360,
                "height": 640,
                "fps": 15,
                "bitrate": 500,
                **PICTURE,
            },
            "subscribeAudioUids": ["1"],
            "unSubscribeVideoUids": ["2"],
            "subscribeUidGroup": 0,
            "privateParams": "{}",
        },
        "recordingFileConfig": {"avFileType": ["hls"]},
        "extensionServiceConfig": {"extensionServices": [{"serviceName": ""}]},
        "appsCollection": {"combinationPolicy": "default"},
        "transcodeOptions": {
            "container": {"format": "mp3"},
            "transConfig": {},
            "audio": {"sampleRate": "48000", "bitrate": "48000", "channels": "2"},
        },
        "storageConfig": STORAGE
        | {"fileNamePrefix": ["a"], "stsToken": "", "stsExpiration": 1_800_000_000},
    },
}


def paths(document: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something can be put in a document."""
    found = [at] if at else []
    if isinstance(document, dict):
        for key, value in document.items():
            found += paths(value, (*at, key))
    if isinstance(document, list):
        for index, value in enumerate(document):
            found += paths(value, (*at, index))
    return found


@st.composite
def mutants(draw: st.DrawFn) -> Any:
    """A legal document with up to three places spoilt."""
    document = copy.deepcopy(FULL)
    for _ in range(draw(st.integers(0, 3))):
        *parents, last = draw(st.sampled_from(paths(document)))
        inner = document
        for step in parents:
            inner = inner[step]
        if draw(st.booleans()) or not isinstance(inner, dict):
            inner[last] = draw(JUNK)
        else:
            del inner[last]
    return document


def check(farm: Farm, raw: bytes) -> None:
    farm.control.slots = 10**9
    running, sid = farm.started()
    ticket = farm.acquire()
    calls = {
        "/acquire",
        f"/resourceid/{ticket}/mode/mix/start",
        f"/resourceid/{ticket}/mode/individual/start",
        f"/resourceid/{ticket}/sid/{'0' * 32}/mode/mix/stop",
        f"/resourceid/{running}/sid/{sid}/mode/mix/update",
        f"/resourceid/{running}/sid/{sid}/mode/mix/updateLayout",
    }
    for path in calls:
        answer = farm.call("POST", path, data=raw, content_type="application/json")
        assert answer.status_code < 500
        if answer.status_code != 200:
            assert set(answer.json) == {"code", "reason"}
    for spec in farm.control.specs.values():
        spec.model_dump_json().encode()
    for _, change, at_ns in farm.control.orders:
        order = Order.read(1, Order.write(change, at_ns))
        assert type(change).told(order.event(at_ns).detail) == change


@MODEST
@given(document=mutants())
def test_spoilt_documents_are_never_our_fault(document: Any) -> None:
    check(Farm(), json.dumps(document).encode())


@MODEST
@given(document=JUNK)
def test_junk_is_never_our_fault(document: Any) -> None:
    check(Farm(), json.dumps(document).encode())


@MODEST
@given(raw=st.binary(max_size=200))
def test_bytes_are_never_our_fault(raw: bytes) -> None:
    check(Farm(), raw)


@MODEST
@given(text=st.text(max_size=80), sid=st.text(max_size=40), mode=st.text(max_size=10))
def test_paths_are_never_our_fault(text: str, sid: str, mode: str) -> None:
    farm = Farm()
    body = {"cname": CNAME, "uid": UID, "clientRequest": start_body()}
    try:
        f"{text}{sid}{mode}".encode()
    except UnicodeEncodeError:
        return  # no client can put it into a URL
    for method, path in (
        ("POST", f"/resourceid/{text}/mode/{mode}/start"),
        ("GET", f"/resourceid/{text}/sid/{sid}/mode/{mode}/query"),
        ("POST", f"/resourceid/{text}/sid/{sid}/mode/{mode}/stop"),
        ("POST", f"/resourceid/{text}/sid/{sid}/mode/{mode}/update"),
        ("POST", f"/resourceid/{text}/sid/{sid}/mode/{mode}/updateLayout"),
    ):
        answer = farm.call(method, path, body)
        assert 400 <= answer.status_code < 500


def test_the_document_that_is_spoilt_is_legal_to_begin_with() -> None:
    farm = Farm()
    assert farm.start(farm.acquire(), FULL["clientRequest"]).status_code == 200
