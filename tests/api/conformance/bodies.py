"""Bodies that are taken, in which a row changes one thing."""

import copy
import re
from typing import Any, Final

from tests.api.conformance.rows import ABSENT, value
from tests.api.farm import CNAME, NOW_NS, NS, STORAGE, UID, start_body

OUTER: Final = ("cname", "uid", "clientRequest")
IMAGE: Final = "https://img.example.com/a.jpg"
REGION: Final = {"x_axis": 0, "y_axis": 0, "width": 0, "height": 0}
_CUSTOM: Final = {"mixedVideoLayout": 3, "layoutConfig": [REGION]}
_PICTURES: Final = {"backgroundConfig": [{"uid": "7", "image_url": IMAGE}]}
_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


def body(call: str, field: str, written: str) -> dict[str, Any]:
    """A body with one field set or removed."""
    document = {
        "cname": CNAME,
        "uid": UID,
        "clientRequest": copy.deepcopy(_client(call, field, written)),
    }
    if field:
        _change(document, steps(field), written)
    return document


def steps(field: str) -> list[Any]:
    """A path in the whole body."""
    inner = [name or int(index) for name, index in _STEP.findall(field)]
    return inner if field in OUTER else ["clientRequest", *inner]


def _client(call: str, field: str, written: str) -> dict[str, Any]:
    custom = "layoutConfig[" in field or (field.endswith("layoutConfig") and "[{" in written)
    picture = _CUSTOM if custom else _PICTURES if "backgroundConfig[" in field else {}
    if call == "start":
        return _start(field, picture)
    if call == "update":
        lists = {"audioUidList": {"subscribeAudioUids": ["1"]}}
        lists = {} if field.startswith("streamSubscribe.") else lists
        keys = {"accessKey": "NEW", "secretKey": "NEW"}
        if field.startswith("storageConfig."):
            return {"storageConfig": keys}
        return {"streamSubscribe": lists}
    return dict(picture) if call == "updateLayout" else {}


def _start(field: str, picture: dict[str, Any]) -> dict[str, Any]:
    client = start_body()
    if picture:
        client["recordingConfig"]["transcodingConfig"] = picture
    if field.startswith("storageConfig.sts"):
        temporary = {"stsToken": "t", "stsExpiration": NOW_NS // NS + 4 * 3600}
        client["storageConfig"] = STORAGE | {"vendor": 1, "region": 7} | temporary
    if field.endswith(".sse"):
        client["storageConfig"] = STORAGE | {"vendor": 1, "region": 7}
    if field.startswith("snapshotConfig."):
        client["snapshotConfig"] = {"fileType": ["jpg"]}
    if field.startswith("extensionServiceConfig.extensionServices["):
        client["extensionServiceConfig"] = {"extensionServices": [{}]}
    return client


def _change(document: Any, path: list[Any], written: str) -> None:
    *parents, last = path
    for step, following in zip(parents, path[1:], strict=True):
        empty: Any = [None] if isinstance(following, int) else {}
        document = (
            document.setdefault(step, empty) if isinstance(document, dict) else document[step]
        )
    if written == ABSENT:
        document.pop(last, None)
    else:
        document[last] = value(written)
