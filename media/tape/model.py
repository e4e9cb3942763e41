"""What is on a tape, as values: tracks, events, part manifests, frames."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from media.rtp.codec import Codec

NS = 1_000_000_000


class Kind(StrEnum):
    """What a track carries."""

    AUDIO = "audio"
    VIDEO = "video"


class Source(StrEnum):
    """Where a publisher takes a track from."""

    CAMERA = "camera"
    MICROPHONE = "microphone"
    SCREEN = "screen"
    SCREEN_AUDIO = "screen_audio"

    @property
    def kind(self) -> Kind:
        """What it carries."""
        return Kind.VIDEO if self in (Source.CAMERA, Source.SCREEN) else Kind.AUDIO

    @property
    def is_screen(self) -> bool:
        """Whether a screen is shared, and not what a publisher says and looks like."""
        return self in (Source.SCREEN, Source.SCREEN_AUDIO)


@dataclass(frozen=True, slots=True)
class Track:
    """One RTP stream (one SSRC) of a publisher.

    A publisher who rejoins, or whose SSRC changes, gets a new track; cutters join the tracks
    of one ``(uid, source)`` into one line of media.
    """

    id: str  # unique on the tape: "<fence>.<n>"
    uid: str
    kind: Kind
    source: Source
    ssrc: int
    codecs: tuple[Codec, ...]  # every payload type that may occur
    connection: str  # tracks of one connection share the sender's clock
    extensions: tuple[tuple[int, str], ...] = ()  # (id, URI) of RTP header extensions (RFC 8285)

    def codec(self, payload_type: int) -> Codec | None:
        """The codec of a payload type, or None if it was never negotiated."""
        for codec in self.codecs:
            if codec.payload_type == payload_type:
                return codec
        return None

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary for manifests."""
        return {
            "id": self.id,
            "uid": self.uid,
            "kind": self.kind.value,
            "source": self.source.value,
            "ssrc": self.ssrc,
            "codecs": [codec.to_json() for codec in self.codecs],
            "connection": self.connection,
            "extensions": [list(extension) for extension in self.extensions],
        }

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> "Track":
        """The inverse of :meth:`to_json`."""
        return cls(
            row["id"],
            row["uid"],
            Kind(row["kind"]),
            Source(row["source"]),
            row["ssrc"],
            tuple(Codec.from_json(codec) for codec in row["codecs"]),
            row["connection"],
            tuple((number, uri) for number, uri in row.get("extensions", ())),
        )


class EventType(StrEnum):
    """What can happen in a channel, as written on the tape."""

    JOINED = "joined"  # a publisher is there
    LEFT = "left"
    TRACK_ADDED = "track_added"
    TRACK_REMOVED = "track_removed"
    MUTED = "muted"
    UNMUTED = "unmuted"
    CLOCK = "clock"  # one point of a track's clock map: rtp time <-> wall clock
    TALLY = "tally"  # what was received, lost and asked for of a track since it began
    PARAMETERS = "parameters"  # the H.264 parameter sets that a track has sent so far
    LOOK = "look"  # a mix is to look like this from now on
    WANTED = "wanted"  # these publishers are to be recorded from now on


@dataclass(frozen=True, slots=True)
class TapeEvent:
    """Something that happened in the channel.

    Each part begins by restating what is true at its start (JOINED, TRACK_ADDED, MUTED, the
    latest CLOCKs and PARAMETERS of each track, the latest LOOK and WANTED, with their original
    ``at_ns``), so that a part can be understood alone; readers drop the repetitions.  A TALLY is
    said once: its counts are cumulative.
    """

    type: EventType
    at_ns: int  # wall clock of the recorder, Unix nanoseconds
    uid: str = ""  # JOINED, LEFT, MUTED, UNMUTED
    source: Source | None = None  # MUTED, UNMUTED
    track: str = ""  # TRACK_ADDED, TRACK_REMOVED, CLOCK, TALLY, PARAMETERS: Track.id
    rtp: int = 0  # CLOCK: RTP timestamp, 32 bits as on the wire
    wall_ns: int = 0  # CLOCK: the wall clock that belongs to ``rtp``
    counts: tuple[tuple[str, int], ...] = ()  # TALLY: by name, since the track began
    sets: tuple[str, ...] = ()  # PARAMETERS: NAL units in Base64
    detail: str = ""  # LOOK, WANTED: JSON, which media.cut.look and media.tape.wanted understand

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary without the fields that this type does not use."""
        row: dict[str, Any] = {"type": self.type.value, "at_ns": self.at_ns}
        if self.uid:
            row["uid"] = self.uid
        if self.source is not None:
            row["source"] = self.source.value
        if self.track:
            row["track"] = self.track
        if self.type is EventType.CLOCK:
            row["rtp"], row["wall_ns"] = self.rtp, self.wall_ns
        if self.type is EventType.TALLY:
            row["counts"] = dict(self.counts)
        if self.type is EventType.PARAMETERS:
            row["sets"] = list(self.sets)
        if self.detail:
            row["detail"] = self.detail
        return row

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> "TapeEvent":
        """The inverse of :meth:`to_json`."""
        source = row.get("source")
        return cls(
            EventType(row["type"]),
            row["at_ns"],
            row.get("uid", ""),
            Source(source) if source else None,
            row.get("track", ""),
            row.get("rtp", 0),
            row.get("wall_ns", 0),
            tuple(sorted(dict(row.get("counts", {})).items())),
            tuple(row.get("sets", ())),
            row.get("detail", ""),
        )


@dataclass(frozen=True, slots=True)
class PartManifest:
    """What one part of a tape holds; stands as ``<part>.json`` beside ``<part>.pcapng``."""

    name: str  # "0001-000042": fence and number
    fence: int
    number: int
    from_ns: int  # what was read in [from_ns, until_ns) is here; it may have come a little before
    until_ns: int
    packets: int
    bytes: int
    tracks: tuple[Track, ...]
    events: tuple[TapeEvent, ...]
    salvaged: bool = False  # sealed from what a dead recorder left behind

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary for the manifest file."""
        return {
            "version": 1,
            "name": self.name,
            "fence": self.fence,
            "number": self.number,
            "from_ns": self.from_ns,
            "until_ns": self.until_ns,
            "packets": self.packets,
            "bytes": self.bytes,
            "tracks": [track.to_json() for track in self.tracks],
            "events": [event.to_json() for event in self.events],
            "salvaged": self.salvaged,
        }

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> "PartManifest":
        """The inverse of :meth:`to_json`."""
        return cls(
            row["name"],
            row["fence"],
            row["number"],
            row["from_ns"],
            row["until_ns"],
            row["packets"],
            row["bytes"],
            tuple(Track.from_json(track) for track in row["tracks"]),
            tuple(TapeEvent.from_json(event) for event in row["events"]),
            row["salvaged"],
        )


class Frame(NamedTuple):
    """One access unit: an encoded picture, or one audio packet.

    ``data`` is a VP8 frame, a VP9 frame or superframe, an H.264 access unit in Annex B form, an
    AV1 temporal unit without its delimiter, an Opus packet, or G.711 or G.722 samples: byte for
    byte what the publisher sent.  A tuple, because thousands are made for every slice.
    """

    track: Track
    codec: Codec
    time_ns: int  # wall clock of capture, by the track's clock map, Unix nanoseconds
    rtp_time: int  # unwrapped
    data: bytes
    keyframe: bool  # always True for audio
    intact: bool  # nothing is missing in it, nor between it and the frame before it
    width: int = 0  # pixels; of key frames only
    height: int = 0
    # Degrees to turn the picture clockwise so that it is upright: 0, 90, 180, 270.  As the last
    # frame told that did; senders tell with key frames, what is read before one has 0.
    rotation: int = 0
    tells_rotation: bool = False
