"""Callbacks that wait in Redis until their receiver said 200.

Those of one recording are sent in the order of their numbers, one after the other; recordings do
not wait for each other.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import redis
import structlog

from workers.apps import Apps
from workers.callbacks import notice
from workers.callbacks.notice import EventType
from workers.job.errors import NotFound, StoreUnavailable
from workers.job.spec import RecordingSpec
from workers.store import keys, notice_scripts
from workers.store.connect import our_errors
from workers.store.letter import Notices, letter

_HIDDEN_MS = 30_000  # a deliverer has this long before another one tries
_OLDEST_MS = 86_400_000  # what could not be sent for so long is dropped

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Due:
    """The next notice of a recording."""

    app_id: str
    sid: str
    entry: str  # its number, and which replay it belongs to
    attempts: int  # that failed so far
    text: str

    @property
    def sequence(self) -> int:
        """Its number in the recording."""
        return int(self.entry.partition(":")[0])


@dataclass(frozen=True, slots=True)
class Taken:
    """What a deliverer gets at a time."""

    due: list[Due]
    waiting: int  # notices, of all recordings
    dropped: int  # that waited for too long, or of too many, since the last time


class Outbox:
    """Puts notices in, and hands out those that are due.

    Every method but :meth:`make` and :meth:`tell` may raise StoreUnavailable.
    """

    def __init__(self, client: redis.Redis, apps: Apps) -> None:
        self._client = client
        self._apps = apps
        self._add = client.register_script(notice_scripts.ADD)
        self._due = client.register_script(notice_scripts.DUE)
        self._done = client.register_script(notice_scripts.DONE)
        self._again = client.register_script(notice_scripts.AGAIN)
        self._discard = client.register_script(notice_scripts.DISCARD)
        self._replay = client.register_script(notice_scripts.REPLAY)

    def make(
        self, spec: RecordingSpec, event: EventType, details: Mapping[str, Any], *, once: str = ""
    ) -> Notices:
        """What to give to a method of the store that changes what this tells of.

        Nothing, if nobody wants to hear it; with ``once`` it is told the first time only.
        """
        app = self._apps.find(spec.app_id)
        if app is None or not app.callback_url:
            return ()
        return (notice.make(spec, event, details, once=once),)

    def add(self, notices: Notices, *, fence: int | None = None) -> None:
        """Put in what tells of no change in Redis; with ``fence``, if we own the recording still.

        Raises NotFound when Redis does not know the recording (any more).
        """
        if not notices:
            return
        with our_errors():
            answer = self._add(
                keys=[keys.recording(notices[0].sid)],
                args=["" if fence is None else fence, letter(notices)],
            )
        if answer == "gone":
            raise NotFound(notices[0].sid)

    def tell(
        self, spec: RecordingSpec, event: EventType, details: Mapping[str, Any], *, once: str = ""
    ) -> None:
        """Make and add.  Never raises: such a notice must not stop what it tells of."""
        try:
            self.add(self.make(spec, event, details, once=once))
        except (StoreUnavailable, NotFound) as exc:
            log.warning("not told", sid=spec.sid, event_type=int(event), why=type(exc).__name__)

    def take(self, places: int, of: Mapping[str, int], of_others: int = 1) -> Taken:
        """Notices to send now, at most so many in all and ``of`` each app.

        They are hidden from others for a while.
        """
        pairs: list[str | int] = [item for row in of.items() for item in row]
        head: list[str | int] = [keys.PREFIX, _HIDDEN_MS, _OLDEST_MS, places, of_others]
        with our_errors():
            dropped, waiting, rows = self._due(keys=[keys.RECEIVERS], args=[*head, *pairs])
        due = [Due(app, sid, entry, int(tries), text) for app, sid, entry, tries, text in rows]
        return Taken(due, int(waiting), int(dropped))

    def done(self, sent: Due) -> Due | None:
        """It was delivered, or is given up; the next one of its recording, hidden as well."""
        with our_errors():
            answer = self._done(
                keys=[
                    keys.unsent(sent.sid),
                    keys.due(sent.app_id),
                    keys.backlog(sent.app_id),
                    keys.attempts(sent.sid),
                    keys.notices(sent.sid),
                ],
                args=[sent.sid, sent.entry, _HIDDEN_MS],
            )
        return Due(sent.app_id, sent.sid, answer[0], 0, answer[1]) if answer else None

    def again(self, sent: Due, pause_s: float, *, failed: bool) -> None:
        """Try it after a pause; ``failed`` counts as an attempt."""
        with our_errors():
            self._again(
                keys=[keys.unsent(sent.sid), keys.due(sent.app_id), keys.attempts(sent.sid)],
                args=[
                    *(sent.sid, sent.entry, int(pause_s * 1000)),
                    *(int(failed), keys.RESOURCE_KEPT_S),
                ],
            )

    def discard(self, app_id: str) -> int:
        """Forget what waits for an app that is no more; how many notices that were."""
        with our_errors():
            answer = self._discard(
                keys=[keys.due(app_id), keys.backlog(app_id), keys.RECEIVERS],
                args=[keys.PREFIX, app_id],
            )
        return int(answer)

    def replay(self, sid: str, event: int | None = None) -> int:
        """Send the notices of a recording once more, in order and with the same ids.

        Those of one type, if ``event`` names it.  Returns how many; raises NotFound.
        """
        with our_errors():
            count = self._replay(
                keys=[
                    keys.recording(sid),
                    keys.sequence(sid),
                    keys.notices(sid),
                    keys.unsent(sid),
                ],
                args=[
                    *(keys.PREFIX, sid, secrets.token_hex(4), keys.BACKLOG_MOST),
                    *("" if event is None else event, keys.RESOURCE_KEPT_S, keys.NOTICES_KEPT),
                ],
            )
        if int(count) < 0:
            raise NotFound(sid)
        return int(count)

    def told(self, sid: str) -> Sequence[str]:
        """What a recording told, in order, as far as it is kept."""
        with our_errors():
            rows = self._client.hgetall(keys.notices(sid))
        return [str(rows[number]) for number in sorted(rows, key=int)]
