"""Which adapter speaks to which channel URL."""

from urllib.parse import urlsplit

from media.channels.base import Channel, Entrance, Taps, Wants
from media.channels.janus.channel import JanusChannel
from media.channels.room import RoomChannel
from media.errors import ChannelRefused


def open_channel(entrance: Entrance, *, wants: Wants, taps: Taps) -> Channel:
    """The channel behind a URL, by its scheme; not joined yet.

    Raises ChannelRefused for a scheme that nobody speaks.
    """
    match urlsplit(entrance.url).scheme:
        case "room+http" | "room+https":
            return RoomChannel(entrance, wants=wants, taps=taps)
        case "janus+ws" | "janus+wss":
            return JanusChannel(entrance, wants=wants, taps=taps)
    raise ChannelRefused("no adapter speaks this channel URL's scheme")
