"""The environment that parts of the farm are started with."""

import os
from collections.abc import Mapping

_OURS = ("TAPEFARM_", "RCLONE_")
_LOOPBACK = ("127.0.0.1", "localhost")


def plain() -> dict[str, str]:
    """Our environment without settings, and with loopback outside of any proxy."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    for name in ("NO_PROXY", "no_proxy"):
        env[name] = ",".join(filter(None, (env.get(name), *_LOOPBACK)))
    return env


def with_settings(
    settings: Mapping[str, str], unless_given: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The same with ``TAPEFARM_*`` variables: ours, and those of the caller we do not set.

    ``unless_given`` are ours too, but the caller's win.
    """
    theirs = {name: value for name, value in os.environ.items() if name.startswith("TAPEFARM_")}
    return {**plain(), **_variables(unless_given or {}), **theirs, **_variables(settings)}


def _variables(settings: Mapping[str, str]) -> dict[str, str]:
    return {f"TAPEFARM_{name.upper()}": value for name, value in settings.items()}
