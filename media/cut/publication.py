"""What one publisher shows together: camera and microphone, or a screen and its sound."""

from collections.abc import Iterable
from dataclasses import dataclass

from media.cut.lines import Line
from media.tape.model import Source


@dataclass(frozen=True, slots=True, order=True)
class Publication:
    """A publisher's own sound and picture, or those of its screen."""

    uid: str
    screen: bool = False

    @classmethod
    def of(cls, line: Line) -> "Publication":
        """The publication that a line is part of."""
        return cls(line.uid, line.source.is_screen)

    @property
    def picture(self) -> Line:
        """Its line of pictures."""
        return Line(self.uid, Source.SCREEN if self.screen else Source.CAMERA)

    @property
    def sound(self) -> Line:
        """Its line of sound."""
        return Line(self.uid, Source.SCREEN_AUDIO if self.screen else Source.MICROPHONE)


def publications(lines: Iterable[Line]) -> list[Publication]:
    """Those that some lines are part of, in order."""
    return sorted({Publication.of(line) for line in lines})
