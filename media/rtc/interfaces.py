"""Which addresses of this host media may use."""

import ipaddress
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

import psutil

from media.errors import FarmError
from media.rtc.network import LOOPBACK

MOST = 8  # addresses of one connection: each is a socket, and a row of connectivity checks


class NoSuchInterface(FarmError):
    """A name or an address in the settings that this host does not have."""


def addresses_for(url: str, *, named: Iterable[str] = (), ipv6: bool = True) -> tuple[str, ...]:
    """Our addresses for connections to the media server behind ``url``, the best one first.

    ``named`` are interfaces or addresses; without any it is loopback for a room of ours on
    loopback, every other address of this host for a server elsewhere, and all of them for a
    foreign server on this host: libnice, hence Janus, gathers no loopback candidates, unless
    ``ice_enforce_list`` says so, and then perhaps no others.  Link-local IPv6 is left out: a
    candidate has no place for its scope (RFC 8839 §5.1).  Raises NoSuchInterface.
    """
    there = _addresses_by_interface(ipv6=ipv6)
    wanted = tuple(named)
    parts = urlsplit(url)
    host = parts.hostname or ""
    loopback = ("::1",) if ":" in host else LOOPBACK
    found: Iterable[str]
    if wanted:
        found = (address for name in wanted for address in _named(name, there))
    elif is_loopback(host) and parts.scheme.startswith("room+"):
        found = loopback
    else:
        every = [address for each in there.values() for address in each]
        elsewhere = [address for address in every if not is_loopback(address)]
        here = is_loopback(host) or host in every
        found = (*elsewhere[: MOST - len(loopback)], *loopback) if here else elsewhere
    return tuple(dict.fromkeys(found))[:MOST]


def is_loopback(host: str) -> bool:
    """Whether a host of a URL is this host, by name or address; asks no resolver."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")  # RFC 6761 §6.3


def _named(name: str, there: dict[str, list[str]]) -> list[str]:
    if name in there:
        return there[name]
    try:
        return [str(ipaddress.ip_address(name))]
    except ValueError:
        raise NoSuchInterface(f"this host has no interface {name!r} with an address") from None


def _addresses_by_interface(*, ipv6: bool) -> dict[str, list[str]]:
    """IPv4 first: it is what most media servers have."""
    up = {name for name, state in psutil.net_if_stats().items() if state.isup}
    found = {}
    for name, entries in psutil.net_if_addrs().items():
        four = [each.address for each in entries if each.family == socket.AF_INET]
        six = [each.address for each in entries if each.family == socket.AF_INET6 and ipv6]
        usable = [address for address in four + six if _is_usable(address)]
        if name in up and usable:
            found[name] = usable
    return found


def _is_usable(text: str) -> bool:
    address = ipaddress.ip_address(text.partition("%")[0])
    return not (address.is_link_local or address.is_multicast or address.is_unspecified)
