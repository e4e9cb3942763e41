"""From packets in order to frames: complete ones only, each knowing if it follows the last."""

from collections.abc import Sequence

from media.errors import BadPacket
from media.rtp.codec import Codec
from media.tape.depacketize import Depacketizer, Picture, depacketizer
from media.tape.model import Frame, Track
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
        self._run: list[Numbered] = []  # packets of one frame, as far as they are there
        self._format: tuple[Codec, Depacketizer] | None = None  # of the run
        self._broken = False  # a packet is missing inside the run
        self._gap = False  # a packet is missing right before the run
        self._chained = False  # the frame before the run is complete
        self._held: list[bytes] = []  # payloads without a picture, for the next frame

    def assemble(self, packets: Sequence[Numbered]) -> list[Frame | None]:
        """The frames in order; None stands for one that is incomplete."""
        last: int | None = None
        gap = False
        for packet in packets:
            number, timestamp, second, payload, _, _ = packet
            gap = gap or (last is not None and number != last + 1)
            last = number
            if second & 0x7F not in self._codecs:
                self._look_up(second & 0x7F)
            known = self._codecs[second & 0x7F]
            if known is None or not payload:
                continue
            if known[1].single:
                self._whole(packet, known[0], not gap)
            elif self._run and self._continues(timestamp, second):
                self._broken = self._broken or gap
                self._run.append(packet)
            else:
                self._finish(followed=not gap)
                self._run, self._broken, self._gap = [packet], False, gap
                self._format = known
            gap = False
        self._finish(followed=False)
        return self._slots

    def _whole(self, packet: Numbered, codec: Codec, follows: bool) -> None:
        """A packet that is a frame by itself; nearly all packets are, so this is short."""
        self._slots.append(
            Frame(self._track, codec, packet[4], packet[5], packet[3], True, follows)
        )

    def _look_up(self, payload_type: int) -> None:
        codec = self._track.codec(payload_type)
        format_ = None if codec is None else depacketizer(codec.key, codec.fmtp)
        known = None if codec is None or format_ is None else (codec, format_)
        self._codecs[payload_type] = known

    def _continues(self, timestamp: int, second: int) -> bool:
        first = self._run[0]
        return timestamp == first[1] and (second ^ first[2]) & 0x7F == 0

    def _finish(self, *, followed: bool) -> None:
        """Close the run; ``followed``: the packet after it is there and begins another."""
        if not self._run or self._format is None:
            return
        codec, format_ = self._format
        picture = self._picture(format_, followed)
        if picture is None:
            self._chained = False
            self._slots.append(None)
            return
        intact = self._chained and not self._gap
        if not picture.shown:
            self._held += [packet[3] for packet in self._run]
            self._chained = intact or not self._slots
            return
        if not self._slots:  # the first of the track: nothing it could refer to is missing
            intact = picture.keyframe and not self._gap
        self._slots.append(self._frame(codec, self._run[0], picture, intact))
        self._chained = True
        self._held = []

    def _picture(self, format_: Depacketizer, followed: bool) -> Picture | None:
        """The run as a picture, if all of it is there and makes sense."""
        run = self._run
        payloads = [packet[3] for packet in run]
        ended = followed or run[-1][2] & _MARKER
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
            first[4],
            first[5],
            picture.data,
            picture.keyframe,
            intact,
            picture.width,
            picture.height,
        )
