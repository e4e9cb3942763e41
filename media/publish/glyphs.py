"""A 5x7 bitmap font, so that pictures can be labelled without any font file."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

HEIGHT = 7
ADVANCE = 6  # width of a letter with the gap after it

_ROWS = {  # seven rows of five bits each, the leftmost pixel is the highest bit
    " ": "00000000000000",
    "0": "0E11131519110E",
    "1": "040C040404040E",
    "2": "0E11010204081F",
    "3": "1F02040201110E",
    "4": "02060A121F0202",
    "5": "1F101E0101110E",
    "6": "0608101E11110E",
    "7": "1F010204080808",
    "8": "0E11110E11110E",
    "9": "0E11110F01020C",
    "A": "0E1111111F1111",
    "B": "1E11111E11111E",
    "C": "0E11101010110E",
    "D": "1C12111111121C",
    "E": "1F10101E10101F",
    "F": "1F10101E101010",
    "G": "0E11101711110F",
    "H": "1111111F111111",
    "I": "0E04040404040E",
    "J": "0702020202120C",
    "K": "11121418141211",
    "L": "1010101010101F",
    "M": "111B1515111111",
    "N": "11111915131111",
    "O": "0E11111111110E",
    "P": "1E11111E101010",
    "Q": "0E11111115120D",
    "R": "1E11111E141211",
    "S": "0F10100E01011E",
    "T": "1F040404040404",
    "U": "1111111111110E",
    "V": "11111111110A04",
    "W": "1111111515150A",
    "X": "11110A040A1111",
    "Y": "1111110A040404",
    "Z": "1F01020408101F",
    ":": "000C0C000C0C00",
    ".": "00000000000C0C",
    "-": "0000001F000000",
    "_": "0000000000001F",
    "#": "0A0A1F0A1F0A0A",
    "?": "0E110102040004",
}


@lru_cache(maxsize=256)
def glyph(letter: str, scale: int, dark: int, light: int) -> NDArray[np.uint8]:
    """One letter with the gap after it, as luma; letters the font lacks look like ``?``."""
    rows = bytes.fromhex(_ROWS.get(letter.upper(), _ROWS["?"]))
    bits = np.array([[row >> (4 - x) & 1 if x < 5 else 0 for x in range(ADVANCE)] for row in rows])
    pixels = np.where(bits, light, dark).astype(np.uint8)
    return pixels.repeat(scale, axis=0).repeat(scale, axis=1)


def text_width(text: str, scale: int) -> int:
    """How many pixels a text takes, without the gap after its last letter."""
    return max(0, len(text) * ADVANCE - 1) * scale


def write(
    luma: NDArray[np.uint8], text: str, *, x: int, y: int, scale: int, dark: int, light: int
) -> None:
    """Write a text into a picture; what would stand outside is left out."""
    height, width = luma.shape
    for index, letter in enumerate(text):
        left = x + index * ADVANCE * scale
        if left < 0 or y < 0 or left >= width or y >= height:
            continue
        pixels = glyph(letter, scale, dark, light)[: height - y, : width - left]
        luma[y : y + pixels.shape[0], left : left + pixels.shape[1]] = pixels
