"""A file of customers: TOML with ``[[apps]]``, each as ``workers.settings.App`` has it."""

import os
import time
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from media.errors import FarmError
from workers.settings import App

_LARGEST = 16 << 20  # bytes
_SETTLED_S = 0.2  # somebody may be writing at a file that is younger


class BadApps(FarmError):
    """The apps cannot be read, or are not right.  Its text holds no secret."""


class _Document(BaseModel):
    # An empty file is one that somebody is about to write: no apps at all must be said.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    apps: tuple[App, ...]


@dataclass(frozen=True, slots=True)
class Stamp:
    """By what a file is known to have changed."""

    inode: int
    size: int  # bytes
    modified_ns: int  # Unix nanoseconds
    changed_ns: int  # the same of who may read it, too; and no copying sets this one back
    young: bool = field(compare=False)  # written so lately that it may be half of it


class AppsFile:
    """Where it is.  Nothing of it is kept here."""

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()

    def stamp(self) -> Stamp:
        """Raises BadApps."""
        try:
            found = self._path.stat()
        except OSError as exc:
            raise BadApps(f"{self._path}: {exc.strerror}") from exc
        age_s = time.time() - found.st_mtime
        young = 0 <= age_s < _SETTLED_S
        return Stamp(found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns, young)

    def stamp_or_none(self) -> Stamp | None:
        """None while there is no such file."""
        try:
            return self.stamp()
        except BadApps:
            return None

    def read(self) -> tuple[App, ...]:
        """All apps in it.  Raises BadApps."""
        try:
            return _Document.model_validate(tomllib.loads(self._text())).apps
        except OSError as exc:
            raise BadApps(f"{self._path}: {exc.strerror}") from exc
        except ValidationError as exc:
            # Not "from exc": names and reasons only, the values may be secrets.
            raise BadApps(f"{self._path}: {_complaint(exc)}") from None
        except (ValueError, RecursionError) as exc:
            raise BadApps(f"{self._path}: {_where(exc)}") from None

    def _text(self) -> str:
        with self._path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            data = file.read(_LARGEST + 1)
        if len(data) > _LARGEST:
            raise BadApps(f"{self._path}: larger than {_LARGEST} bytes")
        if len(data) != size:
            raise BadApps(f"{self._path}: somebody is writing it")
        return data.decode()


def _complaint(error: ValidationError) -> str:
    row = error.errors(include_input=False, include_url=False)[0]
    return f"{'.'.join(map(str, row['loc']))}: {row['msg']}"


def _where(error: Exception) -> str:
    """Which line of it is no TOML."""
    match error:
        case tomllib.TOMLDecodeError():
            return f"no TOML: {error}"
        case UnicodeDecodeError():
            return "not UTF-8"
        case _:
            return "no TOML"
