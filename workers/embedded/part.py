"""One program of the farm, as the supervisor is told about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

from workers.embedded.probe import Probe


class Stage(IntEnum):
    """The order of stopping: who gives out work ends before who does it, stores end last."""

    API = 1
    RECORDER = 2
    CUTTER = 3
    UPLOADER = 4
    RECONCILER = 5
    ROOM = 6
    S3 = 7
    REDIS = 8


@dataclass(frozen=True, slots=True)
class Part:
    """What to start, how to see that it is ready, when and how patiently to stop it."""

    name: str  # unique, fit for a file name
    stage: Stage
    argv: tuple[str, ...]
    ready: Probe
    env: Mapping[str, str] = field(repr=False)  # the whole environment; holds secrets
    cwd: Path | None = None
    stop_s: float = 10.0  # between SIGTERM and SIGKILL
