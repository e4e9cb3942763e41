"""What media.rtc uses of its dependencies beyond their public names; fails when any of it moves."""

import asyncio
import inspect
from importlib.metadata import version
from types import SimpleNamespace

import aioice
import aioice.ice
import aioice.stun
import aiortc
import aiortc.sdp
import pylibsrtp
import pytest
from aioice import turn
from aiortc import rtcrtpreceiver
from aiortc.rtcdtlstransport import RTCDtlsTransport
from pylibsrtp import _binding

from media.rtc.consent import Granted, attributes_of, is_sealed, sealed
from media.rtc.dtls import Pipe, certificate
from media.rtc.landing import MAX_DATAGRAM, landing


@pytest.mark.parametrize(
    ("name", "pinned"), [("aiortc", "1.16.0"), ("aioice", "0.12.0"), ("pylibsrtp", "1.0.0")]
)
def test_the_versions_are_those_that_were_read(name, pinned):
    assert version(name) == pinned


def connection() -> aioice.Connection:
    async def make() -> aioice.Connection:
        return aioice.Connection(ice_controlling=True)

    return asyncio.run(make())


@pytest.mark.parametrize(
    ("attribute", "kind"),
    [
        ("_nominated", dict),
        ("_protocols", list),
        ("_check_list", list),
        ("remote_is_lite", bool),
        ("ice_controlling", bool),
    ],
)
def test_an_ice_connection_keeps_its_state_where_we_look(attribute, kind):
    assert isinstance(getattr(connection(), attribute), kind)


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("get_component_candidates", ["self", "component", "addresses", "timeout"]),
        ("data_received", ["self", "data", "component"]),
        ("request_received", ["self", "message", "addr", "protocol", "raw_data"]),
        ("check_incoming", ["self", "message", "addr", "protocol"]),
        ("switch_role", ["self", "ice_controlling"]),
        ("query_consent", ["self"]),
        ("build_request", ["self", "pair", "nominate"]),
        ("close", ["self"]),
        ("gather_candidates", ["self"]),
        ("connect", ["self"]),
    ],
)
def test_an_ice_connection_calls_what_we_override(method, parameters):
    function = getattr(aioice.Connection, method)
    assert list(inspect.signature(function).parameters) == parameters


def test_the_ice_connection_itself_asks_for_candidates_and_begins_with_consent():
    assert "self.get_component_candidates(" in inspect.getsource(
        aioice.Connection.gather_candidates
    )
    begun = "self._query_consent_task = asyncio.create_task(self.query_consent())"
    assert inspect.getsource(aioice.Connection.connect).count(begun) == 1
    assert inspect.iscoroutinefunction(aioice.Connection.query_consent)
    closing = inspect.getsource(aioice.Connection.close)
    assert "if self._query_consent_task and not self._query_consent_task.done():" in closing


def test_an_ice_connection_tells_of_the_checks_it_has_answered():
    accepting = inspect.getsource(aioice.Connection.request_received)
    answered = accepting.index("protocol.send_stun(response, addr)")
    assert answered < accepting.index("self.check_incoming(message, addr, protocol)")
    assert accepting.count("self.respond_error(") == accepting[:answered].count("return") == 4
    assert "self.switch_role(" in accepting


@pytest.mark.parametrize("address", [("192.0.2.7", 51234), ("2001:db8::7", 51234)])
def test_a_message_is_sealed_as_aioice_seals_it(address):
    stun = aioice.stun
    theirs = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    theirs.attributes = {"USERNAME": "abcd:efgh", "PRIORITY": 7, "ICE-CONTROLLING": 9}
    unsealed = bytes(theirs)
    theirs.add_message_integrity(b"secret")
    request = bytes(theirs)
    assert sealed(0x0001, theirs.transaction_id, unsealed[20:], b"secret") == request
    assert attributes_of(request) == unsealed[20:]
    assert is_sealed(request, b"secret")
    assert not is_sealed(request, b"another")
    response = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE, theirs.transaction_id)
    response.attributes["XOR-MAPPED-ADDRESS"] = address
    response.add_message_integrity(b"secret")
    pair = SimpleNamespace(remote_addr=address)
    assert Granted(request, pair, b"secret").answer(request) == bytes(response)


def test_the_stun_protocol_lives_on_any_transport():
    source = inspect.getsource(aioice.ice.StunProtocol)
    used = {"self.transport.sendto(", "self.transport.close()"}
    assert all(call in source for call in used)
    rest = source
    for call in used:
        rest = rest.replace(call, "")
    assert "self.transport." not in rest


def test_a_stun_protocol_asks_whom_it_is_told_to():
    parameters = inspect.signature(aioice.ice.StunProtocol.request).parameters
    assert list(parameters)[:3] == ["self", "request", "addr"]
    assert {"connection_made", "connection_lost", "datagram_received"} <= {
        *vars(aioice.ice.StunProtocol)
    }


@pytest.mark.parametrize("kind", [turn.TurnClientUdpProtocol, turn.TurnClientTcpProtocol])
def test_a_turn_client_is_driven_without_its_transport(kind):
    client = kind(
        ("127.0.0.1", 3478), username="u", password="p", lifetime=600, channel_refresh_time=500
    )
    assert client.receiver is client.relayed_address is client.mapped_address is None
    assert client.refresh_task is None
    assert client.peer_to_channel == {}
    for name, parameters in {
        "connect": ["self"],
        "delete": ["self"],
        "send_data": ["self", "data", "addr"],
        "channel_bind": ["self", "channel_number", "addr"],
        "_send": ["self", "data"],
    }.items():
        assert list(inspect.signature(getattr(kind, name)).parameters) == parameters


def test_a_turn_client_calls_its_receiver_for_data_and_for_the_end():
    source = inspect.getsource(turn.TurnClientMixin)
    for call in ("datagram_received(", "connection_lost("):
        assert f"self.receiver.{call}" in source
        source = source.replace(f"self.receiver.{call}", "")
    assert "self.receiver." not in source
    assert 'struct.pack("!HH", channel, len(data))' in source
    assert (turn.DEFAULT_ALLOCATION_LIFETIME, turn.DEFAULT_CHANNEL_REFRESH_TIME) == (600, 500)


def test_a_turn_client_on_tcp_pads_what_it_sends():
    assert "self._padded(data)" in inspect.getsource(turn.TurnClientTcpProtocol._send)


def test_candidates_have_the_fields_we_fill():
    parameters = inspect.signature(aioice.Candidate).parameters
    assert {"foundation", "component", "transport", "priority", "host", "port", "type"} <= {
        *parameters
    }
    assert {"related_address", "related_port"} <= {*parameters}


def test_dtls_needs_of_its_ice_transport_a_role_and_two_ends():
    source = inspect.getsource(RTCDtlsTransport)
    for name in ("role", "_recv", "_send"):
        assert f"self.transport.{name}" in source
        source = source.replace(f"self.transport.{name}", "")
    assert "self.transport." not in source
    pipe = Pipe("controlled", lambda _: None)
    assert {"role", "_recv", "_send"} <= {*dir(pipe)}


def test_dtls_keeps_its_state_where_we_look():
    transport = RTCDtlsTransport(Pipe("controlled", lambda _: None), [certificate()])
    assert transport.state == "new"
    assert (transport._rx_srtp, transport._tx_srtp) == (None, None)
    assert (transport._task, transport._ssl) == (None, None)
    transport._set_role("client")
    assert transport._role == "client"
    assert list(inspect.signature(transport.start).parameters) == ["remoteParameters"]


def test_libsrtp_is_where_we_call_it():
    for name in ("srtp_protect", "srtp_protect_rtcp", "srtp_unprotect", "srtp_unprotect_rtcp"):
        assert callable(getattr(_binding.lib, name))
    assert _binding.ffi.typeof(pylibsrtp.Session()._srtp[0]) == _binding.ffi.typeof("srtp_t")
    assert "replay check failed (bad index)" in pylibsrtp.ERRORS
    assert pylibsrtp.SRTP_MAX_SRTCP_TRAILER_LEN == 148


def test_descriptions_have_the_fields_we_fill():
    section = aiortc.sdp.MediaDescription("audio", 9, "UDP/TLS/RTP/SAVPF", [96])
    for name in ("rtcp_mux", "ice_candidates_complete", "ssrc", "ssrc_group", "msid", "dtls"):
        assert hasattr(section, name)
    assert {**aiortc.sdp.DTLS_ROLE_SETUP} == {
        "auto": "actpass",
        "client": "active",
        "server": "passive",
    }


def test_stock_receivers_decode_in_a_function_that_can_be_replaced():
    source = inspect.getsource(rtcrtpreceiver.RTCRtpReceiver)
    assert "target=decoder_worker" in source
    parameters = inspect.signature(rtcrtpreceiver.decoder_worker).parameters
    assert list(parameters)[:2] == ["loop", "input_q"]


def test_a_socket_never_delivers_more_than_the_landing_holds():
    here = landing()
    assert here is landing()
    here.buffer[:3] = b"abc"
    assert here.bytes[0:3] == here.view[:3] == b"abc"
    assert {len(slot.view) for slot in here.slots} == {MAX_DATAGRAM}
