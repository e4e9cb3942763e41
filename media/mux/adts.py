"""AAC LC at 48 kHz as files carry it; ADTS (ISO/IEC 13818-7 §6.2) in transport streams."""

_LC_48K = 1 << 14 | 3 << 10  # profile (object type 2) - 1, sampling frequency index
HEADER = 7


def frame(payload: bytes, channels: int) -> bytes:
    """One raw AAC frame with its header, without a checksum."""
    length = HEADER + len(payload)
    fixed = 0xFFF1 << 40 | _LC_48K << 24 | channels << 30
    return (fixed | length << 13 | 0x7FF << 2).to_bytes(HEADER, "big") + payload


def configuration(channels: int) -> bytes:
    """The same said once for a whole MP4: AudioSpecificConfig (ISO/IEC 14496-3 §1.6.2.1)."""
    low_complexity, rate_48k = 2, 3
    return (low_complexity << 11 | rate_48k << 7 | channels << 3).to_bytes(2, "big")
