"""Which adapter speaks to which channel URL."""

from urllib.parse import urlsplit

from media.channels.base import Channel, Taps, Wants
from media.channels.room import RoomChannel
from media.errors import ChannelRefused

_ADAPTERS = {"room+http": RoomChannel, "room+https": RoomChannel}


def open_channel(
    url: str, *, cname: str, uid: str, token: str | None, wants: Wants, taps: Taps
) -> Channel:
    """The channel behind a URL such as ``room+http://127.0.0.1:8090``; not joined yet.

    Raises ChannelRefused for a scheme that nobody speaks.
    """
    adapter = _ADAPTERS.get(urlsplit(url).scheme)
    if adapter is None:
        raise ChannelRefused("no adapter speaks this channel URL's scheme")
    return adapter(url, cname=cname, uid=uid, token=token, wants=wants, taps=taps)
