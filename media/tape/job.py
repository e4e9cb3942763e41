"""The disk thread's side of a tape."""

import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import structlog

from media.errors import TapeTaken
from media.tape.draft import Draft
from media.tape.model import PartManifest
from media.tape.part import OpenPart, write_manifest

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 5.0  # between attempts on a disk that refuses

log = structlog.get_logger(__name__)


class TapeJob:
    """Writes drafts in their order; only the list of them is shared with the event loop."""

    def __init__(
        self,
        directory: Path,
        drafts: list[Draft],
        *,
        on_sealed: Callable[[PartManifest], None],
        on_taken: Callable[[], None],
        on_full: Callable[[bool], None],
    ) -> None:
        """``on_taken``: the tape is somebody else's now."""
        self.closed: Future[None] = Future()
        self.error: Exception | None = None
        self.last = False  # no more drafts will come
        self.abandoned = False  # what waits is not worth trying any more
        self.hold = on_full
        self._directory = directory
        self._drafts = drafts
        self._on_sealed = on_sealed
        self._on_taken = on_taken
        self._part: OpenPart | None = None
        self._pause_s = FIRST_PAUSE_S
        self._retry_at = 0.0

    @property
    def waiting_bytes(self) -> int:
        """Bytes that the operating system does not have."""
        part = self._part
        rest = part.waiting_bytes if part is not None else 0
        return rest + sum(draft.waiting_bytes for draft in tuple(self._drafts))

    def work(self) -> bool:
        """See DiskJob."""
        if self.abandoned:
            self._give_up()
            return True
        if self.error is not None and time.monotonic() < self._retry_at:
            for draft in tuple(self._drafts):
                draft.pack()
            return False
        last = self.last
        try:
            while self._drafts and self._write(self._drafts[0]):
                pass
        except OSError as exc:
            self.fail(exc)
            return False
        except TapeTaken as exc:
            log.error("another recorder took the tape over", error=str(exc))
            self.error = exc
            self._give_up()
            return True
        if self.error is not None:
            log.info("the disk takes the tape again")
        self.error, self._pause_s = None, FIRST_PAUSE_S
        if last:
            self.closed.set_result(None)
        return last

    def fail(self, error: Exception) -> None:
        """See DiskJob."""
        if self.error is None:
            log.error("the disk refuses the tape", error=str(error))
        self.error = error
        self._retry_at = time.monotonic() + self._pause_s
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)

    def _write(self, draft: Draft) -> bool:
        """Write what there is; whether the draft is done and the next one follows."""
        part = self._part
        if part is None:
            part = self._part = OpenPart(self._directory, draft.head)
        ended = draft.until_ns is not None  # asked before its blocks are taken
        part.flush()
        part.write(draft.take())
        if not ended:
            return False
        part.finish()
        manifest = draft.manifest(part.size)
        write_manifest(self._directory, manifest)
        self._part = None
        del self._drafts[0]
        self._tell(manifest)
        return True

    def _give_up(self) -> None:
        """What is on disk is left to the tape's next owner."""
        self._on_taken()
        self._drafts.clear()
        if self._part is not None:
            self._part.drop()
            self._part = None
        self.closed.set_result(None)

    def _tell(self, manifest: PartManifest) -> None:
        try:
            self._on_sealed(manifest)
        except Exception:  # the listener's bug must not stop the tape; the part is safe
            log.exception("nobody could be told of a sealed part", part=manifest.name)
