"""Which payload format a codec has."""

from media.tape.payload.av1 import Av1
from media.tape.payload.h264 import H264
from media.tape.payload.model import Depacketizer
from media.tape.payload.parameter_sets import ParameterSets
from media.tape.payload.sound import Sound
from media.tape.payload.vp8 import Vp8
from media.tape.payload.vp9 import Vp9


def depacketizer(name: str, fmtp: str, sets: ParameterSets) -> Depacketizer | None:
    """The depacketizer of a codec (lower-case name), or None if there is none.

    None is also right for what is no media of its own: comfort noise (RFC 3389) is silence here,
    telephone events (RFC 4733) are not heard, and redundancy (red, ulpfec, flexfec) is never
    offered.  ``sets`` are the parameter sets of the track so far.
    """
    match name:
        case "opus" | "pcmu" | "pcma" | "g722":
            return Sound()
        case "vp8":
            return Vp8()
        case "vp9":
            return Vp9()
        case "h264":
            return H264(fmtp, sets)
        case "av1":
            return Av1()
    return None
