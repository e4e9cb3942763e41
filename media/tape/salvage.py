"""Sealing what a dead recorder left behind."""

import os
from collections.abc import Sequence
from pathlib import Path

import structlog

from media.errors import TapeDamaged
from media.tape.format import PartHead, PartReader
from media.tape.model import PartManifest
from media.tape.part import (
    MANIFEST_SUFFIX,
    OPEN_SUFFIX,
    SUFFIX,
    sync_directory,
    write_manifest,
)

log = structlog.get_logger(__name__)

DAMAGED_SUFFIX = ".damaged"


def salvage(directory: Path) -> list[PartManifest]:
    """Seal every part that was not, and return their manifests in order.  Idempotent.

    The caller guarantees that nobody writes them any more.  A torn last block is cut off; a part
    whose very beginning cannot be read is put aside under another name.
    """
    found = []
    for path in _unsealed(directory):
        manifest = _seal(path)
        if manifest is not None:
            found.append(manifest)
    return found


def _unsealed(directory: Path) -> Sequence[Path]:
    opened = list(directory.glob("*" + OPEN_SUFFIX))
    # The crash may have come between the two renames.
    renamed = [
        path
        for path in directory.glob("*" + SUFFIX)
        if not path.with_suffix(MANIFEST_SUFFIX).exists()
    ]
    return sorted(opened + renamed)


def _seal(path: Path) -> PartManifest | None:
    reader = PartReader(path.read_bytes())
    packets, last_ns = 0, 0
    try:
        for arrival_ns, *_ in reader.spans():
            packets += 1
            last_ns = max(last_ns, arrival_ns)
    except TapeDamaged as exc:
        log.warning("a part is damaged", part=path.name, error=str(exc))
    else:
        _cut_torn_end(path, reader.good)
    if reader.head is None:
        log.warning("a part without a beginning is put aside", part=path.name)
        path.rename(path.with_name(path.name + DAMAGED_SUFFIX))
        return None
    final = path.with_name(reader.head.name + SUFFIX)
    path.rename(final)
    manifest = _manifest(reader, reader.head, packets, last_ns, final.stat().st_size)
    write_manifest(path.parent, manifest)
    return manifest


def _cut_torn_end(path: Path, good: int) -> None:
    with path.open("r+b") as file:
        file.truncate(good)
        os.fsync(file.fileno())
    sync_directory(path.parent)


def _manifest(
    reader: PartReader, head: PartHead, packets: int, last_ns: int, size: int
) -> PartManifest:
    last_ns = max([last_ns, head.from_ns - 1, *(event.at_ns for event in reader.events)])
    return PartManifest(
        head.name,
        head.fence,
        head.number,
        head.from_ns,
        last_ns + 1,
        packets,
        size,
        tuple(reader.tracks),
        tuple(reader.events),
        salvaged=True,
    )
