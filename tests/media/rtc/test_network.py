"""Addresses, ports and servers as settings name them."""

import socket

import psutil
import pytest

from media.rtc import interfaces
from media.rtc.interfaces import NoSuchInterface, addresses_for, is_loopback
from media.rtc.network import BadIceServer, IceServer, ice_server, port_range

LOOPBACK_NAME = next(
    name
    for name, entries in psutil.net_if_addrs().items()
    if any(each.address == "127.0.0.1" for each in entries)
)


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("stun:stun.example.org", IceServer("stun", "stun.example.org", 3478)),
        ("stun:[2001:db8::1]:19302", IceServer("stun", "2001:db8::1", 19302)),
        ("turn:192.0.2.1", IceServer("turn", "192.0.2.1", 3478, "udp", "u", "p")),
        ("turn:a.example:443?transport=tcp", IceServer("turn", "a.example", 443, "tcp", "u", "p")),
        ("turns:a.example", IceServer("turns", "a.example", 5349, "tcp", "u", "p")),
        (
            "turns:a.example:443?transport=tcp",
            IceServer("turns", "a.example", 443, "tcp", "u", "p"),
        ),
    ],
)
def test_urls_of_ice_servers_are_read(url, server):
    read = ice_server(url, "u", "p") if server.relays else ice_server(url)
    assert read == server
    assert ice_server(str(read), "u", "p") == (read if server.relays else server)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "stun",
        "stun:",
        "http://a.example",
        "turn://a.example",
        "stun:a.example?transport=tcp",
        "turn:a.example?transport=sctp",
        "turns:a.example?transport=udp",
        "turn:a.example:port",
        "turn:a.example:0",
        "turn:a.example:70000",
        "turn:[::1",
        "turn:[::1]3478",
    ],
)
def test_what_is_no_ice_server_is_refused(url):
    with pytest.raises(BadIceServer):
        ice_server(url, "u", "p")


def test_a_relay_needs_an_account_and_keeps_it_to_itself():
    with pytest.raises(BadIceServer, match="credential"):
        ice_server("turn:a.example", "somebody")
    server = ice_server("turn:a.example", "somebody", "some-secret")
    assert "some-secret" not in f"{server!r} {server}"
    assert "somebody" not in f"{server!r} {server}"


def test_a_port_range_has_both_its_ends():
    assert port_range("") is None
    assert list(port_range("40000-40002")) == [40000, 40001, 40002]


@pytest.mark.parametrize("text", ["40000", "40000-", "a-b", "5-2000", "40001-40000", "40000-70000"])
def test_what_is_no_port_range_is_refused(text):
    with pytest.raises(ValueError, match="port range"):
        port_range(text)


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("localhost", True),
        ("room.localhost", True),
        ("192.0.2.1", False),
        ("localhost.example", False),
    ],
)
def test_loopback_is_known_without_asking_a_resolver(host, here):
    assert is_loopback(host) is here


def test_a_room_of_ours_on_this_host_is_heard_on_loopback_only():
    assert addresses_for("room+http://127.0.0.1:8081") == ("127.0.0.1",)
    assert addresses_for("room+http://[::1]:8081") == ("::1",)


def test_a_foreign_server_on_this_host_is_heard_on_every_address():
    elsewhere = addresses_for("janus+ws://media.example:8188")
    assert addresses_for("janus+ws://localhost:8188") == (*elsewhere, "127.0.0.1")
    assert addresses_for("janus+ws://[::1]:8188") == (*elsewhere, "::1")


def test_loopback_is_not_lost_among_many_addresses(monkeypatch):
    many = {f"eth{number}": [f"192.0.2.{number}"] for number in range(20)} | {"lo": ["127.0.0.1"]}
    monkeypatch.setattr(interfaces, "_addresses_by_interface", lambda **_: many)
    for url in ("janus+ws://127.0.0.1:8188", "janus+ws://192.0.2.19:8188"):
        found = addresses_for(url)
        assert len(found) == interfaces.MOST
        assert found[-1] == "127.0.0.1"


def test_a_channel_elsewhere_is_heard_on_every_address_that_others_can_reach():
    found = addresses_for("janus+ws://media.example:8188")
    assert not any(is_loopback(address) or address.startswith("fe80") for address in found)
    every = {
        each.address
        for name, entries in psutil.net_if_addrs().items()
        for each in entries
        if psutil.net_if_stats()[name].isup and each.family in (socket.AF_INET, socket.AF_INET6)
    }
    assert set(found) <= every
    assert not any(":" in address for address in addresses_for("x://media.example", ipv6=False))


def test_interfaces_are_chosen_by_name_or_address():
    url = "janus+ws://media.example:8188"
    assert "127.0.0.1" in addresses_for(url, named=[LOOPBACK_NAME])
    assert addresses_for(url, named=["192.0.2.7", "::1"]) == ("192.0.2.7", "::1")
    with pytest.raises(NoSuchInterface, match="wlan77"):
        addresses_for(url, named=["wlan77"])
