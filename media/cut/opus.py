"""What an Opus packet says about itself (RFC 6716 §3.1)."""

RATE = 48_000  # Hz, of every Opus RTP clock and of everything mixed here
LONGEST = 5760  # samples: a packet lasts 120 ms at most

# Samples at 48 kHz per frame: SILK 10/20/40/60 ms, hybrid 10/20 ms, CELT 2.5/5/10/20 ms.
_SILK = (480, 960, 1920, 2880)
_HYBRID = (480, 960)
_CELT = (120, 240, 480, 960)
_SILK_FRAME = 960  # what SILK codes at once; shorter frames once, too
_RESTING = 2  # bytes; no more says that silence goes on


def samples(packet: bytes) -> int:
    """How long a packet lasts, at 48 kHz; 0 if it is not valid Opus."""
    if not packet:
        return 0
    count = packet[0] & 3
    frames = (1, 2, 2)[count] if count < 3 else _counted(packet)
    total = _frame_samples(packet) * frames
    return total if total <= LONGEST else 0


def _frame_samples(packet: bytes) -> int:
    config = packet[0] >> 3
    if config < 12:
        return _SILK[config & 3]
    if config < 16:
        return _HYBRID[config & 1]
    return _CELT[config & 3]


def _counted(packet: bytes) -> int:
    return packet[1] & 0x3F if len(packet) > 1 else 0


def channels(packet: bytes) -> int:
    """1 or 2, as the packet was encoded."""
    return 2 if packet and packet[0] & 4 else 1


def rests(packet: bytes) -> bool:
    """Whether its sender may send nothing for a while (DTX, RFC 6716 §2.1.9)."""
    return len(packet) <= _RESTING


def recoverable(packet: bytes) -> int:
    """How many samples before it a packet holds a poorer copy of; 0 if it has none.

    Of packets of one frame only, which are all that senders who do this send.  The flags are the
    first bits of a SILK frame: of each channel one per 20 ms for speech, and one for a copy
    (RFC 6716 §4.2.3, §4.2.4).
    """
    if len(packet) < 2 or packet[0] >> 3 >= 16 or packet[0] & 3:
        return 0
    each = _frame_samples(packet)
    speech = max(1, each // _SILK_FRAME)
    copied = packet[1] >> (7 - speech) & 1
    if channels(packet) == 2:
        copied |= packet[1] >> (6 - 2 * speech) & 1
    return each if copied else 0
