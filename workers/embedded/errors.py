"""What can go wrong with the parts that `tapefarm up` starts."""

from media.errors import FarmError


class EmbeddedError(FarmError):
    """The embedded farm cannot be started as asked."""


class ComponentMissing(EmbeddedError):
    """A program that is needed is not installed."""


class AlreadyRunning(EmbeddedError):
    """Another supervisor works on the same data directory."""


class PortTaken(EmbeddedError):
    """Somebody else listens on a port that was asked for."""


class BadAddress(EmbeddedError):
    """An address on the command line that cannot be used."""


class PartFailed(EmbeddedError):
    """A part did not become ready; the message holds the reason and the end of its log."""
