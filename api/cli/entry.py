"""How the command line reaches the code behind a command.

By name and only when the command runs: `tapefarm --help` must not wait for codecs, and the API
process must never load them (import-linter holds `api` to that).  The command line is the one
place that may start every floor.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any


def load(module: str, name: str) -> Callable[..., Any]:
    """A function of a module that is imported now."""
    found: Callable[..., Any] = getattr(import_module(module), name)
    return found
