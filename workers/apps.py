"""The customers of the farm, as every process knows them."""

import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import structlog

from workers.apps_file import AppsFile, BadApps, Stamp
from workers.settings import App

log = structlog.get_logger(__name__)

_LOOK_EVERY_S = 1.0
_LOOK_AGAIN_S = 0.25  # for a file that was written just now


class Apps:
    """Who may call, and who is called back.  Used by many threads at once.

    Those of the settings, and those of a file that is read again when it changed.  A file that
    cannot be read, or is not right as a whole, changes nothing.
    """

    def __init__(
        self,
        apps: Iterable[App],
        file: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``clock`` gives seconds.  Raises BadApps."""
        self._fixed = tuple(apps)
        self._file = None if file is None else AppsFile(file)
        self._clock = clock
        self._lock = threading.Lock()  # held by who looks; the others go on with what stands
        self._due_s = 0.0
        self._stamp: Stamp | None = None
        self._take(())
        if self._file is not None:
            self._stamp = self._file.stamp()
            self._take(self._file.read())
            self._due_s = clock() + _LOOK_EVERY_S

    def current(self) -> tuple[App, ...]:
        """All of them, as they stand at this moment.

        The same object as long as nothing changed, so that what is made of it can be kept.
        """
        self._refresh()
        return self._apps

    def find(self, app_id: str) -> App | None:
        """One of them."""
        self._refresh()
        return self._by_id.get(app_id)

    def _refresh(self) -> None:
        if self._file is None or self._clock() < self._due_s:
            return
        if self._lock.acquire(blocking=False):
            try:
                self._due_s = self._clock() + _LOOK_EVERY_S
                self._look(self._file)
            finally:
                self._lock.release()

    def _look(self, file: AppsFile) -> None:
        stamp = file.stamp_or_none()
        if stamp == self._stamp:
            return
        if stamp is not None and stamp.young:
            self._due_s = self._clock() + _LOOK_AGAIN_S
            return
        self._stamp = stamp  # whatever is wrong with it is said once
        try:
            self._take(file.read())
        except BadApps as exc:
            log.error("the file of apps is not taken, what stood before goes on", reason=str(exc))
        else:
            log.info("the file of apps was read again", apps=len(self._apps))

    def _take(self, more: tuple[App, ...]) -> None:
        apps = (*self._fixed, *more)
        by_id: dict[str, App] = {}
        for app in apps:
            if by_id.setdefault(app.app_id, app) is not app:
                raise BadApps(f"the app_id {app.app_id} is there twice")
        self._apps, self._by_id = apps, by_id
