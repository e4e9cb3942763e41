"""Consent to send (RFC 7675): asked for every five seconds, and given to the other side.

aioice makes and reads such messages attribute by attribute, a task and two timers each.  Between
two sides that are connected only the transaction id changes, so both are done from bytes made
before; whatever looks different in any other way is aioice's.
"""

import asyncio
import hmac
import random
import secrets
import socket
import struct
from collections.abc import Callable
from zlib import crc32

from aioice.ice import CandidatePair, StunProtocol
from aioice.stun import Message, parse_message

from media.rtc.link import Address
from media.rtc.rounds import round_after

EVERY_S = 5.0  # between two requests, give or take a fifth
TOGETHER = 10  # what is due within this part of it is done in one go
UNANSWERED = 5  # requests in a row: consent is lost

_REQUEST, _RESPONSE = 0x0001, 0x0101
_SUCCESS = b"\x01\x01"
_MAPPED = 0x0020  # XOR-MAPPED-ADDRESS
_COOKIE = b"\x21\x12\xa4\x42"
_INTEGRITY = b"\x00\x08\x00\x14"  # type and length of the attribute
_FINGERPRINT = b"\x80\x28\x00\x04"
_FINGERPRINT_XOR = 0x5354554E
_HEADER, _ID, _PROOF, _END = 20, 8, 24, 32  # bytes; where the id begins; HMAC; HMAC and checksum
_START = struct.Struct("!HH").pack
_WORD = struct.Struct("!I").pack


def sealed(kind: int, transaction: bytes, attributes: bytes, key: bytes) -> bytes:
    """A STUN message with MESSAGE-INTEGRITY and FINGERPRINT (RFC 8489 §14.5, §14.7)."""
    size = len(attributes)
    rest = _COOKIE + transaction + attributes
    proof = hmac.digest(key, _START(kind, size + _PROOF) + rest, "sha1")
    whole = _START(kind, size + _END) + rest + _INTEGRITY + proof
    return whole + _FINGERPRINT + _WORD(crc32(whole) ^ _FINGERPRINT_XOR)


def is_sealed(message: bytes, key: bytes) -> bool:
    """Whether a message ends with both, and the first one is right."""
    at = len(message) - _END
    if at < _HEADER or message[at : at + 4] != _INTEGRITY or message[-8:-4] != _FINGERPRINT:
        return False
    proved = message[:2] + _START(0, at - _HEADER + _PROOF)[2:] + message[4:at]
    return hmac.compare_digest(hmac.digest(key, proved, "sha1"), message[at + 4 : -8])


def attributes_of(message: bytes) -> bytes:
    """What stands between the header and the end that :func:`sealed` makes."""
    return message[_HEADER:-_END]


class Granted:
    """A request of the other side that aioice has accepted: the same again may be answered."""

    __slots__ = ("_attributes", "_begins", "_key", "_mapped", "_pair", "_size", "_v6")

    def __init__(self, request: bytes, pair: CandidatePair, key: bytes) -> None:
        self._attributes = attributes_of(request)
        self._begins, self._size = request[:4], len(request)
        self._pair = pair
        self._key = key
        host, port = pair.remote_addr
        self._v6 = ":" in host
        packed = socket.inet_pton(socket.AF_INET6 if self._v6 else socket.AF_INET, host)
        self._mapped = port.to_bytes(2, "big") + packed

    def is_again(self, message: bytes, sender: Address, pair: CandidatePair | None) -> bool:
        """Whether a message is that request, but for its transaction."""
        return (
            len(message) == self._size
            and pair is self._pair
            and sender == self._pair.remote_addr
            and message[_HEADER:-_END] == self._attributes
            and message[:4] == self._begins
            and message[4:_ID] == _COOKIE
            and is_sealed(message, self._key)
        )

    def answer(self, request: bytes) -> bytes:
        """The response to it."""
        transaction = request[_ID:_HEADER]
        pad = _COOKIE[:2] + _COOKIE + transaction
        masked = bytes(one ^ other for one, other in zip(self._mapped, pad, strict=False))
        family = b"\x00\x02" if self._v6 else b"\x00\x01"
        mapped = _START(_MAPPED, len(masked) + 2) + family + masked
        return sealed(_RESPONSE, transaction, mapped, self._key)


class Consent:
    """Of one connection, from when it is up until :meth:`end`."""

    def __init__(
        self,
        *,
        selected: Callable[[], CandidatePair | None],
        describe: Callable[[CandidatePair], Message],
        on_lost: Callable[[], None],
    ) -> None:
        """``selected`` says which pair media takes, ``describe`` what a request on a pair says.

        ``describe`` is asked again only for another pair.
        """
        self._selected, self._describe, self._on_lost = selected, describe, on_lost
        self._timer: asyncio.TimerHandle | None = None
        self._waiting: list[bytes] = []  # transactions since the last response
        self._asked: tuple[CandidatePair, bytes] | None = None  # with the request's attributes
        self._granted: Granted | None = None
        self._ours = self._theirs = b""
        self._over = False

    def begin(self, *, ours: str, theirs: str) -> None:
        """The connection is up; with the passwords of both sides.  Ignored after :meth:`end`."""
        if self._over:
            return
        self._ours, self._theirs = ours.encode(), theirs.encode()
        self._schedule()

    def end(self) -> None:
        """Ask no more and answer nothing.  Idempotent."""
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._granted = self._asked = None
        self._waiting.clear()

    def grant(self, request: bytes, pair: CandidatePair) -> None:
        """Take note of a request that aioice has accepted on the pair that media takes."""
        if self._timer is not None and is_sealed(request, self._ours):
            self._granted = Granted(request, pair, self._ours)

    def forget(self) -> None:
        """The roles have changed: requests say something else now."""
        self._asked = self._granted = None

    def take(self, message: bytes, sender: Address, stun: StunProtocol) -> bool:
        """Whether a message is dealt with; if not, it is aioice's."""
        granted, pair = self._granted, self._selected()
        on_it = pair is not None and pair.protocol is stun  # elsewhere it may say: media goes here
        if granted is not None and on_it and granted.is_again(message, sender, pair):
            stun.transport.sendto(granted.answer(message), sender)
            return True
        if message[_ID:_HEADER] not in self._waiting:
            return False
        if message[:2] == _SUCCESS and _is_genuine(message, self._theirs):
            self._waiting.clear()
        return True

    def _schedule(self) -> None:
        loop = asyncio.get_running_loop()
        wait_s = EVERY_S * random.uniform(0.8, 1.1)  # noqa: S311  # only not all at once
        self._timer = loop.call_at(round_after(loop.time() + wait_s, EVERY_S / TOGETHER), self._ask)

    def _ask(self) -> None:
        pair = self._selected()
        if len(self._waiting) >= UNANSWERED:
            self.end()
            self._on_lost()
            return
        if pair is not None:
            transaction = secrets.token_bytes(_HEADER - _ID)
            self._waiting.append(transaction)
            request = sealed(_REQUEST, transaction, self._attributes(pair), self._theirs)
            pair.protocol.transport.sendto(request, pair.remote_addr)
        self._schedule()

    def _attributes(self, pair: CandidatePair) -> bytes:
        if self._asked is None or self._asked[0] is not pair:
            self._asked = pair, bytes(self._describe(pair))[_HEADER:]
        return self._asked[1]


def _is_genuine(response: bytes, key: bytes) -> bool:
    """Whether a response is what it should be; in whatever order its attributes are."""
    if is_sealed(response, key):
        return True
    try:
        parse_message(response, integrity_key=key)
    except (ValueError, struct.error):
        return False
    return True
