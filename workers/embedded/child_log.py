"""Logs of children: appended to by them, bounded by the supervisor."""

import os
import shutil
from pathlib import Path

LIMIT = 16 * 1024 * 1024  # bytes; one older piece of at most this size is kept beside it
_TAIL = 4096


def trim(log: Path, limit: int = LIMIT) -> bool:
    """Move a log that grew too big aside as ``<name>.1``.

    It is copied and emptied, not renamed: the child has it open, and appends.
    """
    try:
        if log.stat().st_size <= limit:
            return False
    except FileNotFoundError:
        return False
    shutil.copyfile(log, log.with_name(f"{log.name}.1"))
    os.truncate(log, 0)
    return True


def tail(log: Path, lines: int = 12) -> str:
    """The last lines of a log, for an error message."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _TAIL))
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-lines:])
