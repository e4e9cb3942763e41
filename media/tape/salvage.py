"""Sealing what a dead recorder left behind."""

import os
import re
from pathlib import Path

import structlog

from media.errors import TapeDamaged
from media.tape.format import PartHead, PartReader
from media.tape.model import PartManifest
from media.tape.part import (
    MANIFEST_SUFFIX,
    SUFFIX,
    write_manifest,
)

log = structlog.get_logger(__name__)

DAMAGED_SUFFIX = ".damaged"
_NAME = re.compile(r"(?P<stem>(?P<fence>\d{4,})-(?P<number>\d{6,}))\.pcapng(\.open)?")


def salvage(directory: Path) -> list[PartManifest]:
    """Seal every part that was not, and return their manifests in order.  Idempotent.

    The caller guarantees that nobody writes them any more.  A torn last block is cut off; a part
    whose very beginning cannot be read is put aside under another name.
    """
    manifests = (_seal(path, head) for path, head in _unsealed(directory))
    return [manifest for manifest in manifests if manifest is not None]


def _unsealed(directory: Path) -> list[tuple[Path, PartHead]]:
    """Files without a manifest, with what their names say."""
    found = []
    for path in sorted(directory.glob("*" + SUFFIX + "*")):
        name = _NAME.fullmatch(path.name)
        # The crash may have come between the renames of part and manifest.
        if name and not (directory / (name["stem"] + MANIFEST_SUFFIX)).exists():
            found.append((path, PartHead(int(name["fence"]), int(name["number"]), 0)))
    return found


def _seal(path: Path, name: PartHead) -> PartManifest | None:
    final = path.with_name(name.name + SUFFIX)
    reader = PartReader(path.read_bytes())
    arrivals, damage = _arrivals(reader)
    if reader.head is None or (path != final and final.exists()):
        log.warning("a part is put aside", part=path.name, error=damage)
        path.rename(path.with_name(path.name + DAMAGED_SUFFIX))
        return None
    if damage:
        log.warning("a part is damaged", part=path.name, error=damage)
    else:
        _cut_torn_end(path, reader.good)
    path.rename(final)
    from_ns = min([reader.head.from_ns, *arrivals])
    last_ns = max([from_ns - 1, *arrivals, *(event.at_ns for event in reader.events)])
    manifest = PartManifest(
        name.name,
        name.fence,
        name.number,
        from_ns,
        last_ns + 1,
        len(arrivals),
        final.stat().st_size,
        tuple(reader.tracks),
        tuple(reader.events),
        salvaged=True,
    )
    write_manifest(path.parent, manifest)
    return manifest


def _arrivals(reader: PartReader) -> tuple[list[int], str]:
    """When each packet that can be read arrived, and why there are no more."""
    arrivals = []
    try:
        for arrival_ns, *_ in reader.spans():
            arrivals.append(arrival_ns)
    except TapeDamaged as exc:
        return arrivals, str(exc)
    return arrivals, "" if reader.head else "its beginning is torn off"


def _cut_torn_end(path: Path, good: int) -> None:
    with path.open("r+b") as file:
        file.truncate(good)
        os.fsync(file.fileno())
