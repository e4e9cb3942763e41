"""How a Janus is reached that is configured in one way or another."""

import asyncio
import ssl

import pytest
import structlog
from janus_guests import Publisher, visiting
from janus_stage import Recording, heard, play, until, whole

from media.publish.options import PublishOptions, Ready, Video
from media.publish.publisher import publish
from media.rtc.drain import Drain
from media.rtc.interfaces import addresses_for
from media.rtc.network import Network
from media.tape.model import Source
from tests.certificate import certificate_of
from tests.janus import start_janus

pytestmark = pytest.mark.server


def nobody_minds(_: Ready) -> None:
    """That a publisher is connected."""


@pytest.mark.parametrize("enforced", ["lo", None])
def test_a_janus_on_this_host_is_heard_on_loopback_and_elsewhere(tmp_path, need, enforced) -> None:
    need("janus")

    async def story(made: Recording, drain: Drain) -> None:
        stop = asyncio.Event()
        options = PublishOptions(janus.url, "r", "guest", video=Video.NONE)
        publishing = asyncio.create_task(publish(options, stop, on_ready=nobody_minds))
        try:
            await heard(made, 50)
        finally:
            stop.set()
            await publishing

    with start_janus(tmp_path, string_ids=True, nat={"ice_enforce_list": enforced}) as janus:
        janus.create_room("r")
        network = Network(addresses=addresses_for(janus.url))
        made = play(tmp_path, janus.url, "r", story, network=network)
    [track] = made.of("guest", Source.MICROPHONE)
    assert whole(made.sequence(track))


def test_a_janus_is_reached_over_tls_when_its_authority_is_known(tmp_path, need) -> None:
    need("janus")
    certificate, key = certificate_of(tmp_path)
    tls = ssl.create_default_context(cafile=certificate)
    addresses = addresses_for("janus+wss://127.0.0.1")

    async def story(made: Recording, drain: Drain) -> None:
        guest = Publisher(janus.url, "r", "guest", drain)
        async with visiting(guest):
            await guest.start()
            await heard(made)

    async def stranger(made: Recording, drain: Drain) -> None:
        await until(lambda: any("Certificate" in str(each.get("error")) for each in logs))

    with start_janus(tmp_path, string_ids=True, tls=(certificate, key)) as janus:
        janus.create_room("r")
        known = Network(addresses, tls=tls)
        made = play(tmp_path / "known", janus.tls_url, "r", story, network=known)
        unknown = Network(addresses)
        with structlog.testing.capture_logs() as logs:
            play(tmp_path / "unknown", janus.tls_url, "r", stranger, network=unknown)
    [track] = made.of("guest", Source.CAMERA)
    assert whole(made.sequence(track))
