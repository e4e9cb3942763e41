"""How a mix looks, from a customer's words (reference §2.4, §3.6).  Pure."""

from typing import Final

from api.agora.errors import InvalidField
from api.agora.models import LayoutRegion, LayoutRequest
from media.cut.look import Look, Place, UserImage

_CUSTOM: Final = 3
_FIT: Final = 1  # render_mode
_DIGITS: Final = 6  # decimals of a share of the canvas that mean something


def look(config: LayoutRequest, field: str) -> Look:
    """The look; ``field`` is where the customer wrote it: "" or "a.b.".  Raises InvalidField."""
    if config.mixed_video_layout == _CUSTOM and not config.layout_config:
        raise InvalidField(f"{field}layoutConfig", "mixedVideoLayout 3 needs one")
    if config.mixed_video_layout != _CUSTOM and config.layout_config:
        raise InvalidField(f"{field}layoutConfig", "Only mixedVideoLayout 3 takes one")
    users = [entry.uid for entry in config.background_config]
    if len(set(users)) < len(users):
        raise InvalidField(f"{field}backgroundConfig", "A user has one picture")
    return Look(
        layout=config.mixed_video_layout,
        max_resolution_uid=config.max_resolution_uid,
        background_color=config.background_color,
        background_image=config.background_image,
        default_user_image=config.default_user_background_image,
        user_images=tuple(
            UserImage(entry.uid, entry.image_url, entry.render_mode == _FIT)
            for entry in config.background_config
        ),
        places=_places(config.layout_config, f"{field}layoutConfig"),
    )


def _places(regions: tuple[LayoutRegion, ...], field: str) -> tuple[Place, ...]:
    reserved: set[str] = set()
    for number, region in enumerate(regions):
        where = f"{field}[{number}]"
        if round(region.x_axis + region.width, _DIGITS) > 1:
            raise InvalidField(f"{where}.width", "x_axis + width must not exceed 1")
        if round(region.y_axis + region.height, _DIGITS) > 1:
            raise InvalidField(f"{where}.height", "y_axis + height must not exceed 1")
        if region.uid in reserved:
            raise InvalidField(f"{where}.uid", "A user has one region")
        reserved |= {region.uid} - {""}
    return tuple(_place(region) for region in regions)


def _place(region: LayoutRegion) -> Place:
    return Place(
        uid=region.uid,
        x=float(region.x_axis),
        y=float(region.y_axis),
        w=min(float(region.width), 1.0 - region.x_axis),
        h=min(float(region.height), 1.0 - region.y_axis),
        alpha=float(region.alpha),
        whole=region.render_mode == _FIT,
    )
