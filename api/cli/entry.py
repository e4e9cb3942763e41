"""How the command line reaches the code behind a command.

By name and only when the command runs: `tapefarm --help` must not wait for codecs, and the API
process must never load them (import-linter holds `api` to that).  The command line is the one
place that may start every floor.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Annotated, Any

import typer

# -P: the working directory of whoever started us is not a place to import from.
COMMAND = (sys.executable, "-P", "-m", "api.cli")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def load(module: str, name: str) -> Callable[..., Any]:
    """A function of a module that is imported now."""
    found: Callable[..., Any] = getattr(import_module(module), name)
    return found


@contextmanager
def errors_said() -> Iterator[None]:
    """What the farm raises on purpose becomes a line and exit code 1; the rest is a bug."""
    from media.errors import FarmError

    try:
        yield
    except FarmError as exc:
        typer.echo(f"tapefarm: {exc}", err=True)
        raise typer.Exit(1) from exc
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
