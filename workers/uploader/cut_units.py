"""The cut slices of recordings, each read from the spool once: they never change."""

import threading
from collections import OrderedDict

from workers.spool.spool import Folder, Unit

_RECORDINGS = 256


class CutUnits:
    """Remembers the recordings that were looked at last.  Used by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._units: OrderedDict[str, tuple[Unit, ...]] = OrderedDict()

    def of(self, folder: Folder) -> list[Unit]:
        """Slices in order, up to the first that is not cut."""
        name = str(folder.path)
        with self._lock:
            known = self._units.pop(name, ())
        units = list(known)
        while (unit := folder.unit(len(units))) is not None:
            units.append(unit)
        with self._lock:
            self._units[name] = tuple(units)
            while len(self._units) > _RECORDINGS:
                self._units.popitem(last=False)
        return units
