"""What is told on tape of how a track arrived."""

from media.capture.stream import Stream

EVERY_NS = 5_000_000_000


def tally(stream: Stream) -> tuple[tuple[str, int], ...]:
    """The counts of a TALLY event, in alphabetical order; all since the track began.

    ``received`` packets are on tape.  Of them ``recovered`` came after they were asked for and
    ``late`` out of order without that.  ``lost`` were given up, ``duplicates`` thrown away.
    ``nacks``, ``plis`` and ``firs`` were sent, NACKs counted by packets.  ``drift_ppb`` is by how
    much the sender's RTP clock is faster than ours, ``skew_us`` by how much the track's line is off
    what the latest sender report says; they are as of now.
    """
    gaps = stream.gaps
    return (
        ("drift_ppb", stream.clock.drift_ppb),
        ("duplicates", gaps.duplicates),
        ("firs", stream.command),
        ("late", gaps.late),
        ("lost", gaps.lost),
        ("nacks", gaps.asked),
        ("plis", stream.plis),
        ("received", stream.received),
        ("recovered", gaps.recovered),
        ("skew_us", stream.clock.skew_us),
    )


def is_due(stream: Stream, now_ns: int) -> bool:
    """Whether it is time for the next one; when it is, it counts as told."""
    if now_ns - stream.tallied_ns < EVERY_NS:
        return False
    stream.tallied_ns = now_ns
    return True
