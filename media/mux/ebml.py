"""EBML elements (RFC 8794), as Matroska is made of them."""

import struct

_WIDE = 8  # bytes; also what sizes take that are written before they are known


def element(id_: int, *content: bytes) -> bytes:
    """An element; its size takes as few bytes as possible."""
    body = b"".join(content)
    width = next(n for n in range(1, _WIDE + 1) if len(body) < (1 << 7 * n) - 1)
    size = len(body) | 1 << 7 * width
    return _id(id_) + size.to_bytes(width, "big") + body


def opened(id_: int, size: int) -> bytes:
    """The header of an element whose content of ``size`` bytes follows; always of one length."""
    return _id(id_) + (size | 1 << 7 * _WIDE).to_bytes(_WIDE, "big")


def number(id_: int, value: int) -> bytes:
    """An unsigned integer."""
    return element(id_, value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big"))


def wide(id_: int, value: int) -> bytes:
    """An unsigned integer that takes the same room whatever it is."""
    return element(id_, value.to_bytes(_WIDE, "big"))


def real(id_: int, value: float) -> bytes:
    """A floating-point number of 64 bits."""
    return element(id_, struct.pack(">d", value))


def text(id_: int, value: str) -> bytes:
    """A string."""
    return element(id_, value.encode())


def _id(id_: int) -> bytes:
    """An ID as it is written in the specification: its marker is part of it."""
    return id_.to_bytes((id_.bit_length() + 7) // 8, "big")
