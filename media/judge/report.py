"""Facts and pictures of finished files, for people."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from media.judge import decode

_GAP = 6  # pixels between pictures
_WIDTH = 320  # of each picture


@dataclass(frozen=True, slots=True)
class Facts:
    """What is in one file."""

    codecs: tuple[str, ...]
    duration_s: float
    pictures: int


def facts(data: bytes) -> Facts:
    """Decode a whole file.  Raises av.FFmpegError if it does not decode."""
    found = decode.codecs(data)
    spans: list[tuple[float, float]] = []
    pictures = 0
    if "video" in found:
        times = [picture.time_s for picture in decode.pictures(data)]
        pictures = len(times)
        if len(times) > 1:
            spans.append((times[0], times[-1] + (times[-1] - times[0]) / (len(times) - 1)))
    if "audio" in found:
        sound = decode.sound(data)
        spans.append((sound.start_s, sound.end_s))
    length_s = max(end for _, end in spans) - min(start for start, _ in spans) if spans else 0.0
    return Facts(tuple(found[kind] for kind in sorted(found)), length_s, pictures)


def contact_sheet(data: bytes, path: Path, *, count: int = 12, columns: int = 4) -> Path:
    """Save ``count`` pictures, evenly spread over a file, as one PNG."""
    pictures = list(decode.pictures(data))
    chosen = [pictures[i * (len(pictures) - 1) // max(count - 1, 1)] for i in range(count)]
    images = [Image.fromarray(picture.frame.to_ndarray(format="rgb24")) for picture in chosen]
    images = [image.resize((_WIDTH, image.height * _WIDTH // image.width)) for image in images]
    return _sheet(images, path, columns)


def _sheet(images: Sequence[Image.Image], path: Path, columns: int) -> Path:
    width, height = images[0].size
    rows = -(-len(images) // columns)
    size = (columns * (width + _GAP) + _GAP, rows * (height + _GAP) + _GAP)
    sheet = Image.new("RGB", size, "#202428")
    for i, image in enumerate(images):
        row, column = divmod(i, columns)
        sheet.paste(image, (_GAP + column * (width + _GAP), _GAP + row * (height + _GAP)))
    sheet.save(path)
    return path
