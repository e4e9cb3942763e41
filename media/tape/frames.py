"""From packets in order to frames: complete ones only, each knowing if it follows the last."""

from collections.abc import Sequence

from media.errors import BadPacket
from media.rtp.codec import Codec
from media.tape.depacketize import Depacketizer, Picture, depacketizer
from media.tape.model import Frame, Kind, Track
from media.tape.reorder import Numbered

_MARKER = 0x80


class Assembler:
    """Makes the frames of one track.

    Packets without payload (padding) and of codecs that we cannot depacketize are looked
    through: they belong to the sequence, not to a frame.
    """

    def __init__(self, track: Track) -> None:
        self._track = track
        self._codecs: dict[int, tuple[Codec, Depacketizer] | None] = {}
        self._slots: list[Frame | None] = []
        self._run: list[Numbered] = []
        self._broken = False  # a packet is missing inside the run
        self._gap = False  # a packet is missing right before the run
        self._chained = False  # the frame before the run is complete
        self._held: list[bytes] = []  # payloads without a picture, for the next frame

    def assemble(self, packets: Sequence[Numbered]) -> list[Frame | None]:
        """The frames in order; None stands for one that is incomplete."""
        last: int | None = None
        gap = False
        for packet in packets:
            gap = gap or (last is not None and packet.number != last + 1)
            last = packet.number
            known = self._known(packet.second & 0x7F)
            if known is None or not packet.payload:
                continue
            if self._run and self._continues(packet, known[1]):
                self._broken = self._broken or gap
            else:
                self._finish(followed=not gap)
                self._run, self._broken, self._gap = [], False, gap
            self._run.append(packet)
            gap = False
        self._finish(followed=False)
        return self._slots

    def _known(self, payload_type: int) -> tuple[Codec, Depacketizer] | None:
        if payload_type not in self._codecs:
            codec = self._track.codec(payload_type)
            format_ = None if codec is None else depacketizer(codec.key, codec.fmtp)
            known = None if codec is None or format_ is None else (codec, format_)
            self._codecs[payload_type] = known
        return self._codecs[payload_type]

    def _continues(self, packet: Numbered, format_: Depacketizer) -> bool:
        first = self._run[0]
        return (
            not format_.single
            and packet.timestamp == first.timestamp
            and (packet.second ^ first.second) & 0x7F == 0
        )

    def _finish(self, *, followed: bool) -> None:
        """Close the run; ``followed``: the packet after it is there and begins another."""
        if not self._run:
            return
        first = self._run[0]
        known = self._known(first.second & 0x7F)
        picture = None if known is None else self._picture(known[1], followed)
        if known is None or picture is None:
            self._chained = False
            self._slots.append(None)
            return
        intact = self._chained and not self._gap
        if not picture.shown:
            self._held += [packet.payload for packet in self._run]
            self._chained = intact or not self._slots
            return
        if not self._slots:  # the first of the track: nothing it could refer to is missing
            intact = picture.keyframe and not self._gap
        self._slots.append(self._frame(known[0], first, picture, intact))
        self._chained = True
        self._held = []

    def _picture(self, format_: Depacketizer, followed: bool) -> Picture | None:
        """The run as a picture, if all of it is there and makes sense."""
        run = self._run
        payloads = [packet.payload for packet in run]
        if not format_.single:
            ended = followed or run[-1].second & _MARKER
            if self._broken or not ended or not format_.begins(payloads[0]):
                return None
        try:
            return format_.join(self._held + payloads if self._held else payloads)
        except BadPacket:
            return None

    def _frame(self, codec: Codec, first: Numbered, picture: Picture, intact: bool) -> Frame:
        return Frame(
            self._track,
            codec,
            first.time_ns,
            first.rtp_time,
            picture.data,
            picture.keyframe or self._track.kind is Kind.AUDIO,
            intact,
            picture.width,
            picture.height,
        )
