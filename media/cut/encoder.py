"""Which H.264 encoder mixes; loads no codec, because settings name it."""

from dataclasses import dataclass

_PRESETS = {
    "libx264": (
        *("ultrafast", "superfast", "veryfast", "faster", "fast", "medium"),
        *("slow", "slower", "veryslow"),
    ),
    "h264_nvenc": ("p1", "p2", "p3", "p4", "p5", "p6", "p7"),
}
_USUAL = {"libx264": "veryfast", "h264_nvenc": "p4"}


@dataclass(frozen=True, slots=True)
class Encoder:
    """An encoder of FFmpeg's, and how much it may think.  Raises ValueError for unknown ones."""

    codec: str = "libx264"
    preset: str = ""  # by the encoder's own names; "" is its usual one

    def __post_init__(self) -> None:
        """Check both."""
        known = _PRESETS.get(self.codec)
        if known is None:
            raise ValueError(f"{self.codec!r} is none of the encoders {', '.join(_PRESETS)}")
        if self.preset and self.preset not in known:
            raise ValueError(f"{self.codec} has no preset {self.preset!r}, but {', '.join(known)}")

    @property
    def speed(self) -> str:
        """The preset that counts."""
        return self.preset or _USUAL[self.codec]


SOFTWARE = Encoder()
