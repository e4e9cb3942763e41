"""What the recorder before this one knew when its part of the tape ended."""

from dataclasses import replace

from media.tape.model import EventType, PartManifest, TapeEvent
from media.tape.standing import Ended, Standing


class Predecessor:
    """Lets the parts of its successor tell of publishers what its own would have told.

    That is since when they are there, and which of their tracks ended.
    """

    def __init__(self, last: PartManifest, taken_over_ns: int) -> None:
        """``last`` is its last part; what was alive ends when its successor begins."""
        self._standing = Standing()
        tracks = {track.id: track for track in last.tracks}
        for event in last.events:
            if event.type is EventType.TRACK_ADDED:
                self._standing.add_track(tracks[event.track], event)
            else:
                self._standing.apply(event)
        over = TapeEvent(EventType.TRACK_REMOVED, max(last.until_ns, taken_over_ns))
        for track in [*self._standing.alive]:
            self._standing.apply(replace(over, track=track))

    def joined(self, event: TapeEvent) -> TapeEvent:
        """A JOINED of the successor, as of when the publisher really came."""
        return self._standing.joined.get(event.uid, event)

    def ended(self, uid: str) -> list[Ended]:
        """The last track of each source of a publisher, if it was there."""
        return self._standing.ended(uid)
