import asyncio
import weakref

import pytest

from media.errors import TapeUnsealed
from media.rtc.drain import Drain
from media.rtc.network import ON_THIS_HOST
from media.tape.model import EventType, TapeEvent
from tests.leftovers import no_collector
from workers.metrics.metrics import Metrics
from workers.recorder.session import Session
from workers.settings import Settings
from workers.spool.spool import Folder


def test_a_disk_that_refuses_the_end_does_not_hold_the_recording_for_ever(tmp_path, make_spec):
    settings = Settings(farm_key="k" * 32, tape_seal_s=0.3)
    folder = Folder(tmp_path / "sid")
    folder.path.mkdir()
    folder.tape.write_text("a file where the directory should be")

    async def run():
        drain = Drain()
        session = Session(
            make_spec(),
            settings,
            folder,
            fence=1,
            first_number=0,
            drain=drain,
            network=ON_THIS_HOST,
            metrics=Metrics(),
            notify=lambda notice: None,
        )
        session._writer.event(TapeEvent(EventType.JOINED, 1, uid="1"))
        session.stop_now()
        try:
            async with asyncio.timeout(20):
                await session.run()
        finally:
            drain.close()

    with pytest.raises(TapeUnsealed, match="could not be sealed"):
        asyncio.run(run())


def test_a_session_that_is_over_does_not_wait_for_the_collector(tmp_path, make_spec):
    folder = Folder(tmp_path / "sid")
    folder.path.mkdir()

    async def run():
        drain = Drain()
        session = Session(
            make_spec(),
            Settings(farm_key="k" * 32),
            folder,
            fence=1,
            first_number=0,
            drain=drain,
            network=ON_THIS_HOST,
            metrics=Metrics(),
            notify=lambda notice: None,
        )
        session.count_from(1)
        session.stop_now()
        assert await session.run() == "stopped"
        drain.close()
        return weakref.ref(session)

    with no_collector():
        assert asyncio.run(run())() is None


@pytest.mark.parametrize(("low", "layer"), [(True, 0), (False, 1)])
def test_the_low_stream_is_the_lowest_layer(tmp_path, make_spec, monkeypatch, low, layer):
    asked = {}
    monkeypatch.setattr("workers.recorder.session.Capture", lambda **options: asked.update(options))
    drain = Drain()
    Session(
        make_spec(low_stream=low),
        Settings(farm_key="k" * 32, simulcast_substream=1),
        Folder(tmp_path / "sid"),
        fence=1,
        first_number=0,
        drain=drain,
        network=ON_THIS_HOST,
        metrics=Metrics(),
        notify=lambda notice: None,
    )
    assert asked["simulcast_substream"] == layer
