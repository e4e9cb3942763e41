"""Why a measurement did not come about."""

from media.errors import FarmError


class BenchFailed(FarmError):
    """The other side of the measurement did not do its part."""


class NotInstalled(FarmError):
    """What is compared with is not on this machine."""
