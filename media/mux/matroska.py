"""The head of a WebM whose clusters are already elsewhere (RFC 9559, WebM container guidelines).

It has everything that is usually at a file's end: the exact duration, and cues before the clusters,
so that players seek without looking further.
"""

from collections.abc import Sequence

from media.errors import CutFailed
from media.mux import ebml
from media.mux.clusters import NS_PER_MS, TRACK, ClusterIndex, WebmTrack

_CODECS = {"vp8": "V_VP8", "vp9": "V_VP9", "av1": "V_AV1", "opus": "A_OPUS"}
_OPUS_HZ = 48_000
_OPUS_PREROLL_NS = 80_000_000  # decoders are right after this (RFC 7845 §4.6)
_EPOCH_NS = 978_307_200_000_000_000  # Matroska's dates count from 2001
_APPLICATION = "tapefarm"

_SEGMENT, _SEEK_HEAD, _INFO, _TRACKS, _CUES = (
    0x18538067,
    0x114D9B74,
    0x1549A966,
    0x1654AE6B,
    0x1C53BB6B,
)


def head(indices: Sequence[ClusterIndex], *, created_ns: int = 0) -> bytes:
    """Everything before the first cluster, such that head + payloads is the file.

    ``indices`` are those of all pieces of the file, in order.  ``created_ns`` is what the file
    says of its creation, Unix nanoseconds; 0 says nothing.  The same arguments give the same
    bytes.  Raises CutFailed when there is no frame.
    """
    if not any(index.clusters for index in indices):
        raise CutFailed("a WebM without a frame")
    info, tracks = _info(indices, created_ns), _tracks(indices)
    before = len(_seek_head(0, 0, 0)) + len(info) + len(tracks)
    # Positions take the same room whatever they are, so that the length is known beforehand.
    cues = _cues(indices, before + len(_cues(indices, 0)))
    seek_head = _seek_head(before - len(info) - len(tracks), before - len(tracks), before)
    size = before + len(cues) + sum(index.bytes for index in indices)
    segment = ebml.opened(_SEGMENT, size)
    return b"".join((_ebml(), segment, seek_head, info, tracks, cues))


def _ebml() -> bytes:
    """The EBML header (RFC 8794 §11.2)."""
    return ebml.element(
        0x1A45DFA3,
        ebml.number(0x4286, 1),  # EBMLVersion
        ebml.number(0x42F7, 1),  # EBMLReadVersion
        ebml.number(0x42F2, 4),  # EBMLMaxIDLength
        ebml.number(0x42F3, 8),  # EBMLMaxSizeLength
        ebml.text(0x4282, "webm"),  # DocType
        ebml.number(0x4287, 4),  # DocTypeVersion: CodecDelay and SeekPreRoll are of 4
        ebml.number(0x4285, 2),  # DocTypeReadVersion
    )


def _seek_head(info: int, tracks: int, cues: int) -> bytes:
    """Where the others are, from the beginning of the segment's content (RFC 9559 §5.1.1)."""
    places = ((_INFO, info), (_TRACKS, tracks), (_CUES, cues))
    seeks = (
        ebml.element(0x4DBB, ebml.number(0x53AB, id_), ebml.wide(0x53AC, at)) for id_, at in places
    )
    return ebml.element(_SEEK_HEAD, *seeks)


def _info(indices: Sequence[ClusterIndex], created_ns: int) -> bytes:
    end_ns = max(index.end_ns for index in indices)
    date = created_ns - _EPOCH_NS
    return ebml.element(
        _INFO,
        ebml.number(0x2AD7B1, NS_PER_MS),  # TimestampScale
        ebml.real(0x4489, end_ns / NS_PER_MS),  # Duration
        ebml.element(0x4461, date.to_bytes(8, "big", signed=True)) if created_ns else b"",
        ebml.text(0x4D80, _APPLICATION),  # MuxingApp
        ebml.text(0x5741, _APPLICATION),  # WritingApp
    )


def _tracks(indices: Sequence[ClusterIndex]) -> bytes:
    track = indices[0].track
    sounds = track.codec == "opus"
    return ebml.element(
        _TRACKS,
        ebml.element(
            0xAE,
            ebml.number(0xD7, TRACK),
            ebml.number(0x73C5, TRACK),  # TrackUID: any but 0
            ebml.number(0x83, 2 if sounds else 1),  # TrackType
            ebml.number(0x9C, 0),  # FlagLacing
            ebml.text(0x22B59C, "und"),  # Language
            ebml.text(0x86, _CODECS[track.codec]),
            _opus(max(index.track.channels for index in indices)) if sounds else _video(track),
        ),
    )


def _video(track: WebmTrack) -> bytes:
    config = bytes.fromhex(track.config)
    size = ebml.number(0xB0, track.width), ebml.number(0xBA, track.height)
    turn = _projection(track.rotation) if track.rotation else b""
    return (ebml.element(0x63A2, config) if config else b"") + ebml.element(0xE0, *size, turn)


def _projection(rotation: int) -> bytes:
    """How players are to turn the pictures (RFC 9559 §5.1.4.1.28.41).

    The roll is counter-clockwise, from -180 to 180 degrees; FFmpeg makes a display matrix of it.
    All four elements, though they have defaults: Chromium's parser asks for them.
    """
    roll = 360 - rotation if rotation > 180 else -rotation
    return ebml.element(
        0x7670,
        ebml.number(0x7671, 0),  # ProjectionType: rectangular
        ebml.real(0x7673, 0.0),  # ProjectionPoseYaw
        ebml.real(0x7674, 0.0),  # ProjectionPosePitch
        ebml.real(0x7675, float(roll)),  # ProjectionPoseRoll
    )


def _opus(channels: int) -> bytes:
    """What a decoder must know (RFC 7845 §5.1); two channels decode packets of one, too.

    Nothing is skipped: the packets are the middle of a stream as the publisher sent it, and how
    long that encoder's delay is it did not say.
    """
    skipped = 0
    private = b"OpusHead" + bytes((1, channels)) + skipped.to_bytes(2, "little")
    private += _OPUS_HZ.to_bytes(4, "little") + bytes(3)  # gain, mapping family
    return b"".join(
        (
            ebml.element(0x63A2, private),
            ebml.number(0x56AA, skipped),  # CodecDelay
            ebml.number(0x56BB, _OPUS_PREROLL_NS),  # SeekPreRoll
            ebml.element(0xE1, ebml.real(0xB5, _OPUS_HZ), ebml.number(0x9F, channels)),
        )
    )


def _cues(indices: Sequence[ClusterIndex], at: int) -> bytes:
    """Where players can begin (RFC 9559 §5.1.5); ``at`` is the place of the first cluster."""
    points = []
    for cluster in (cluster for index in indices for cluster in index.clusters):
        if cluster.keyframe:
            position = ebml.number(0xF7, TRACK) + ebml.wide(0xF1, at)
            time = ebml.number(0xB3, cluster.time_ms)
            points.append(ebml.element(0xBB, time, ebml.element(0xB7, position)))
        at += cluster.size
    return ebml.element(_CUES, *points)
