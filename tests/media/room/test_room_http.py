"""The room's contract over HTTP: what it answers, and to whom it says no."""

import pytest
from multidict import CIMultiDict

from media.room.limits import Limits
from media.rtc import sdp
from media.rtc.peer import Peer
from tests.media.room.clients import SDP, open_room, run, vp8


async def ask(place, method, path, **more):
    async with place.http.request(method, place.base + path, **more) as response:
        return response.status, CIMultiDict(response.headers), await response.text()


async def offer_of(place, *sections):
    peer = Peer(
        controlling=True,
        on_rtp=lambda *_: None,
        on_rtcp=lambda *_: None,
        on_closed=lambda _: None,
        drain=place.drain,
    )
    await peer.gather()
    text = peer.describe(sections).to_sdp()
    await peer.close()
    return text


def sending(kind="video", codec=None):
    return sdp.MediaSection(kind, "0", "sendonly", (codec or vp8(),), {}, (7,))


@pytest.mark.parametrize(
    ("method", "path", "more", "status"),
    [
        ("POST", "/whip/c/1", {"data": "not sdp", "headers": SDP}, 400),
        ("POST", "/whip/c/1", {"data": "", "headers": SDP}, 400),
        ("POST", "/whip/c/1", {"data": b"\xff\xfe", "headers": SDP}, 400),
        ("POST", "/whip/c/1", {"data": "v=0\r\nm=video x\r\n", "headers": SDP}, 400),
        ("POST", "/whip/c/1", {"data": "v=0"}, 415),
        ("POST", "/whip/c/1", {"json": {"sdp": "v=0"}}, 415),
        ("POST", "/whip/c/1", {"data": "x" * 70_000, "headers": SDP}, 413),
        ("POST", "/whip/c/1?source=moon", {"data": "v=0", "headers": SDP}, 400),
        ("POST", "/whip/c/" + "u" * 300, {"data": "v=0", "headers": SDP}, 400),
        ("POST", "/whip/c%0Ad/1", {"data": "v=0", "headers": SDP}, 400),
        ("POST", "/whip/c", {"data": "v=0", "headers": SDP}, 404),
        ("POST", "/whep/c/1", {"data": "v=0", "headers": SDP}, 404),
        ("POST", "/whep/c/1?as=", {"data": "v=0", "headers": SDP}, 400),
        ("GET", "/whip/c/1", {}, 405),
        ("GET", "/channels/c/events?as=" + "u" * 300, {}, 400),
        ("DELETE", "/sessions/nobody", {}, 404),
        ("PATCH", "/sessions/nobody", {}, 405),
        ("POST", "/sessions/nobody/mute", {"json": {"kind": "audio", "muted": True}}, 404),
        ("POST", "/sessions/nobody/mute", {"json": {"kind": "smell", "muted": True}}, 400),
        ("POST", "/sessions/nobody/mute", {"json": {"kind": [], "muted": True}}, 400),
        ("POST", "/sessions/nobody/mute", {"json": {"kind": "audio", "muted": 1}}, 400),
        ("POST", "/sessions/nobody/mute", {"json": {"kind": "audio"}}, 400),
        ("POST", "/sessions/nobody/mute", {"json": []}, 400),
        ("POST", "/sessions/nobody/mute", {"data": "{}"}, 415),
        (
            "POST",
            "/sessions/nobody/mute",
            {"data": "[" * 9000, "headers": {"Content-Type": "application/json"}},
            400,
        ),
    ],
)
def test_bad_requests_are_refused_with_problem_details(method, path, more, status):
    @run
    async def refused():
        async with open_room() as place:
            got, headers, text = await ask(place, method, path, **more)
            assert got == status
            assert headers["Access-Control-Allow-Origin"] == "*"
            assert headers["Content-Type"].startswith("application/problem+json")
            assert '"title": "' in text
            assert place.room.counts()["sessions"] == 0

    refused()


@run
async def test_an_offer_without_a_codec_we_forward_is_not_acceptable():
    async with open_room() as place:
        rtx = sdp.Codec("rtx", 97, 90000)
        offer = await offer_of(place, sending(codec=rtx))
        status, _, text = await ask(place, "POST", "/whip/c/1", data=offer, headers=SDP)
        assert status == 406, text


@run
async def test_leaving_is_told_and_done_once():
    async with open_room() as place:
        publisher = await place.joined()
        assert (await ask(place, "DELETE", publisher.location))[0] == 200
        assert (await ask(place, "DELETE", publisher.location))[0] == 404
        await publisher.until(lambda: publisher.closed)
        assert place.room.counts()["sessions"] == 0


@run
async def test_a_subscriber_cannot_be_muted():
    async with open_room() as place:
        await place.joined()
        subscriber = await place.subscribe()
        assert (await place.mute(subscriber, "audio", True))[0] == 400


@run
async def test_other_pages_may_use_the_room():
    async with open_room() as place:
        status, headers, _ = await ask(place, "OPTIONS", "/whip/c/1")
        assert status == 204
        assert "DELETE" in headers["Access-Control-Allow-Methods"]
        assert "Content-Type" in headers["Access-Control-Allow-Headers"]
        offer = await offer_of(place, sending())
        status, headers, _ = await ask(place, "POST", "/whip/c/1", data=offer, headers=SDP)
        assert status == 201
        assert headers["Access-Control-Expose-Headers"] == "Location"
        assert (await ask(place, "DELETE", headers["Location"]))[0] == 200


@run
async def test_a_full_channel_and_a_full_room_refuse_one_more():
    async with open_room(Limits(publishers=1, sessions=2, watchers=1)) as place:
        first = await place.joined()
        offer = {"data": await offer_of(place, sending()), "headers": SDP}
        status, headers, _ = await ask(place, "POST", "/whip/c/2", **offer)
        assert (status, headers["Retry-After"]) == (503, "5")
        await place.publish("1")  # who rejoins takes no place more
        await first.until(lambda: first.closed)
        await place.joined(cname="d")
        assert (await ask(place, "POST", "/whip/e/1", **offer))[0] == 503
        async with place.events() as events:
            await events.next()
            assert (await ask(place, "GET", "/channels/c/events"))[0] == 503


@run
async def test_an_offer_whose_client_never_comes_is_never_present():
    async with open_room() as place:
        offer = await offer_of(place, sending())
        status, headers, _ = await ask(place, "POST", "/whip/c/1", data=offer, headers=SDP)
        assert status == 201
        assert place.room.counts()["sessions"] == 1
        async with place.events() as events:
            assert (await events.next())[1]["publishers"] == []
        await ask(place, "DELETE", headers["Location"])
        assert place.room.counts()["sessions"] == 0


@run
async def test_the_page_and_all_it_needs_come_from_the_room():
    async with open_room() as place:
        status, headers, page = await ask(place, "GET", "/?channel=c&uid=1")
        assert status == 200
        assert headers["Content-Security-Policy"].startswith("default-src 'self'")
        assert "://" not in page
        for name in ("room.js", "sessions.js", "tile.js", "room.css", "icon.svg", "symbols.svg"):
            assert (await ask(place, "GET", f"/static/{name}"))[0] == 200
