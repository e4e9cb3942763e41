"""How long an audio packet lasts and where it stands, in samples at 48 kHz, whatever its codec."""

from media.cut import opus
from media.tape.model import Frame

# One byte is one tick of their RTP clock (RFC 3551 §4.5): of G.711 a sample, of G.722 two.
BYTE_PER_TICK = frozenset(("pcmu", "pcma", "g722"))
_TELEPHONE_RATE = 8000  # Hz, of their RTP clocks; SDP can say others, and nobody means them
_LONGEST_S = 1  # a packet that claims more is damage


def samples(frame: Frame) -> int:
    """How long a packet lasts; 0 if it is not valid, or of a kind that nobody can decode."""
    codec = frame.codec
    if codec.key == "opus":
        return opus.samples(frame.data)
    if codec.key not in BYTE_PER_TICK or codec.clock_rate != _TELEPHONE_RATE:
        return 0
    if not 1 <= codec.channels <= (1 if codec.key == "g722" else 2):
        return 0
    ticks = len(frame.data) // codec.channels
    return _scaled(ticks, codec.clock_rate) if ticks <= _LONGEST_S * codec.clock_rate else 0


def position(frame: Frame) -> int:
    """Its RTP time."""
    return _scaled(frame.rtp_time, frame.codec.clock_rate)


def channels(frame: Frame) -> int:
    """1 or 2, as the packet was encoded."""
    return opus.channels(frame.data) if frame.codec.key == "opus" else frame.codec.channels


def _scaled(ticks: int, clock_rate: int) -> int:
    return ticks if clock_rate == opus.RATE else ticks * opus.RATE // clock_rate
