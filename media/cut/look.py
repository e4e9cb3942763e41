"""How the canvas of a mix looks: what updateLayout can change (reference §2.4, §2.9)."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from media.tape.model import EventType, TapeEvent

FLOATING, BEST_FIT, VERTICAL, CUSTOM = LAYOUTS = range(4)  # mixedVideoLayout
_COLOUR: Final = re.compile(r"#[0-9A-Fa-f]{6}")


@dataclass(frozen=True, slots=True)
class UserImage:
    """What a publisher's region shows once their video has stopped (``backgroundConfig``)."""

    uid: str
    url: str
    whole: bool = False  # render_mode 1: the whole picture with borders; else fill and crop


@dataclass(frozen=True, slots=True)
class Place:
    """One region of the custom layout (``layoutConfig``), in fractions of the canvas."""

    uid: str  # whom it is reserved for; "" is the next publisher who has no place of their own
    x: float  # origin top-left
    y: float
    w: float
    h: float
    alpha: float = 1.0  # 0 transparent, 1 opaque
    whole: bool = False  # render_mode 1: the whole picture with black borders; else fill and crop


@dataclass(frozen=True, slots=True)
class Look:
    """A layout with everything that belongs to it; each call replaces it as a whole."""

    layout: int = 0  # 0 floating, 1 best fit, 2 vertical, 3 custom
    max_resolution_uid: str = ""  # who owns the large region of layout 2
    background_color: str = "#000000"  # #RRGGBB
    background_image: str = ""  # URL; fills the canvas
    default_user_image: str = ""  # URL; for everybody without an image in ``user_images``
    user_images: tuple[UserImage, ...] = ()
    places: tuple[Place, ...] = ()  # layout 3; later ones lie on top

    @property
    def urls(self) -> tuple[str, ...]:
        """All images, sorted, each once."""
        named = (self.background_image, self.default_user_image)
        return tuple(sorted({*named, *(image.url for image in self.user_images)} - {""}))

    def stand_ins(self, uid: str) -> tuple[UserImage, ...]:
        """What stands for a publisher without video, the first that can be had."""
        own = tuple(image for image in self.user_images if image.uid == uid)
        return (*own, UserImage(uid, self.default_user_image)) if self.default_user_image else own

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary, for specs and for the tape."""
        return _fields(self) | {
            "user_images": tuple(map(_fields, self.user_images)),
            "places": tuple(map(_fields, self.places)),
        }

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> "Look":
        """The inverse of :meth:`to_json`; what is left out has its default.

        Raises KeyError, TypeError or ValueError when the row is not a look.
        """
        layout = row.get("layout", 0)
        if layout not in LAYOUTS:  # NaN is none, either
            raise ValueError("there is no such layout")
        colour = _text(row.get("background_color", "#000000"))
        if not _COLOUR.fullmatch(colour):
            raise ValueError("a background color that is none")
        return cls(
            layout=int(layout),
            max_resolution_uid=_text(row.get("max_resolution_uid", "")),
            background_color=colour,
            background_image=_text(row.get("background_image", "")),
            default_user_image=_text(row.get("default_user_image", "")),
            user_images=tuple(_user_image(image) for image in row.get("user_images", ())),
            places=tuple(_place(place) for place in row.get("places", ())),
        )

    def event(self, at_ns: int) -> TapeEvent:
        """The tape's word that the canvas looks like this from ``at_ns`` on."""
        detail = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))
        return TapeEvent(EventType.LOOK, at_ns, detail=detail)

    @classmethod
    def told(cls, detail: str) -> "Look | None":
        """What a LOOK event's ``detail`` says; None if that makes no sense."""
        try:
            return cls.from_json(json.loads(detail))
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
            return None


PLAIN: Final = Look()


def _fields(value: Look | Place | UserImage) -> dict[str, Any]:
    """Like dataclasses.asdict of one without others in it, which copies what nobody can change."""
    return {name: getattr(value, name) for name in value.__slots__}


def _user_image(row: Mapping[str, Any]) -> UserImage:
    return UserImage(_text(row["uid"]), _text(row["url"]), bool(row.get("whole", False)))


def _place(row: Mapping[str, Any]) -> Place:
    x, y, w, h = (_share(row[name]) for name in ("x", "y", "w", "h"))
    alpha, whole = _share(row.get("alpha", 1.0)), bool(row.get("whole", False))
    return Place(_text(row.get("uid", "")), x, y, w, h, alpha, whole)


def _share(value: Any) -> float:
    """A number from 0 to 1; Python reads NaN, Infinity and integers beyond any float as well."""
    if not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError("a share of the canvas that is none")
    return float(value)


def _text(value: Any) -> str:
    """A string, of characters that can be written down."""
    if not isinstance(value, str):
        raise TypeError("a look has something else for a text")
    value.encode()  # raises ValueError for half a surrogate pair
    return value
