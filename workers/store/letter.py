"""Notices to a customer that go into Redis together with what they tell of."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from workers.store import keys


@dataclass(frozen=True, slots=True)
class Notice:
    """One notice, without what is known only later: its number and when it is sent."""

    sid: str
    app_id: str  # who hears of it
    id: str
    text: str  # JSON
    once: str = ""  # of this name the recording tells once; "": as often as it is said
    once_s: int = 0  # how long that name is remembered after it was last said; 0: as it all is


Notices = Sequence[Notice]


def letter(notices: Notices) -> str:
    """The last argument of a script that tells, see ``notice_scripts.TELL``.

    All of them are of one recording.
    """
    if not notices:
        return '{"notices":[]}'
    first = notices[0]
    return json.dumps(
        {
            "prefix": keys.PREFIX,
            "sid": first.sid,
            "app": first.app_id,
            "ttl": keys.RESOURCE_KEPT_S,
            "kept": keys.NOTICES_KEPT,
            "most": keys.BACKLOG_MOST,
            "notices": [asdict(notice) for notice in notices],
        },
        separators=(",", ":"),
    )
