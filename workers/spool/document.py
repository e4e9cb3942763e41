"""Small documents on disk, each of which appears whole or not at all."""

import os
import threading
from pathlib import Path
from typing import TypeVar

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

log = structlog.get_logger(__name__)

Document = TypeVar("Document", bound=BaseModel)


class Stored(BaseModel):
    """A value that is kept in a document; what a later version adds is ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


def read(path: Path, model: type[Document]) -> Document | None:
    """The document in a file, None if there is none.  Raises ValidationError."""
    try:
        return model.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None


def read_if_whole(path: Path, model: type[Document]) -> Document | None:
    """For what a recording can do without."""
    try:
        return read(path, model)
    except ValidationError as exc:
        log.warning("a document cannot be read", file=path.name, error=str(exc))
        return None


def write(path: Path, data: bytes) -> None:
    """Put a document there, on disk when this returns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}-{os.getpid()}-{threading.get_ident()}")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
