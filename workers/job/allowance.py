"""How much an app may have going on at once."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Allowance:
    """Of one app; None: no limit but the farm's own."""

    recordings: int | None = None  # on the air together
    streams: int | None = None  # publishers that they are for, see RecordingSpec.streams

    def covers(self, recordings: int, streams: int) -> bool:
        """Whether so much together is allowed."""
        return (self.recordings is None or recordings <= self.recordings) and (
            self.streams is None or streams <= self.streams
        )


UNLIMITED = Allowance()
