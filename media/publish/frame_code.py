"""The machine-readable part of the test pattern: a strip of black and white cells.

Composite layouts cut a picture down to its centre, so the code is a narrow upright strip in the
middle: two columns of eighteen cells.  The first and the last row are fixed (white black, black
white) and give the reader its black and white; between them stand sixteen bits of frame number,
eight bits of uid and a CRC-8 over both.

All lengths are in units of 1/360 of the picture's height, so that in the default 640x360 picture
the cells are whole macroblocks (32x16 pixels) and cost an encoder next to nothing.
"""

import zlib

UNITS = 360  # picture height
TOP = 32  # of the first row
ROW = 16  # height of a cell
ROWS = 18
COLUMN = 32  # width of a cell
FLASH_FROM, FLASH_UNTIL = 36, 48  # distance from the middle of what only the flash changes
NUMBERS = 1 << 16  # frame numbers wrap here

_HEAD = (True, False)
_TAIL = (False, True)


def uid_code(uid: str) -> int:
    """Eight bits that tell publishers apart; whole numbers below 256 are their own code."""
    if uid.isascii() and uid.isdigit():
        return int(uid) % 256
    return zlib.crc32(uid.encode()) & 0xFF


def cells(uid: int, number: int) -> tuple[bool, ...]:
    """The 36 cells row by row, True is white."""
    data = (number % NUMBERS).to_bytes(2, "big") + bytes([uid])
    word = int.from_bytes(data + bytes([_crc8(data)]), "big")
    return (*_HEAD, *(bool(word >> bit & 1) for bit in range(31, -1, -1)), *_TAIL)


def decode(read: tuple[bool, ...]) -> tuple[int, int] | None:
    """``(uid code, frame number)`` of 36 cells, or None if they are not a code."""
    if read[:2] != _HEAD or read[-2:] != _TAIL:
        return None
    word = 0
    for bit in read[2:-2]:
        word = word << 1 | bit
    data = word.to_bytes(4, "big")
    if _crc8(data[:3]) != data[3]:
        return None
    return data[2], int.from_bytes(data[:2], "big")


def _crc8(data: bytes) -> int:
    """CRC-8 with polynomial 0x07, started at 0xFF so that all-black is not a code."""
    crc = 0xFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x07) & 0xFF if crc & 0x80 else crc << 1
    return crc
