"""RTC tokens: AccessToken 006 and 007, as Agora's token libraries (AgoraIO/Tools) build them.

Both say who may be in which channel until when, signed with HMAC-SHA256 by an app certificate.
Numbers are little-endian; a string is its length (16 bits) and its bytes.  Pure.
"""

import base64
import binascii
import hmac
import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from api.agora.errors import TokenExpired, TokenWrong
from api.agora.token_reader import Reader, Truncated

_LONGEST: Final = 4096  # characters; the longest of the libraries have less than 1000
_INFLATED: Final = 16384  # bytes
_JOIN: Final = 1  # the privilege to be in the channel
_RTC: Final = 1  # the type of the service in 007
_ANYBODY: Final = ("", "0")  # as the libraries write uid 0
_ANY_CHANNEL: Final = "*"  # of a wildcard token, which is always 007
_NS: Final = 1_000_000_000

# What follows the privileges in the services of 007, by type: s a string, h 16 bits.
_FIELDS: Final = {_RTC: "ss", 2: "s", 3: "ss", 4: "", 5: "s", 7: "ssh"}


@dataclass(frozen=True, slots=True)
class Bearer:
    """Who wants to be let in to what."""

    app_id: str
    cname: str
    uid: str


def expires_ns(token: str, bearer: Bearer, certificates: Sequence[str], now_ns: int) -> int:
    """Until when the bearer may be in the channel, Unix nanoseconds: at least ``now_ns`` + 1.

    That is the earlier of what the token and its privilege to join say.  Any of the app's
    certificates may have signed it.  Raises TokenWrong and TokenExpired.
    """
    if len(token) > _LONGEST:
        raise _wrong("it is too long")
    read = _READERS.get(token[:3])
    if read is None:
        raise _wrong("it is no AccessToken 006 or 007")
    try:
        end_s = read(token, bearer, [each.encode() for each in certificates])
    except Truncated:
        raise _wrong("it is damaged") from None
    if end_s * _NS <= now_ns:
        raise TokenExpired("the token has expired")
    return end_s * _NS


def _read_006(token: str, bearer: Bearer, certificates: list[bytes]) -> int:
    """``006``, the app ID, base64 of signature, CRC-32 of channel and uid, and what is signed."""
    head = f"006{bearer.app_id}"
    if not token.startswith(head):
        raise _wrong("it is for another app")
    outer = Reader(_decoded(token[len(head) :]))
    signature, channel_crc, uid_crc = outer.string(), outer.number("I"), outer.number("I")
    message = outer.string()
    outer.end()
    if channel_crc != _crc(bearer.cname):
        raise _wrong("it is for another channel")
    uid = next((each for each in (bearer.uid, *_ANYBODY) if uid_crc == _crc(each)), None)
    if uid is None:
        raise _wrong("it is for another uid")
    signed = f"{bearer.app_id}{bearer.cname}{uid}".encode() + message
    _check_signature(signature, signed, certificates)
    inner = Reader(message)
    inner.number("I")  # salt
    token_s = inner.number("I")
    privileges = inner.numbers()
    inner.end()
    return _earlier(token_s, 0, privileges)


def _read_007(token: str, bearer: Bearer, certificates: list[bytes]) -> int:
    """``007``, base64 of a zlib stream of the signature and what is signed."""
    outer = Reader(_inflated(_decoded(token[3:])))
    signature, signed = outer.string(), outer.rest()
    inner = Reader(signed)
    app_id, issued_s, lasts_s = inner.string(), inner.number("I"), inner.number("I")
    salt = inner.number("I")
    keys = [
        _mac(struct.pack("<I", salt), _mac(struct.pack("<I", issued_s), certificate))
        for certificate in certificates
    ]
    _check_signature(signature, signed, keys)
    if app_id != bearer.app_id.encode():
        raise _wrong("it is for another app")
    return _earlier(issued_s + lasts_s, issued_s, _rtc_privileges(inner, bearer))


def _rtc_privileges(reader: Reader, bearer: Bearer) -> dict[int, int]:
    """Of the service that lets the bearer in to the channel."""
    why = "it is for another channel"
    for _ in range(reader.number("H")):
        kind = reader.number("H")
        privileges = reader.numbers()
        if kind not in _FIELDS:
            break  # nobody knows where it ends
        fields = [reader.field(code) for code in _FIELDS[kind]]
        if kind == _RTC and fields[0] in _either(bearer.cname, _ANY_CHANNEL):
            if fields[1] in _either(bearer.uid, *_ANYBODY):
                return privileges
            why = "it is for another uid"
    raise _wrong(why)


def _either(*texts: str) -> tuple[bytes, ...]:
    return tuple(text.encode() for text in texts)


def _earlier(token_s: int, from_s: int, privileges: dict[int, int]) -> int:
    """When it ends, Unix seconds; a privilege that says 0 ends with the token."""
    if _JOIN not in privileges:
        raise _wrong("it does not allow to join the channel")
    lasts_s = privileges[_JOIN]
    return min(token_s, from_s + lasts_s) if lasts_s else token_s


def _check_signature(signature: bytes, signed: bytes, keys: Iterable[bytes]) -> None:
    """Every key is tried, whatever came before, so that time tells nothing."""
    good = [hmac.compare_digest(signature, _mac(key, signed)) for key in keys]
    if not any(good):
        raise _wrong("its signature is not of this app, channel and uid")


def _mac(key: bytes, text: bytes) -> bytes:
    return hmac.digest(key, text, "sha256")


def _crc(text: str) -> int:
    return zlib.crc32(text.encode())


def _decoded(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise _wrong("it is damaged") from None
    if base64.b64encode(data).decode() != text:
        raise _wrong("it is damaged")  # bits that belong to no byte
    return data


def _inflated(data: bytes) -> bytes:
    stream = zlib.decompressobj()
    try:
        text = stream.decompress(data, _INFLATED)
    except zlib.error:
        raise _wrong("it is damaged") from None
    if not stream.eof or stream.unused_data:
        raise _wrong("it is damaged")
    return text


def _wrong(why: str) -> TokenWrong:
    return TokenWrong(f"invalid token: {why}")


_READERS: Final = {"006": _read_006, "007": _read_007}
