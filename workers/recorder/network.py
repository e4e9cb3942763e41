"""The network of a recorder, from its settings and from what this host has."""

import functools
import ssl
from pathlib import Path

from media.rtc.interfaces import addresses_for
from media.rtc.network import Network, port_range
from workers.settings import Settings


def network_of(settings: Settings, channel_url: str) -> Network:
    """What connections to the media server of a channel may use.

    Looks at the host's interfaces and reads certificates, so it may block for some milliseconds.
    Raises NoSuchInterface, and OSError for certificates that cannot be read.
    """
    servers = tuple(server for each in settings.ice_servers for server in each.servers())
    return Network(
        addresses=addresses_for(channel_url, named=settings.ice_interfaces, ipv6=settings.ice_ipv6),
        ports=port_range(settings.ice_ports),
        advertise=tuple(str(address) for address in settings.ice_advertise),
        ice_servers=servers,
        relay_only=settings.ice_transport_policy == "relay",
        gather_s=settings.ice_gather_s,
        tls=_authorities(settings.media_ca_file),
    )


@functools.cache
def _authorities(ca_file: Path | None) -> ssl.SSLContext:
    """Whose certificates are good: the system's authorities' and those of a file.

    Made once, here, because reading them takes too long for an event loop.  Raises OSError for
    an unreadable file, and ssl.SSLError, an OSError too, for one without certificates.
    """
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context
