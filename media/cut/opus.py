"""What an Opus packet says about itself (RFC 6716 §3.1)."""

RATE = 48_000  # Hz, of every Opus RTP clock and of everything mixed here

# Samples at 48 kHz per frame: SILK 10/20/40/60 ms, hybrid 10/20 ms, CELT 2.5/5/10/20 ms.
_SILK = (480, 960, 1920, 2880)
_HYBRID = (480, 960)
_CELT = (120, 240, 480, 960)
_LONGEST = 5760  # 120 ms


def samples(packet: bytes) -> int:
    """How long a packet lasts, at 48 kHz; 0 if it is not valid Opus."""
    if not packet:
        return 0
    config, count = packet[0] >> 3, packet[0] & 3
    if config < 12:
        each = _SILK[config & 3]
    elif config < 16:
        each = _HYBRID[config & 1]
    else:
        each = _CELT[config & 3]
    frames = (1, 2, 2)[count] if count < 3 else _counted(packet)
    total = each * frames
    return total if total <= _LONGEST else 0


def _counted(packet: bytes) -> int:
    return packet[1] & 0x3F if len(packet) > 1 else 0


def channels(packet: bytes) -> int:
    """1 or 2, as the packet was encoded."""
    return 2 if packet and packet[0] & 4 else 1
