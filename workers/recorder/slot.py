"""One recording in a recorder: the thread that does for its session what may block.

The session tapes on the event loop and never waits.  This thread keeps the lease, says which
slices are whole, and ends the recording.  While Redis is away the session goes on.
"""

import queue
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace

import structlog

from media.cut.look import Look
from media.rtc import steady
from media.tape.model import NS, PartManifest
from media.tape.reader import Tape
from media.tape.salvage import salvage
from workers.callbacks.outbox import Outbox
from workers.engine import Queues
from workers.job.ending import IDLE, STOPPED, TOKEN_EXPIRED
from workers.job.errors import NotFound, StoreUnavailable
from workers.job.order import standing
from workers.job.sealed import seal
from workers.job.spec import Mode, RecordingSpec
from workers.job.state import Event, State
from workers.metrics.metrics import Metrics
from workers.recorder import last_orders
from workers.recorder.loop import Loop
from workers.recorder.network import network_of
from workers.recorder.notices import FirstPacket, Notice, PartSealed, StreamState, Trouble
from workers.recorder.session import Session
from workers.recorder.telling import TOGETHER, Telling
from workers.recorder.timeline import Timeline, open_from_ns
from workers.settings import Settings
from workers.spool.spool import Closed, Folder
from workers.store.store import Claim, Forgotten, LeaseLost, Store, now_ns

_AHEAD_MOST_S = 5.0  # the clock of the owner before us may have been ahead of ours by this
_MAY_BE_TOLD = 1000  # notices, since we heard last how many there were

log = structlog.get_logger(__name__)


class Slot:
    """Runs once, in a thread of the worker's pool."""

    def __init__(
        self,
        claim: Claim,
        settings: Settings,
        store: Store,
        queues: Queues,
        outbox: Outbox,
        metrics: Metrics,
        loop: Loop,
        folder: Folder,
    ) -> None:
        self._claim = claim
        self._settings = settings
        self._store = store
        self._queues = queues
        self._outbox = outbox
        self._metrics = metrics
        self._loop = loop
        self._folder = folder
        self._log = log.bind(sid=claim.sid, fence=claim.fence)
        self._notices: queue.SimpleQueue[Notice | None] = queue.SimpleQueue()
        self._renewed_s = 0.0
        self._stop_ns = 0  # as the caller's host stamped it
        self._end_ns = 0  # the same by our clock
        self._ordered = 0  # number of the last order that is on the tape, or on its way there
        self._newest_order = 0  # number of the last one there is
        self._told = 0  # how many notices there were when we heard last
        self._is_joined = False  # and Redis knows it
        self._interrupted = False
        self._lost = False

    def wake(self) -> None:
        """Look at the recording's state now: it was asked to stop or to change.

        From any thread.
        """
        self._renewed_s = 0.0
        self._notices.put(None)

    def interrupt(self) -> None:
        """Let another recorder go on.  From any thread."""
        self._interrupted = True
        self._notices.put(None)

    def run(self, alone: Callable[[], bool]) -> None:
        """Tape the recording until it ends, or until somebody else has it.

        ``alone`` tells whether this process has no other one, so that its clock may be set.
        """
        spec = self._spec = self._store.spec(self._claim.sid)
        row = self._store.row(self._claim.sid)
        if row is None:
            return
        self._telling = Telling(self._outbox, self._metrics, spec, self._claim.fence)
        self._folder.make(seal(spec, self._settings.farm_key))
        salvage(self._folder.tape)
        tape = Tape(self._folder.tape)
        parts = tape.manifests()
        accepted_ns = _ours(row.accepted_ns)
        self._timeline = Timeline(accepted_ns, row.origin_ns, int(self._settings.late_s * NS))
        self._timeline.sealed(row.units_sealed)
        for part in parts:
            self._timeline.covered(part.until_ns)
        until_ns = self._timeline.covered_ns + NS
        first = None if row.origin_ns else next(tape.packets(0, until_ns), None)
        if first is not None:  # the owner before us taped it and could not say so
            self._timeline.begin(first.arrival_ns)
        closed, number = self._folder.closed(), _next_number(parts)
        if closed is None and self._claim.state is State.STOPPING:
            self._obey_on_tape(parts, number)
        if closed is not None or self._claim.state is State.STOPPING:
            # The owner before us died at its last step, or before it could see the stop.
            self._close(spec, closed or self._timeline.close(row.stop_ns, STOPPED))
            return
        if 0 < spec.limits.until_ns <= now_ns():
            self._close(spec, self._timeline.close(_ours(spec.limits.until_ns), TOKEN_EXPIRED))
            return
        if self._claim.fence > 1:
            self._metrics.failovers.inc()
        self._go_on_from(self._timeline.covered_ns, alone)
        self._tape(spec, parts)

    def _go_on_from(self, covered_ns: int, alone: Callable[[], bool]) -> None:
        """See that our clock is not behind the tape: its owner's host may have been ahead."""
        ahead_s = (covered_ns - steady.now_ns()) / NS
        if ahead_s <= 0:
            return
        self._log.warning("the tape ends later than it is", seconds=round(ahead_s, 3))
        if alone():
            steady.align(covered_ns)
        else:
            time.sleep(min(ahead_s, _AHEAD_MOST_S))

    def _tape(self, spec: RecordingSpec, parts: Sequence[PartManifest]) -> None:
        network = network_of(self._settings, spec.channel_url)
        session = self._loop.call(
            lambda: Session(
                spec,
                self._settings,
                self._folder,
                fence=self._claim.fence,
                first_number=_next_number(parts),
                before=parts[-1] if parts else None,
                drain=self._loop.drain,
                network=network,
                metrics=self._metrics,
                notify=self._notices.put,
                origin_ns=self._timeline.origin_ns,
                sealed_ns=self._timeline.covered_ns,
            )
        )
        self._metrics.recordings_active.inc()
        try:
            self._remember_orders(session, parts)
            self._hear_orders(session)
            running = self._loop.start(session.run())
            running.add_done_callback(lambda _: self._notices.put(None))
            if self._timeline.origin_ns:
                self._loop.soon(session.count_from, self._timeline.origin_ns)
            self._ask_images(spec.look)
            self._attend(spec, session, running)
            reason = running.result()
        except BaseException:
            # Nobody keeps its lease or hears its stop any more: another owner goes on.
            self._loop.soon(session.stop_now)
            raise
        finally:
            self._metrics.recordings_active.dec()
        self._ended(spec, reason)

    def _tell(self) -> None:
        """Say that we are there, and what is to be told since."""
        if self._lost or (self._is_joined and not self._telling.waits):
            return
        try:
            if not self._is_joined:
                self._store.move(self._claim, Event.JOINED, notices=self._telling.started())
                self._is_joined = True
            self._telling.send()
        except LeaseLost:
            self._lost = True
        except (Forgotten, NotFound):
            self._remind()
        except StoreUnavailable:
            self._log.warning("not told, will be later")

    def _attend(self, spec: RecordingSpec, session: Session, running: "Future[str]") -> None:
        """Until the session is over and its last notice is heard."""
        asked = False
        self._tell()
        while not running.done() or not self._notices.empty():
            for notice in self._next_notices():
                self._hear(session, notice)
            self._renew()
            self._tell()
            if self._newest_order > self._ordered:
                self._hear_orders(session)
            if not asked and (self._interrupted or self._lost):
                asked = True
                self._loop.soon(session.stop_now)
            elif not asked and self._stop_ns:
                asked = True
                self._loop.soon(session.stop_at, self._end_ns)
            self._say_sealed(spec)

    def _next_notices(self) -> Iterator[Notice]:
        """Those that are there, or the next one if it comes soon.

        A slow Redis is asked once for many of them, or it would never catch up.
        """
        pause_s = self._settings.lease_ttl_s / 3
        for _ in range(TOGETHER):
            try:
                notice = self._notices.get(timeout=pause_s)
            except queue.Empty:
                return
            pause_s = 0.0
            if notice is not None:
                yield notice

    def _hear(self, session: Session, notice: Notice) -> None:
        match notice:
            case FirstPacket(at_ns):
                if self._timeline.begin(at_ns):
                    waited_s = max(0.0, (at_ns - self._timeline.accepted_ns) / NS)
                    self._metrics.recording_start.observe(waited_s)
                self._loop.soon(session.count_from, self._timeline.origin_ns)
            case PartSealed(part):
                self._timeline.covered(part.until_ns)
                self._metrics.tape_bytes.inc(part.bytes)
            case Trouble():
                self._telling.trouble(notice)
            case StreamState() if notice.arrives or not self._interrupted:
                self._telling.stream(notice)

    def _remember_orders(self, session: Session, parts: Sequence[PartManifest]) -> None:
        """What holds is said again on our tape: that of the owner before us is deleted one day."""
        for order in standing(event for part in parts for event in part.events):
            self._ordered = max(self._ordered, order.number)
            self._loop.soon(session.obey, order, order.at_ns)

    def _hear_orders(self, session: Session) -> None:
        try:
            orders = self._store.orders.since(self._claim.sid, self._ordered)
        except StoreUnavailable:
            self._log.warning("orders not heard, will be later")
            return
        for order in orders:
            self._ordered = order.number
            self._loop.soon(session.obey, order, _ours(order.at_ns))
            if order.look is not None:
                self._ask_images(order.look)
            late_s = (steady.now_ns() - _ours(order.at_ns)) / NS
            self._log.info("order heard", kind=order.kind.value, late_s=round(late_s, 3))

    def _ask_images(self, look: Look) -> None:
        """A slice that is not on tape yet: its cutter has time to fetch its images."""
        if not look.urls or self._spec.mode is not Mode.MIX:
            return
        try:
            self._queues.cut(self._claim.sid, self._timeline.units_sealed)
        except StoreUnavailable:
            self._log.info("images not asked for, the cut will fetch them")

    def _obey_on_tape(self, parts: Sequence[PartManifest], number: int) -> None:
        """Orders that nobody heard before the recording was asked to stop."""
        known = standing(event for part in parts for event in part.events)
        heard = max((order.number for order in known), default=0)
        orders = self._store.orders.since(self._claim.sid, heard)
        timeline, late_ns = self._timeline, int(self._settings.late_s * NS)
        open_ns = open_from_ns(timeline.origin_ns, timeline.covered_ns, late_ns)
        timed = [replace(order, at_ns=max(_ours(order.at_ns), open_ns)) for order in orders]
        if timed:
            write = last_orders.write(self._folder, self._claim.fence, number, timed)
            self._loop.start(write).result(timeout=self._settings.tape_seal_s)

    def _renew(self) -> None:
        if self._lost or time.monotonic() - self._renewed_s < self._settings.lease_ttl_s / 3:
            return
        self._renewed_s = time.monotonic()
        try:
            renewal = self._store.renew(self._claim, self._settings.lease_ttl_s)
            self._stop_ns, self._newest_order = renewal.stop_ns, renewal.order
            self._told = max(self._told, renewal.told)
            if self._stop_ns and not self._end_ns:
                self._end_ns = _ours(self._stop_ns)
        except LeaseLost:
            self._lost = True
            self._log.warning("lease lost, another recorder has the recording")
        except Forgotten:
            self._remind()
        except StoreUnavailable:
            self._log.warning("lease not renewed, taping goes on")

    def _remind(self) -> None:
        """Redis lost its data, a stop call that was under way included; we have the recording."""
        self._log.warning("redis forgot the recording, telling it again")
        may_have_told = self._told or self._is_joined or self._claim.fence > 1
        try:
            self._store.restore(
                self._store.credentials.newest(self._spec, self._folder.spec()),
                State.RECORDING,
                self._claim.fence,
                told=self._told + _MAY_BE_TOLD if may_have_told else 0,
                origin_ns=self._timeline.origin_ns,
                units_sealed=self._timeline.units_sealed,
                stop_ns=self._stop_ns,
                order=self._ordered,
            )
            self._store.renew(self._claim, self._settings.lease_ttl_s)
        except (StoreUnavailable, LeaseLost, Forgotten):
            self._renewed_s = 0.0  # look again at once

    def _say_sealed(self, spec: RecordingSpec) -> None:
        """Tell Redis how far the tape is, and ask for the slices that became whole."""
        ready = self._timeline.ready()
        if self._lost or not (ready or self._timeline.news):
            return
        try:
            units = self._timeline.offer()
            self._store.write(self._claim, origin_ns=self._timeline.origin_ns, units_sealed=units)
            self._timeline.sealed(units)
            self._timeline.news = False
            self._metrics.slices_taped.inc(len(ready))
            for number in ready:
                self._queues.cut(spec.sid, number)
        except LeaseLost:
            self._lost = True
        except Forgotten:
            self._remind()
        except StoreUnavailable:
            self._log.warning("slices not announced or asked for, will be later")

    def _ended(self, spec: RecordingSpec, reason: str) -> None:
        if self._lost:
            return
        if self._interrupted and not self._stop_ns:
            self._log.info("recording handed over")
            self._store.release(self._claim)
            return
        end_ns = self._end_ns or steady.now_ns()
        if reason == IDLE:
            end_ns -= spec.limits.max_idle_s * NS
        if reason == TOKEN_EXPIRED:
            until_ns = _ours(spec.limits.until_ns)
            if 0 < self._end_ns <= until_ns:
                reason = STOPPED  # in time, though we heard of it later
            end_ns = min(end_ns, until_ns)
        self._close(spec, self._timeline.close(end_ns, reason))

    def _close(self, spec: RecordingSpec, closed: Closed) -> None:
        """The tape is complete.  Retried for as long as Redis is away: nothing may be lost."""
        self._folder.close(closed)
        self._log.info("tape closed", reason=closed.reason, slices=closed.units)
        while True:
            try:
                self._telling.send()
                self._announce(spec, closed)
            except LeaseLost:
                return
            except (Forgotten, NotFound):
                self._remind()
            except StoreUnavailable:
                self._log.warning("closed tape not announced, will be later")
                time.sleep(1)
            else:
                break

    def _announce(self, spec: RecordingSpec, closed: Closed) -> None:
        self._store.tape_closed(
            self._claim,
            spec,
            notices=self._telling.left(closed.reason),
            origin_ns=closed.origin_ns,
            end_ns=closed.end_ns,
            units_sealed=closed.units,
            reason=closed.reason,
            no_data=int(closed.units == 0),
        )
        self._metrics.slices_taped.inc(closed.units - self._timeline.units_sealed)
        for number in range(self._timeline.units_sealed, closed.units):
            self._queues.cut(spec.sid, number)
        if not closed.units:
            self._queues.deliver(spec.sid)


def _next_number(parts: Sequence[PartManifest]) -> int:
    return max((part.number for part in parts), default=-1) + 1


def _ours(wall_ns: int) -> int:
    """When by our clock another process stamped something; that is not in the future."""
    return min(steady.of_wall(wall_ns), steady.now_ns())
