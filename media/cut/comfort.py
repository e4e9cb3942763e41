"""What is heard while a sender rests (Opus DTX): comfort noise, the same whichever slice asks.

A decoder's noise depends on all that it ever decoded, and slices begin to decode at different
times.  So each rest has a decoder of its own, which heard what was sent in the two seconds before
and nothing else; and how long the noise lasts does not depend on what comes after it, because a
slice may end before that is known.
"""

from collections import deque

from media.cut import opus
from media.cut.sound_decoder import SoundDecoder, sound_decoder
from media.cut.sound_packet import position
from media.tape.model import Frame

# Samples.  Who rests sends something every 400 ms; one such packet may be lost.
LONGEST = opus.RATE
MEMORY = 2 * opus.RATE  # of packets that the noise is made of
# In each such stretch of RTP time one rest begins at most: for senders that go on sending all the
# while, and because each costs the packets of MEMORY.  Encoders rest after 200 ms of silence, so
# that a rest that follows another sooner is after a word; it goes on with that one's noise.
ANEW = opus.RATE // 2


class Rest:
    """Follows the packets of one track, and knows whether its sender rests after the last."""

    def __init__(self, channels: int) -> None:
        self._channels = channels
        self._recent: deque[Frame] = deque()
        self._rested: int | None = None  # the last stretch of ANEW in which a rest began

    @property
    def begun(self) -> bool:
        """Whether nothing may come for a while."""
        return bool(self._recent) and rests(self._recent[-1])

    def begins(self, frame: Frame) -> bool:
        """Whether the next packet begins a rest, and is to be decoded by :meth:`decoder`."""
        if not rests(frame) or not self._recent:
            return False
        if self._recent[-1].codec.key != frame.codec.key:
            return False  # nothing is known yet
        return self._rested is None or position(frame) // ANEW > self._rested

    def decoder(self, frame: Frame) -> SoundDecoder:
        """One that heard the packets of late, for the packet that begins a rest."""
        at = position(frame)
        self._rested = at // ANEW
        decoder = sound_decoder(frame.codec, self._channels)
        for one in self._recent:
            if 0 <= at - position(one) < MEMORY:
                decoder.decode(one.data)
        return decoder

    def heard(self, frame: Frame) -> None:
        """A packet was decoded."""
        at, recent = position(frame), self._recent
        if recent and recent[-1].codec.key != frame.codec.key:
            recent.clear()
        while recent and not 0 <= at - position(recent[0]) < MEMORY:
            recent.popleft()
        if not recent:
            self._rested = None
        recent.append(frame)


def rests(frame: Frame) -> bool:
    """Whether a packet says that nothing may follow it for a while."""
    return frame.codec.key == "opus" and opus.rests(frame.data)
