"""H.264 (RFC 6184), packetization modes 0 and 1; mode 2 after ``interleaved.in_order``."""

from collections.abc import Sequence

from media.errors import BadPacket
from media.tape.payload import nal
from media.tape.payload.model import Picture
from media.tape.payload.parameter_sets import ParameterSets, from_fmtp, sets_in


class H264:
    """Access units in Annex B form; key frames have their parameter sets with them."""

    single = False

    def __init__(self, fmtp: str, sets: ParameterSets) -> None:
        """``sets`` are those of the track so far; what comes is added to them."""
        self._stated = ParameterSets(from_fmtp(fmtp))
        self._sets = sets

    def begins(self, payload: bytes) -> bool:
        """Whether an access unit can begin here: no slice but the first of a picture."""
        kind = payload[0] & 0x1F
        if kind == nal.FU_A:
            if len(payload) < 3 or not payload[1] & 0x80:
                return False
            kind, body = payload[1] & 0x1F, payload[2]
        elif kind == nal.STAP_A:
            if len(payload) < 5:
                return False
            kind, body = payload[3] & 0x1F, payload[4]
        elif len(payload) > 1:
            body = payload[1]
        else:
            return kind == nal.DELIMITER
        # A slice header begins with first_mb_in_slice, Exp-Golomb: one set bit means zero.
        return kind not in nal.SLICES or body & 0x80 != 0

    def join(self, payloads: Sequence[bytes]) -> Picture:
        """The access unit; an IDR picture with the parameter sets that it refers to."""
        units = nal.units(payloads)
        kinds = {nal.kind(unit) for unit in units}
        if kinds & nal.SETS:
            for unit in units:
                self._sets.learn(unit)
        if not kinds & nal.SLICES:
            return Picture(nal.annex_b(units), False, shown=False)
        if nal.IDR not in kinds:
            return Picture(nal.annex_b(units), False)
        sps = self._complete(units)
        width, height = nal.size(sps) if sps else (0, 0)
        return Picture(nal.annex_b(units), True, width, height)

    def glean(self, payloads: Sequence[bytes]) -> None:
        """Parameter sets."""
        for payload in payloads:
            for unit in sets_in(payload):
                self._sets.learn(unit)

    def _complete(self, units: list[bytes]) -> bytes | None:
        """Put in what an IDR picture lacks; its sequence parameter set, None if unknown."""
        at = next(i for i, unit in enumerate(units) if nal.kind(unit) == nal.IDR)
        try:
            pps = self._known(nal.PPS, nal.pps_of(units[at]))
            sps = None if pps is None else self._known(nal.SPS, nal.sps_of(pps))
        except BadPacket:
            return None
        if pps is None or sps is None:
            return None
        if pps not in units:
            units.insert(at, pps)
        if sps not in units:
            units.insert(1 if nal.kind(units[0]) == nal.DELIMITER else 0, sps)
        return sps

    def _known(self, kind: int, number: int) -> bytes | None:
        """A parameter set; what came in-band counts more than the SDP."""
        return self._sets.get(kind, number) or self._stated.get(kind, number)
