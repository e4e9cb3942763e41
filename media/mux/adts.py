"""ADTS frames (ISO/IEC 13818-7 §6.2): AAC LC at 48 kHz as transport streams carry it."""

_LC_48K = 1 << 14 | 3 << 10  # profile (object type 2) - 1, sampling frequency index
HEADER = 7


def frame(payload: bytes, channels: int) -> bytes:
    """One raw AAC frame with its header, without a checksum."""
    length = HEADER + len(payload)
    fixed = 0xFFF1 << 40 | _LC_48K << 24 | channels << 30
    return (fixed | length << 13 | 0x7FF << 2).to_bytes(HEADER, "big") + payload
