"""What a recorder's settings make of its network."""

import json

import pytest
from pydantic import ValidationError

from media.rtc.network import IceServer
from tests.certificate import certificate_of
from workers.recorder.network import network_of
from workers.settings import Settings

KEY = "a farm key for tests"
TURN = {"urls": "turn:a.example:3478?transport=tcp", "username": "u", "credential": "a-secret"}


def settings(**values: object) -> Settings:
    return Settings(farm_key=KEY, **values)


def test_without_settings_a_channel_on_this_host_uses_loopback_only():
    network = network_of(settings(), "room+http://127.0.0.1:8081")
    assert network.addresses == ("127.0.0.1",)
    assert (network.ports, network.ice_servers, network.relay_only) == (None, (), False)


def test_without_settings_a_janus_on_this_host_is_heard_on_loopback_and_elsewhere():
    elsewhere = network_of(settings(), "janus+ws://media.example:8188").addresses
    here = network_of(settings(), "janus+ws://127.0.0.1:8188").addresses
    assert here == (*elsewhere, "127.0.0.1")


def test_a_private_authority_counts_beside_the_systems(tmp_path):
    certificate, key = certificate_of(tmp_path)
    system = network_of(settings(), "room+http://127.0.0.1:8081").tls
    network = network_of(settings(media_ca_file=certificate), "janus+wss://media.example")
    assert system is not None
    assert network.tls is not None
    more = network.tls.cert_store_stats()["x509_ca"] - system.cert_store_stats()["x509_ca"]
    assert more == 1
    for file in (key, tmp_path / "nothing"):
        with pytest.raises(OSError):
            network_of(settings(media_ca_file=file), "janus+wss://media.example")


def test_passwords_in_urls_are_not_shown():
    read = settings(redis_url="redis://:a-secret@host/0", channel_url="janus+ws://h?pin=a-secret")
    assert "a-secret" not in repr(read)


def test_everything_can_be_set_in_the_environment(monkeypatch):
    servers = [TURN, {"urls": ["stun:b.example", "stun:c.example:5"]}]
    for name, value in {
        "FARM_KEY": KEY,
        "ICE_SERVERS": json.dumps(servers),
        "ICE_TRANSPORT_POLICY": "relay",
        "ICE_INTERFACES": '["::1", "127.0.0.1"]',
        "ICE_ADVERTISE": '["198.51.100.4"]',
        "ICE_PORTS": "40000-40999",
        "ICE_GATHER_S": "0.5",
    }.items():
        monkeypatch.setenv(f"TAPEFARM_{name}", value)
    read = Settings()
    assert "a-secret" not in repr(read)
    network = network_of(read, "janus+ws://media.example:8188")
    assert network.addresses == ("::1", "127.0.0.1")
    assert network.advertise == ("198.51.100.4",)
    assert network.ports == range(40000, 41000)
    assert network.relay_only
    assert network.gather_s == 0.5
    assert network.tls is not None
    assert network.ice_servers == (
        IceServer("turn", "a.example", 3478, "tcp", "u", "a-secret"),
        IceServer("stun", "b.example", 3478),
        IceServer("stun", "c.example", 5),
    )


@pytest.mark.parametrize(
    "values",
    [
        {"ice_servers": [{"urls": "http://a.example"}]},
        {"ice_servers": [{"urls": "turn:a.example", "username": "u"}]},
        {"ice_servers": [{"urls": "stun:a.example", "password": "p"}]},
        {"ice_transport_policy": "relay"},
        {"ice_transport_policy": "relay", "ice_servers": [{"urls": "stun:a.example"}]},
        {"ice_transport_policy": "none"},
        {"ice_ports": "40000"},
        {"ice_ports": "41000-40000"},
        {"ice_advertise": ["a.example"]},
        {"ice_gather_s": 0},
        {"simulcast_substream": 3},
    ],
)
def test_settings_that_cannot_work_are_refused_at_once(values):
    with pytest.raises(ValidationError):
        settings(**values)


def test_a_refusal_of_settings_does_not_say_the_secret():
    with pytest.raises(ValidationError) as refused:
        settings(ice_servers=[{**TURN, "urls": "turn:a.example:99999"}])
    assert "a-secret" not in str(refused.value)
