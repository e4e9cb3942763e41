"""The sealed parts in a directory."""

import json
import re
from collections.abc import Callable
from pathlib import Path

from media.errors import TapeDamaged
from media.tape.checks import check_manifest
from media.tape.format import PartReader
from media.tape.model import PartManifest, Track
from media.tape.part import MANIFEST_SUFFIX, SUFFIX

_MANIFEST = re.compile(r"\d{4,}-\d{6,}\.json")


class Shelf:
    """Finds and opens parts; remembers manifests, for they never change."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._manifests: dict[str, PartManifest] = {}

    def manifests(self) -> list[PartManifest]:
        """Those of all sealed parts, in time order.  Raises TapeDamaged."""
        names = {path.name for path in self.directory.glob("*" + MANIFEST_SUFFIX)}
        names = {name for name in names if _MANIFEST.fullmatch(name)}
        for gone in self._manifests.keys() - names:
            del self._manifests[gone]
        for name in names - self._manifests.keys():
            manifest = load_manifest(self.directory / name)
            if manifest is not None:
                self._manifests[name] = manifest
        return sorted(
            self._manifests.values(), key=lambda part: (part.from_ns, part.fence, part.number)
        )

    def open(
        self,
        part: PartManifest,
        *,
        wants: Callable[[Track], bool] | None = None,
        events: bool = False,
    ) -> PartReader:
        """A reader of a part's file.  Raises TapeDamaged when the file is not there."""
        path = self.directory / (part.name + SUFFIX)
        try:
            data = path.read_bytes()
        except OSError as exc:
            raise TapeDamaged(f"part {part.name} cannot be read: {exc.strerror}") from exc
        return PartReader(data, wants=wants, events=events)

    def remove(self, part: PartManifest) -> None:
        """Delete a part; idempotent.

        The manifest goes first: what a crash leaves in between is a part waiting to be sealed
        again, not a manifest that promises media.
        """
        (self.directory / (part.name + MANIFEST_SUFFIX)).unlink(missing_ok=True)
        (self.directory / (part.name + SUFFIX)).unlink(missing_ok=True)


def load_manifest(path: Path) -> PartManifest | None:
    """The manifest in a file, None if there is no such file.  Raises TapeDamaged."""
    try:
        manifest = PartManifest.from_json(json.loads(path.read_text(encoding="utf-8")))
        check_manifest(manifest, path.stem)
    except FileNotFoundError:
        return None  # trimmed at this moment
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise TapeDamaged(f"the manifest {path.name} cannot be read") from exc
    return manifest
