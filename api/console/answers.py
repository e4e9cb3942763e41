"""What the console API answers, for readers and for tests; ``recuts.py`` makes the documents."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.agora.answers import RecordedFile, Sid, UnixMs
from workers.job.spec import Mode
from workers.job.state import State

Count = Annotated[int, Field(ge=0)]


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Tape(_Answer):
    """What can be cut again."""

    from_ms: UnixMs | None
    """From when on; null: there is no tape."""
    kept_until_ms: UnixMs | None
    """Null: that is not known yet."""


class End(_Answer):
    """How a recording ended."""

    how: str
    """In words."""
    exit_status: Literal[0, 1]
    """0: it was stopped or nobody was there any more, 1: anything else."""
    uploading_status: Literal["uploaded", "backuped", "unknown"]
    """`uploaded`: every file is in the bucket."""


class Recording(_Answer):
    """A recording as it stands, ended ones included."""

    sid: Sid
    state: State
    """`ended`: every file is in the bucket; `failed`: `reason` says why."""
    mode: Mode
    cname: str
    uid: str
    """Of the recorder."""
    from_ms: UnixMs
    """Unix milliseconds of the first media; 0 before it."""
    no_data: bool
    """It is over and nobody published anything."""
    reason: str | None
    """Why its tape was closed, or why it failed."""
    end: End | None
    """Null until it has ended."""
    accepted_ms: UnixMs
    """When the start call was accepted."""
    stop_asked_ms: UnixMs | None
    """When somebody asked for its end."""
    until_ms: UnixMs | None
    """Where its media ends, once that is known."""
    delivered_ms: UnixMs | None
    """When the last file stood in the bucket, or it failed."""
    files: list[RecordedFile]
    cut_of: Sid | None
    """The recording whose tape it was cut from."""
    cuts: list[Sid]
    """What was cut from its tape."""
    tape: Tape


class CutAccepted(_Answer):
    """The recording that is being cut."""

    sid: Sid
    cut_of: Sid
    mode: Mode
    from_ms: UnixMs
    """Where it begins."""
    files: list[str]
    """Object keys to expect; `<uid>` stands for each publisher's."""


class QualityReport(_Answer):
    """What was sent, what was received, what is missing and why.

    Every field is explained in docs/quality-report.md of the sources.
    """

    version: Literal[1]
    sid: Sid
    cname: str
    mode: Mode
    recorder_uid: str
    end_reason: str
    slices_not_measured: Count
    """Slices that the report knows nothing about; 0 unless something is wrong."""
    from_ms: UnixMs
    until_ms: UnixMs
    duration_s: Annotated[float, Field(ge=0)]
    failovers: list[dict[str, Any]]
    """When nobody taped."""
    failovers_not_listed: Count
    totals: dict[str, Any]
    """Of the whole recording."""
    publishers: list[dict[str, Any]]
    """Everybody who was recorded, with their tracks."""
    files: list[dict[str, Any]]
    """Every delivered file with its size and SHA-256."""
    files_not_listed: Count
    files_lack: list[dict[str, Any]]
    """What MP4 and WebM files have not though it was recorded."""


class Refusal(_Answer):
    """Why a call is not served."""

    message: str
