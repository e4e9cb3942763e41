"""What went over one connection, and what went wrong, in numbers that only grow."""

from dataclasses import dataclass


@dataclass(slots=True)
class Counters:
    """Of one Peer; read them at any time."""

    rtp_sent: int = 0
    rtcp_sent: int = 0
    unauthentic: int = 0  # SRTP or SRTCP authentication failed
    replayed: int = 0  # seen before, or too old to tell
    early: int = 0  # media lost because it came long before the keys
    malformed: int = 0  # neither STUN, DTLS nor SRTP, or broken
    send_dropped: int = 0  # not connected, too long, or the socket was full
    socket_errors: int = 0
    kernel_drops: int = 0  # datagrams that found the socket full
    callback_errors: int = 0  # exceptions out of on_rtp and on_rtcp
