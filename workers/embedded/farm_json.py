"""``farm.json``: how scripts find and use a farm that `tapefarm up` started."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from workers.embedded.keys import Keys
from workers.embedded.private_file import write_private
from workers.embedded.s3_address import S3Address

_SINGLE = ("api", "reconciler", "redis", "s3", "room")  # null when not ours
_MANY = ("recorder", "cutter", "uploader")
_NUMBERED = re.compile(r"-\d+$")
_Row = TypeVar("_Row", int, str)


@dataclass(frozen=True, slots=True)
class Wiring:
    """Every address of a running farm."""

    api: str
    room: str | None  # base URL of the embedded room, or None when the channel is elsewhere
    channel: str
    redis: str = field(repr=False)
    s3: S3Address
    metrics: Mapping[str, str]  # process name ("recorder-1") to URL


def document(wiring: Wiring, keys: Keys, pids: Mapping[str, int]) -> dict[str, Any]:
    """The contents; ``pids`` by process name, each the leader of its process group."""
    s3 = wiring.s3
    return {
        "api": wiring.api,
        "app_id": keys.app_id,
        "customer_key": keys.customer_key,
        "customer_secret": keys.customer_secret,
        "videosdk": {"api_key": keys.videosdk_api_key, "secret": keys.videosdk_secret},
        "realtimekit": {
            "account_id": keys.realtimekit_account_id,
            "app_id": keys.realtimekit_app_id,
            "api_token": keys.realtimekit_api_token,
        },
        "s3": {
            "endpoint": s3.endpoint,
            "access_key": s3.access_key,
            "secret_key": s3.secret_key,
            "bucket": s3.bucket,
            "secure": s3.secure,
        },
        "room": wiring.room,
        "channel": wiring.channel,
        "redis": wiring.redis,
        "callback_secret": keys.callback_secret,
        "metrics": {
            **{role: wiring.metrics.get(role) for role in ("api", "reconciler")},
            **{role: list(_of_role(wiring.metrics, role).values()) for role in _MANY},
        },
        "pids": {
            **{role: pids.get(role) for role in _SINGLE},
            **{role: list(_of_role(pids, role).values()) for role in _MANY},
        },
    }


def write(path: Path, contents: Mapping[str, Any]) -> None:
    """Replace the file; readable by its owner only, as it holds secrets."""
    write_private(path, json.dumps(contents, indent=2) + "\n")


def _of_role(rows: Mapping[str, _Row], role: str) -> dict[str, _Row]:
    return {name: row for name, row in rows.items() if _NUMBERED.sub("", name) == role}
