"""The environment that parts of the farm are started with."""

import os

_OURS = ("TAPEFARM_", "RCLONE_")
_LOOPBACK = ("127.0.0.1", "localhost")


def plain() -> dict[str, str]:
    """Our environment without settings, and with loopback outside of any proxy."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    for name in ("NO_PROXY", "no_proxy"):
        env[name] = ",".join(filter(None, (env.get(name), *_LOOPBACK)))
    return env


def with_settings(settings: dict[str, str]) -> dict[str, str]:
    """The same with ``TAPEFARM_*`` variables: ours, and those of the caller we do not set."""
    theirs = {name: value for name, value in os.environ.items() if name.startswith("TAPEFARM_")}
    ours = {f"TAPEFARM_{name.upper()}": value for name, value in settings.items()}
    return {**plain(), **theirs, **ours}
