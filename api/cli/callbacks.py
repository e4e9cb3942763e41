"""``tapefarm callbacks``: what was told to customers, told again."""

from pathlib import Path
from typing import Annotated

import typer

from api.cli.entry import errors_said
from api.cli.running import NoFarm, farm_in

callbacks = typer.Typer(help="Events that were sent to customers.", no_args_is_help=True)


@callbacks.callback()
def _group() -> None:
    """Without it the one command would stand for the group."""


@callbacks.command()
def replay(
    sid: Annotated[str, typer.Argument(help="The recording, as long as it is remembered.")],
    event: Annotated[int | None, typer.Option(help="Only events of this number.")] = None,
    data: Annotated[
        Path | None, typer.Option(help="The data directory of a farm under `tapefarm up`.")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", help="A TOML file of settings; else TAPEFARM_* variables."),
    ] = None,
) -> None:
    """Send all events of a recording once more: in order, with the ids that they had."""
    from workers.callbacks.replay import replay as send_again

    with errors_said():
        count = send_again(_redis_url(data, config), sid, event)
    typer.echo(f"{count} events will be sent again")


def _redis_url(data: Path | None, config: Path | None) -> str:
    """Raises NoFarm."""
    if data is not None:
        return str(farm_in(data)["redis"])
    from pydantic import ValidationError

    from workers.settings import load

    try:
        return load(config).redis_url
    except ValidationError as exc:
        # Only names: the values may be secrets.
        names = ", ".join(".".join(map(str, row["loc"])) for row in exc.errors(include_input=False))
        raise NoFarm(f"give --data DIR, or settings ({names})") from None
    except (OSError, ValueError) as exc:
        raise NoFarm(f"{config} cannot be read: {type(exc).__name__}") from exc
