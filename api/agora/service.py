"""What each call does: documents in, documents out, errors as exceptions."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from api.agora import storage, translate
from api.agora.errors import (
    AlreadyRunning,
    InvalidField,
    NoRecordedData,
    ResourceExpired,
    ResourceMismatch,
    UploadPending,
)
from api.agora.models import Envelope
from api.agora.resource import Resource, ResourceIds
from api.control import Control
from api.document import Document
from media.errors import Blame, FarmError
from workers.addresses import Border, HostRefused
from workers.job.errors import NoCapacity, NotFound
from workers.job.spec import Mode, RecordingSpec
from workers.job.status import RecordingStatus


class BucketRefused(FarmError):
    """The customer's bucket is out of reach or does not take our files."""

    blame = Blame.CUSTOMER


@dataclass(frozen=True, slots=True)
class AgoraService:
    """The calls of the dialect, without HTTP."""

    control: Control
    ids: ResourceIds
    border: Border
    channel_url: str
    quality_report: bool
    stop_wait_s: float
    clock: Callable[[], int] = field(default=time.time_ns)  # Unix nanoseconds

    def acquire(self, app_id: str, document: Document) -> Document:
        """A resource ID."""
        outer, request = translate.acquire_request(document)
        if not self.control.capacity():
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
        wanted = translate.mode(mode)
        outer = translate.envelope(document)
        resource = self._owned(app_id, resource_id, outer)
        self._check_fresh(resource)
        translate.check_scene(resource.scene)
        spec = self._spec(outer, resource, app_id, wanted)
        self._check_unused(resource)
        self._check_bucket(spec)
        if self.control.start(spec, resource.nonce) is not None:
            self._check_unused(resource)
            raise AlreadyRunning(spec.sid)  # somebody started it between the two looks
        return translate.started(outer, resource_id, spec.sid)

    def query(self, app_id: str, resource_id: str, sid: str, mode: str) -> Document:
        """How a recording stands."""
        resource = self.ids.read(resource_id, app_id)
        return translate.queried(self._running(resource, sid, mode), resource_id)

    def stop(
        self, app_id: str, resource_id: str, sid: str, mode: str, document: Document
    ) -> Document:
        """End a recording; waits for its files unless asked not to."""
        outer = translate.envelope(document)
        resource = self._owned(app_id, resource_id, outer)
        request = translate.stop_request(outer)
        self._running(resource, sid, mode)
        outcome = self.control.stop(sid, 0.0 if request.async_stop else self.stop_wait_s)
        if outcome.no_data:
            raise NoRecordedData(sid)
        if not outcome.uploaded and not request.async_stop:
            raise UploadPending("the files are not all uploaded yet, they will be")
        return translate.stopped(outcome, resource_id)

    def update(
        self, app_id: str, resource_id: str, sid: str, mode: str, document: Document
    ) -> Document:
        """Change whom a recording records, from now on."""
        accepted_ns = self.clock()
        outer = translate.envelope(document)
        resource = self._owned(app_id, resource_id, outer)
        request = translate.update_request(outer)
        wanted = translate.update(request, self._running(resource, sid, mode)).wanted
        self.control.order(sid, wanted, accepted_ns)
        return translate.started(outer, resource_id, sid)

    def update_layout(
        self, app_id: str, resource_id: str, sid: str, mode: str, document: Document
    ) -> Document:
        """Change how a mix looks, from now on."""
        accepted_ns = self.clock()
        outer = translate.envelope(document)
        resource = self._owned(app_id, resource_id, outer)
        look = translate.layout_request(outer)
        if self._running(resource, sid, mode).mode is not Mode.MIX:
            raise InvalidField("mode", "Only a mix has a layout")
        self.control.order(sid, look, accepted_ns)
        return translate.started(outer, resource_id, sid)

    def _owned(self, app_id: str, resource_id: str, outer: Envelope) -> Resource:
        resource = self.ids.read(resource_id, app_id)
        self.ids.check_owner(resource, outer.cname, outer.uid)
        return resource

    def _check_fresh(self, resource: Resource) -> None:
        """A recording that runs is said to run, however old its ticket is."""
        try:
            resource.check_fresh(self.clock())
        except ResourceExpired:
            self._check_unused(resource)
            raise

    def _check_unused(self, resource: Resource) -> None:
        status = self.control.status(resource.sid)
        if status is None:
            return
        if status.ended:
            raise ResourceExpired("the resource ID was used by a session that ended, acquire again")
        raise AlreadyRunning(resource.sid)

    def _spec(self, outer: Envelope, resource: Resource, app_id: str, mode: Mode) -> RecordingSpec:
        ticket = translate.Ticket(
            resource.sid, app_id, mode, self.channel_url, self.quality_report, self.clock()
        )
        spec, request = translate.start_spec(outer, ticket)
        if storage.chosen_by_customer(request.storage_config):
            try:
                self.border.check(storage.host_of(spec.storage))
            except HostRefused as exc:
                where = "storageConfig.extensionParams.endpoint"
                raise InvalidField(where, str(exc).capitalize()) from exc
        return spec

    def _check_bucket(self, spec: RecordingSpec) -> None:
        """Whatever the reason: a bucket that cannot be used now is the caller's to look at."""
        try:
            self.control.check_storage(spec.storage)
        except FarmError as exc:
            raise BucketRefused(f"storageConfig: {exc}") from exc

    def _running(self, resource: Resource, sid: str, mode: str) -> RecordingStatus:
        """The recording, if it goes on and these IDs belong to it."""
        wanted = translate.mode(mode)
        translate.check_sid(sid)
        status = self.control.status(sid)
        if status is None:
            raise NotFound(sid)
        if not resource.started(sid):
            raise ResourceMismatch("the sid does not belong to the resource ID")
        if status.ended or not resource.serves(self.clock()):
            raise NotFound(sid)
        if status.mode is not wanted:
            raise InvalidField("mode", f"The recording was started in mode {status.mode}")
        return status
