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
_ANEW = opus.RATE // 2  # so often a rest begins anew for senders that go on sending all the while


class Rest:
    """Follows the packets of one track, and knows whether its sender rests after the last."""

    def __init__(self, channels: int) -> None:
        self._channels = channels
        self._recent: deque[Frame] = deque()

    @property
    def begun(self) -> bool:
        """Whether nothing may come for a while."""
        return bool(self._recent) and rests(self._recent[-1])

    def begins(self, frame: Frame) -> bool:
        """Whether the next packet begins a rest, and is to be decoded by :meth:`decoder`."""
        if not rests(frame) or not self._recent:
            return False
        last = self._recent[-1]
        if last.codec.key != frame.codec.key:
            return False  # nothing is known yet
        return not self.begun or position(frame) // _ANEW != position(last) // _ANEW

    def decoder(self) -> SoundDecoder:
        """One that heard the packets of late."""
        decoder = sound_decoder(self._recent[-1].codec, self._channels)
        for frame in self._recent:
            decoder.decode(frame.data)
        return decoder

    def heard(self, frame: Frame) -> None:
        """A packet was decoded."""
        if self._recent and self._recent[-1].codec.key != frame.codec.key:
            self._recent.clear()
        self._recent.append(frame)
        while not 0 <= position(frame) - position(self._recent[0]) < MEMORY:
            self._recent.popleft()


def rests(frame: Frame) -> bool:
    """Whether a packet says that nothing may follow it for a while."""
    return frame.codec.key == "opus" and opus.rests(frame.data)
