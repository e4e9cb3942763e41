"""Reads headers bit by bit, most significant bit first."""

from media.errors import BadPacket


class Bits:
    """The bits of some bytes.  Every method raises BadPacket at their end."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = 8 * len(data)

    def read(self, bits: int) -> int:
        """An unsigned number of so many bits."""
        if bits > self._left:
            raise BadPacket("a header is cut off")
        self._left -= bits
        return self._value >> self._left & ((1 << bits) - 1)

    def golomb(self) -> int:
        """ue(v) of H.264 (section 9.1), uvlc() of AV1 (section 4.10.3)."""
        zeros = 0
        while not self.read(1):
            zeros += 1
            if zeros > 32:
                raise BadPacket("a number in a header is too long")
        return (1 << zeros) - 1 + self.read(zeros)

    def signed_golomb(self) -> int:
        """se(v) of H.264 (section 9.1.1)."""
        number = self.golomb()
        return (number + 1) // 2 if number & 1 else -(number // 2)
