"""From packets in order to frames: complete ones only, each knowing if it follows the last."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from media.errors import BadPacket
from media.rtp.codec import Codec
from media.tape.model import Frame, Track
from media.tape.payload import interleaved
from media.tape.payload.formats import depacketizer
from media.tape.payload.model import Depacketizer, Picture
from media.tape.payload.parameter_sets import ParameterSets
from media.tape.reorder import Numbered

NOT_TURNED: Mapping[int, int] = MappingProxyType({})

_MARKER = 0x80
_MOST_HELD = 64  # payloads without a picture; senders say a few parameter sets at a time


class Assembler:
    """Makes the frames of one track.

    Packets without payload (padding) and of codecs that we cannot depacketize are looked
    through: they belong to the sequence, not to a frame.
    """

    def __init__(
        self,
        track: Track,
        sets: ParameterSets | None = None,
        rotations: Mapping[int, int] = NOT_TURNED,
    ) -> None:
        """``sets``: what H.264 parameter sets came before the first packet.

        ``rotations``: degrees by RTP timestamp, of the pictures that tell theirs.
        """
        self._track = track
        self._sets = sets or ParameterSets()
        self._codecs: dict[int, tuple[Codec, Depacketizer] | None] = {}
        self._slots: list[Frame | None] = []
        self._run: list[Numbered] = []  # packets of one frame, as far as they are there
        self._format: tuple[Codec, Depacketizer] | None = None  # of the run
        self._broken = False  # a packet is missing inside the run
        self._gap = False  # a packet is missing right before the run
        self._chained = False  # the frame before the run is complete
        self._rotations = rotations
        self._rotation = 0
        self._held: list[bytes] = []  # payloads without a picture, for the next frame

    def assemble(self, packets: Sequence[Numbered]) -> list[Frame | None]:
        """The frames in order; None stands for one that is incomplete."""
        if any(interleaved.is_interleaved(codec.fmtp) for codec in self._track.codecs):
            packets = self._deinterleaved(packets)
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
                if known is not self._format:
                    self._held = []
                self._run, self._broken, self._gap = [packet], False, gap
                self._format = known
            gap = False
        self._finish(followed=False)
        return self._slots

    def _deinterleaved(self, packets: Sequence[Numbered]) -> Sequence[Numbered]:
        """Packets of interleaved H.264 in decoding order; of a track that sends nothing else."""
        sent = {packet[2] & 0x7F for packet in packets if packet[3]}
        codecs = [self._track.codec(payload_type) for payload_type in sent]
        mixed = any(
            each is not None and not interleaved.is_interleaved(each.fmtp) for each in codecs
        )
        return packets if mixed else interleaved.in_order(packets)

    def _whole(self, packet: Numbered, codec: Codec, follows: bool) -> None:
        """A packet that is a frame by itself; nearly all packets are, so this is short."""
        self._slots.append(
            Frame(self._track, codec, packet[4], packet[5], packet[3], True, follows)
        )

    def _look_up(self, payload_type: int) -> None:
        codec = self._track.codec(payload_type)
        format_ = None if codec is None else depacketizer(codec.key, codec.fmtp, self._sets)
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
        self._rotation = self._rotations.get(self._run[0][1], self._rotation)
        picture = self._picture(format_, followed)
        if picture is None:
            format_.glean([packet[3] for packet in self._run])
            self._chained = False
            self._slots.append(None)
            return
        intact = self._chained and not self._gap
        if not picture.shown:
            if len(self._held) + len(self._run) > _MOST_HELD:
                self._held = []  # what they said is known
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
            self._rotation,
            first[1] in self._rotations,
        )
