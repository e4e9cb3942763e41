"""Spells in which a recording's files do not arrive in the bucket."""

from enum import StrEnum

import redis

from workers.store import keys, notice_scripts
from workers.store.connect import our_errors
from workers.store.letter import Notices, letter


class Files(StrEnum):
    """What a bucket does not take of one kind, it may take of another."""

    WHOLE = "failing_whole_ms"  # as the field of the recording is called
    GROWING = "failing_growing_ms"


class Troubles:
    """Of all recordings.  Every method may raise StoreUnavailable."""

    def __init__(self, client: redis.Redis) -> None:
        self._begin = client.register_script(notice_scripts.TROUBLE)
        self._end = client.register_script(notice_scripts.RECOVERED)

    def begin(self, sid: str, of: Files, now_ms: int) -> int:
        """A file did not arrive; since when that is so, Unix milliseconds.

        0 if nobody need hear of it: growing files do not arrive where no other does.
        """
        with our_errors():
            args = [of.value, now_ms, Files.WHOLE.value]
            return int(self._begin(keys=[keys.recording(sid)], args=args))

    def end(self, sid: str, of: Files, told: list[str], notices: Notices) -> bool:
        """A file arrived: whether that ends a spell.

        Then the notices are told, and those that were ``told`` once may be told again.
        """
        with our_errors():
            return bool(
                self._end(
                    keys=[keys.recording(sid), keys.said(sid)],
                    args=[of.value, *told, letter(notices)],
                )
            )
