"""What a recorder tells the customer of one recording."""

from collections import deque
from collections.abc import Mapping
from itertools import islice
from typing import Any

import structlog

from media.tape.model import Kind
from workers.callbacks.notice import EventType, Level, Module, error
from workers.callbacks.outbox import Outbox
from workers.job.ending import ending
from workers.job.spec import RecordingSpec
from workers.metrics.metrics import Metrics
from workers.recorder.notices import StreamState, Trouble
from workers.store.letter import Notice, Notices
from workers.store.store import TOLD_AT_FIRST

_NOT_CONNECTED = 10  # the RTC SDK's ERR_TIMEDOUT
_AT_FIRST = (EventType.RECORDER_STARTED, EventType.UPLOADER_STARTED)
_MOST = 256  # notices that wait for a Redis that is away
TOGETHER = 64  # that go there with one command, however slow it is

log = structlog.get_logger(__name__)


class Telling:
    """Of one owner.  Notices of a change of state go with the change; others wait here for Redis.

    Used by the recording's own thread.
    """

    def __init__(self, outbox: Outbox, metrics: Metrics, spec: RecordingSpec, fence: int) -> None:
        self._outbox = outbox
        self._metrics = metrics
        self._spec = spec
        self._fence = fence
        self._waiting: deque[Notice] = deque()

    def started(self) -> Notices:
        """A recorder has it; another one, if it is not the first."""
        told = [*self._began()]
        if self._fence > 1:
            uid = self._spec.recorder_uid
            details = {"newUid": int(uid) if uid.isdecimal() else uid}
            told += self._make(EventType.SESSION_FAILOVER, details, f"failover:{self._fence}")
        return told

    def left(self, reason: str) -> Notices:
        """The recorder left the channel, and why if that was not asked for.

        It may have been stopped before it entered.
        """
        end, told = ending(reason), [*self._began()]
        if end.error_code:
            fatal = error(Module.RECORDER, Level.FATAL, end.error_code, reason)
            told += self._make(EventType.ERROR, fatal, "fatal")
        return [*told, *self._make(EventType.RECORDER_LEAVE, {"leaveCode": end.leave_code}, "left")]

    def _began(self) -> Notices:
        return [
            notice
            for event, once in zip(_AT_FIRST, TOLD_AT_FIRST, strict=True)
            for notice in self._make(event, {"status": 0}, once)
        ]

    def trouble(self, heard: Trouble) -> None:
        """A publisher cannot be heard."""
        why = f"publisher {heard.uid} cannot be heard, trying again: {heard.reason}"
        details = error(Module.RECORDER, Level.MEDIUM, _NOT_CONNECTED, why)
        self._later(EventType.ERROR, details)

    def stream(self, heard: StreamState) -> None:
        """A publisher's sound or picture begins to arrive, or does not any more."""
        at_ms = heard.at_ns // 1_000_000
        event = EventType.AUDIO_STREAM if heard.kind is Kind.AUDIO else EventType.VIDEO_STREAM
        state = 0 if heard.arrives else 1
        # The time has one name in the documents and another in real traffic (reference §10, 12).
        times = {"UtcMs": at_ms, "utcMs": at_ms}
        self._later(event, {"streamUid": heard.uid, "state": state, **times})

    @property
    def waits(self) -> bool:
        """Whether something is not in Redis yet."""
        return bool(self._waiting)

    def send(self) -> None:
        """Put what waits into Redis, in order.  Raises StoreUnavailable and NotFound."""
        while self._waiting:
            together = tuple(islice(self._waiting, TOGETHER))
            self._outbox.add(together, fence=self._fence)
            for _ in together:
                self._waiting.popleft()

    def _later(self, event: EventType, details: Mapping[str, Any]) -> None:
        if len(self._waiting) >= _MOST:
            self._waiting.popleft()
            self._metrics.callbacks.labels("dropped").inc()
            log.warning("a callback is dropped, redis has been away for long", sid=self._spec.sid)
        self._waiting += self._make(event, details)

    def _make(self, event: EventType, details: Mapping[str, Any], once: str = "") -> Notices:
        return self._outbox.make(self._spec, event, details, once=once)
