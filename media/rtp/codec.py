"""What a payload type means: the codec part of a track."""

from dataclasses import dataclass, field
from typing import Any

RTX = "rtx"  # retransmission payload format (RFC 4588)


@dataclass(frozen=True, slots=True)
class Codec:
    """One ``a=rtpmap`` line with its ``a=fmtp`` and ``a=rtcp-fb`` (RFC 8866)."""

    name: str  # as registered, upper or lower case as in the SDP: "opus", "VP8", "H264"
    payload_type: int
    clock_rate: int  # Hz
    channels: int = 1
    fmtp: str = ""  # the text after the payload type, for example "packetization-mode=1"
    feedback: tuple[str, ...] = field(default=())  # "nack", "nack pli", "ccm fir", "goog-remb"

    @property
    def key(self) -> str:
        """Lower-case name for comparisons: ``"opus"``, ``"vp8"``, ``"h264"``."""
        return self.name.lower()

    @property
    def apt(self) -> int | None:
        """For ``rtx``: the payload type whose packets it repeats (RFC 4588 §8.1); else None."""
        if self.key != RTX:
            return None
        pairs = (pair.strip().partition("=") for pair in self.fmtp.split(";"))
        value = next((value for name, _, value in pairs if name == "apt"), "")
        return int(value) if value.isascii() and value.isdigit() else None

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary for manifests."""
        return {
            "name": self.name,
            "payload_type": self.payload_type,
            "clock_rate": self.clock_rate,
            "channels": self.channels,
            "fmtp": self.fmtp,
        }

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> "Codec":
        """The inverse of :meth:`to_json`."""
        return cls(
            row["name"], row["payload_type"], row["clock_rate"], row["channels"], row["fmtp"]
        )
