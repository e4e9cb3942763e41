"""Many datagrams of one socket by one system call, each with the time the kernel received it.

Python's sockets know only one datagram at a time.  ``recvmmsg(2)`` reads as many as there are,
and that fewer came than there is room for says that no more wait, without another call.
"""

import os
import socket
from struct import Struct
from typing import Any

from cffi import FFI

from media.rtc.landing import MAX_DATAGRAM, SLOTS, Landing
from media.rtc.link import Address

_SO_TIMESTAMPNS = 35  # Linux: the same number on all machines that Python supports there
_IN, _IN6 = 16, 28  # bytes of a struct sockaddr_in and sockaddr_in6
_CONTROL = 32  # bytes of one control message with a struct timespec

_ffi = FFI()
_ffi.cdef(
    """
    struct iovec { void *iov_base; size_t iov_len; };
    struct msghdr {
        void *msg_name; unsigned int msg_namelen;
        struct iovec *msg_iov; size_t msg_iovlen;
        void *msg_control; size_t msg_controllen;
        int msg_flags;
    };
    struct mmsghdr { struct msghdr msg_hdr; unsigned int msg_len; };
    int recvmmsg(int fd, struct mmsghdr *headers, unsigned int count, int flags, void *timeout);
    """
)
_recvmmsg: Any = _ffi.dlopen(None).recvmmsg
_HEADER = _ffi.sizeof("struct mmsghdr")
_LENGTH_AT = _ffi.offsetof("struct mmsghdr", "msg_len")
# Of so many datagrams the lengths, and (seconds, nanoseconds) one after the other.
_ONE_LENGTH = f"{_LENGTH_AT}xI{_HEADER - _LENGTH_AT - 4}x"
_LENGTHS = [Struct("=" + _ONE_LENGTH * count) for count in range(SLOTS + 1)]
_TIMES = [Struct("=" + "16xqq" * count) for count in range(SLOTS + 1)]


def stamp(of: socket.socket) -> None:
    """Let the kernel say of each datagram when it came (socket(7)), before it is read."""
    of.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)


class Batch:
    """What lands in the slots of a landing from sockets of one address family.

    Names and control messages are as long as the kernel makes them for this family, so that what
    it writes back into a header is what was there, and a header is good for the next call.
    """

    def __init__(self, here: Landing, family: int) -> None:
        self._here = here  # owns what the headers point to
        self._family = family
        size = _IN if family == socket.AF_INET else _IN6
        self._names = [_ffi.new("unsigned char[]", size) for _ in range(SLOTS)]
        self._control = _ffi.new("unsigned char[]", SLOTS * _CONTROL)
        self._vectors = _ffi.new("struct iovec[]", SLOTS)
        self._headers = _ffi.new("struct mmsghdr[]", SLOTS)
        landed = _ffi.from_buffer("unsigned char[]", here.buffer, require_writable=True)
        for i in range(SLOTS):
            self._vectors[i].iov_base = landed + i * MAX_DATAGRAM
            self._vectors[i].iov_len = MAX_DATAGRAM
            header = self._headers[i].msg_hdr
            header.msg_name, header.msg_namelen = self._names[i], size
            header.msg_iov, header.msg_iovlen = self._vectors + i, 1
            header.msg_control = self._control + i * _CONTROL
            header.msg_controllen = _CONTROL
        self._lengths = _ffi.buffer(self._headers)
        self._times = _ffi.buffer(self._control)

    def receive(self, number: int) -> int:
        """Read a socket by its file descriptor; how many datagrams landed, up to SLOTS.

        Raises OSError; BlockingIOError when there is none.
        """
        count: int = _recvmmsg(number, self._headers, SLOTS, socket.MSG_DONTWAIT, _ffi.NULL)
        if count < 0:
            raise OSError(_ffi.errno, os.strerror(_ffi.errno))
        return count

    def lengths(self, count: int) -> tuple[int, ...]:
        """In bytes, of the datagrams that landed."""
        return _LENGTHS[count].unpack_from(self._lengths)

    def times(self, count: int) -> tuple[int, ...]:
        """When each of them reached this host, wall clock: seconds, nanoseconds, and so on."""
        return _TIMES[count].unpack_from(self._times)

    def sender(self, i: int) -> Address:
        """Where the ``i``-th of them came from."""
        name = bytes(_ffi.buffer(self._names[i]))
        address = name[4:8] if self._family == socket.AF_INET else name[8:24]
        return socket.inet_ntop(self._family, address), int.from_bytes(name[2:4], "big")
