"""What each call does: documents in, documents out, errors as exceptions."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import BoundedSemaphore
from typing import Final

from api.agora import storage, translate
from api.agora.admission import Admission
from api.agora.errors import (
    AlreadyRunning,
    InvalidField,
    NoRecordedData,
    ResourceExpired,
    ResourceMismatch,
    UploadPending,
)
from api.agora.models import Envelope, StorageUpdate
from api.agora.owner import ANYTHING, Owner
from api.agora.resource import Resource, ResourceIds
from api.control import Control
from api.document import Document
from media.errors import Blame, FarmError
from workers.addresses import Border, HostRefused
from workers.job.errors import NoCapacity, NotFound, StoreTimeout
from workers.job.spec import Mode, RecordingSpec, Storage
from workers.job.status import RecordingStatus, StopOutcome

STOPS_WAITING: Final = 192  # at once in a process
_MOST_UNANSWERED: Final = 1000


class BucketRefused(FarmError):
    """The customer's bucket is out of reach or does not take our files."""

    blame = Blame.CUSTOMER


@dataclass(frozen=True, slots=True)
class AgoraService:
    """The calls of the dialect, without HTTP."""

    control: Control
    admission: Admission
    ids: ResourceIds
    border: Border
    channel_url: str
    quality_report: bool
    stop_wait_s: float
    owner: Owner = ANYTHING
    clock: Callable[[], int] = field(default=time.time_ns)  # Unix nanoseconds
    # Start calls answered with code 65 that may have been done: who repeats one needs the sid.
    _unanswered: deque[str] = field(default_factory=lambda: deque(maxlen=_MOST_UNANSWERED))
    # Stop calls that wait for files each hold a thread; the others are for everybody else.
    waiting: BoundedSemaphore = field(default_factory=lambda: BoundedSemaphore(STOPS_WAITING))

    def acquire(self, app_id: str, document: Document) -> Document:
        """A resource ID."""
        outer, request = translate.acquire_request(document)
        if not self.control.capacity(app_id, self.admission.allowance(app_id)):
            raise NoCapacity("no recorder slot is free")
        resource_id = self.ids.issue(
            app_id,
            outer.cname,
            outer.uid,
            scene=request.scene,
            hours=request.resource_expired_hour,
            now_ns=self.clock(),
        )
        return translate.acquired(outer, resource_id)

    def start(self, app_id: str, resource_id: str, mode: str, document: Document) -> Document:
        """Begin a recording; when this returns it is enqueued, when it raises nothing is."""
        outer, resource = self._addressed(app_id, resource_id, mode, document)
        try:
            resource.check_fresh(self.clock())
            wanted = translate.mode(mode)
            translate.check_scene(resource.scene, wanted)
            spec = self._spec(outer, resource, app_id, wanted)
            spec = self.admission.admitted(spec)
            self._check_bucket(spec.storage)
            allowance = self.admission.allowance(app_id)
            before = self.control.start(spec, resource.nonce, allowance)
        except StoreTimeout:
            self._unanswered.append(resource.sid)
            raise
        except FarmError as exc:
            if exc.blame is Blame.CUSTOMER:
                self._check_unused(resource)
            raise
        if before is not None:
            self._check_unanswered(resource)
        return translate.started(outer, resource_id, resource.sid)

    def query(self, app_id: str, resource_id: str, sid: str, mode: str) -> Document:
        """How a recording stands."""
        resource = self.ids.read(resource_id, app_id)
        status = _held(self._running(resource, sid, translate.mode(mode)))
        return translate.queried(status, resource_id)

    def stop(
        self, app_id: str, resource_id: str, sid: str, mode: str, document: Document
    ) -> Document:
        """End a recording; waits for its files unless asked not to."""
        outer, resource = self._addressed(app_id, resource_id, mode, document)
        wanted = translate.mode(mode)
        request = translate.stop_request(outer)
        self._running(resource, sid, wanted)
        outcome = self._stopped(sid, 0.0 if request.async_stop else self.stop_wait_s)
        if outcome.no_data:
            raise NoRecordedData(sid)
        if not outcome.uploaded and not request.async_stop:
            raise UploadPending("the files are not all uploaded yet, they will be")
        return translate.stopped(outcome, resource_id)

    def _stopped(self, sid: str, wait_s: float) -> StopOutcome:
        """Who finds too many waiting does not wait: the recording is stopped all the same."""
        if not wait_s or not self.waiting.acquire(blocking=False):
            return self.control.stop(sid, 0.0)
        try:
            return self.control.stop(sid, wait_s)
        finally:
            self.waiting.release()

    def update(
        self, app_id: str, resource_id: str, sid: str, mode: str, document: Document
    ) -> Document:
        """Change whom a recording records, and the keys of its bucket, from now on."""
        accepted_ns = self.clock()
        outer, resource = self._addressed(app_id, resource_id, mode, document)
        wanted = translate.mode(mode)
        request = translate.update_request(outer)
        status = _held(self._running(resource, sid, wanted))
        lists, config = translate.update(request, status), request.storage_config
        renewed = None if config is None else self._renewed(sid, config, accepted_ns)
        if lists is not None:
            self.control.order(sid, lists.wanted, accepted_ns)
        if renewed is not None:
            self.control.renew(sid, renewed)
        return translate.started(outer, resource_id, sid)

    def update_layout(
        self, app_id: str, resource_id: str, sid: str, mode: str, document: Document
    ) -> Document:
        """Change how a mix looks, from now on."""
        accepted_ns = self.clock()
        outer, resource = self._addressed(app_id, resource_id, mode, document)
        wanted = translate.mode(mode)
        if wanted is not Mode.MIX:
            raise InvalidField("mode", "Only a mix has a layout")
        look = translate.layout_request(outer)
        _held(self._running(resource, sid, wanted))
        self.control.order(sid, look, accepted_ns)
        return translate.started(outer, resource_id, sid)

    def _addressed(
        self, app_id: str, resource_id: str, mode: str, document: Document
    ) -> tuple[Envelope, Resource]:
        """The outer shape, and the ticket that it was acquired for."""
        outer = translate.envelope(document, web=mode == translate.WEB)
        resource = self.ids.read(resource_id, app_id)
        self.ids.check_owner(resource, outer.cname, outer.uid)
        return outer, resource

    def _check_unanswered(self, resource: Resource) -> None:
        """Whether a start that was done already is one whose answer got lost, repeated.

        Raises AlreadyRunning and ResourceExpired.
        """
        try:
            self._check_unused(resource)
        except AlreadyRunning:
            if resource.sid not in self._unanswered:
                raise
        else:
            raise _spent()

    def _check_unused(self, resource: Resource) -> None:
        """A repeated start is told so, whatever else is wrong with it or has changed meanwhile.

        Raises AlreadyRunning and ResourceExpired.
        """
        status = self.control.status(resource.sid)
        if status is None:
            return
        if status.ended:
            raise _spent()
        raise AlreadyRunning(resource.sid)

    def _spec(self, outer: Envelope, resource: Resource, app_id: str, mode: Mode) -> RecordingSpec:
        ticket = translate.Ticket(
            resource.sid,
            app_id,
            mode,
            self.channel_url,
            self.quality_report,
            self.clock(),
            self.owner,
        )
        spec, request = translate.start_spec(outer, ticket)
        if not self.owner.chose(request.storage_config):
            try:
                self.border.check(storage.host_of(spec.storage))
            except HostRefused as exc:
                where = "storageConfig.extensionParams.endpoint"
                raise InvalidField(where, str(exc).capitalize()) from exc
            # Whoever connects later looks again: names may lead elsewhere by then.
            public = {"public": not self.border.allows_private}
            spec = spec.model_copy(update={"storage": spec.storage.model_copy(update=public)})
        return spec

    def _renewed(self, sid: str, config: StorageUpdate, now_ns: int) -> Storage:
        """The bucket of a recording with the keys that are asked for; they have been tried."""
        renewed = storage.renewed(self.control.storage(sid), config, now_ns, self.owner)
        self._check_bucket(renewed)
        return renewed

    def _check_bucket(self, bucket: Storage) -> None:
        """Whatever the reason: a bucket that cannot be used now is the caller's to look at."""
        try:
            self.control.check_storage(bucket)
        except FarmError as exc:
            raise BucketRefused(f"storageConfig: {exc}") from exc

    def _running(self, resource: Resource, sid: str, wanted: Mode) -> RecordingStatus:
        """The recording, if it goes on and these IDs belong to it."""
        translate.check_sid(sid)
        status = self.control.status(sid)
        if status is None:
            raise NotFound(sid)
        if not resource.started(sid):
            raise ResourceMismatch("the sid does not belong to the resource ID")
        if status.ended or not resource.serves(status.accepted_ns, self.clock()):
            raise NotFound(sid)
        if status.mode is not wanted:
            raise InvalidField("mode", f"The recording was started in mode {status.mode}")
        return status


def _held(status: RecordingStatus) -> RecordingStatus:
    """Raises NotFound while a failover runs (reference §8.4).

    A stop is taken even then: whoever takes the recording over ends it.
    """
    if status.orphan:
        raise NotFound(status.sid)
    return status


def _spent() -> ResourceExpired:
    return ResourceExpired("the resource ID was used by a session that ended, acquire again")
