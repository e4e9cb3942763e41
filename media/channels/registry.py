"""Which adapter speaks to which channel URL."""

import ssl
from urllib.parse import urlsplit

from media.channels.base import Channel, Taps, Wants
from media.channels.janus.channel import JanusChannel
from media.channels.room import RoomChannel
from media.errors import ChannelRefused


def open_channel(
    url: str,
    *,
    cname: str,
    uid: str,
    token: str | None,
    wants: Wants,
    taps: Taps,
    simulcast_substream: int = 2,
    tls: ssl.SSLContext | None = None,
) -> Channel:
    """The channel behind a URL such as ``room+http://127.0.0.1:8090``; not joined yet.

    ``simulcast_substream`` is the layer to record of those who send several, 0 the lowest to 2
    the highest.  ``tls`` says whose certificates are good; None: the system's authorities.

    Raises ChannelRefused for a scheme that nobody speaks.
    """
    match urlsplit(url).scheme:
        case "room+http" | "room+https":
            return RoomChannel(
                url, cname=cname, uid=uid, token=token, wants=wants, taps=taps, tls=tls
            )
        case "janus+ws" | "janus+wss":
            return JanusChannel(
                url,
                cname=cname,
                uid=uid,
                token=token,
                wants=wants,
                taps=taps,
                simulcast_substream=simulcast_substream,
                tls=tls,
            )
    raise ChannelRefused("no adapter speaks this channel URL's scheme")
