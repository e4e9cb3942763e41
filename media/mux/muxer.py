"""What every file that a muxer writes has in common: it is opened once, and closed in any case."""

from pathlib import Path
from types import TracebackType
from typing import Self

import av
from av.container import OutputContainer

# Without it muxers write random ids or their version, and a file made twice would differ.
_BITEXACT = {"fflags": "+bitexact"}


class Muxer:
    """An output container of one format; a context manager that closes it."""

    def __init__(self, path: Path, format_: str, **options: str) -> None:
        """``format_`` and ``options`` are FFmpeg's."""
        self._container: OutputContainer = av.open(
            str(path), "w", format=format_, container_options=options | _BITEXACT
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Idempotent."""
        self._container.close()
