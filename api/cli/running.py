"""The farm that runs in a data directory, as ``tapefarm up`` left word of it."""

import json
from pathlib import Path
from typing import Any

from media.errors import FarmError


class NoFarm(FarmError):
    """No farm can be asked."""


def farm_in(data: Path) -> dict[str, Any]:
    """The ``farm.json`` of a data directory.  Raises NoFarm."""
    path = data / "farm.json"
    try:
        farm: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NoFarm(f"no farm runs in {data} (no farm.json); give its --data") from None
    except (OSError, ValueError) as exc:
        raise NoFarm(f"{path} cannot be read: {type(exc).__name__}") from exc
    return farm
