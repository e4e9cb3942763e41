"""Images against a real HTTP server: what is fetched, what is given up, and what is never asked."""

import asyncio
import contextlib
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from media.cut.look import Look, UserImage
from media.cut.model import Slice
from media.rtc import steady
from media.tape.model import NS
from media.tape.reader import Tape
from media.tape.writer import TapeWriter
from workers import addresses
from workers.addresses import Border
from workers.cutter import images as images_module
from workers.cutter.fetch import Fetcher, Unfetchable, Unusable
from workers.cutter.images import Images, without_query
from workers.cutter.plan import image_urls
from workers.job.spec import Mode, RecordingSpec

MOST = 100_000  # bytes


def picture(kind: str, size: tuple[int, int] = (64, 48)) -> bytes:
    file = BytesIO()
    Image.new("RGB", size, (200, 30, 30)).save(file, kind)
    return file.getvalue()


def bomb() -> bytes:
    """A small file that says it is a picture of 900 million pixels."""
    small = picture("PNG")
    head = b"IHDR" + struct.pack(">II", 30_000, 30_000) + small[24:29]
    return small[:12] + head + struct.pack(">I", zlib.crc32(head)) + small[33:]


MADE = {
    "/a.jpg": picture("JPEG"),
    "/a.bmp": picture("BMP"),
    "/a.png": picture("PNG"),
    "/a.gif": picture("GIF"),
    "/text": b"<html>",
    "/empty": b"",
    "/torn.jpg": b"\xff\xd8\xff" + b"x" * 100,
    "/bomb.png": bomb(),
    "/large": b"\xff\xd8\xff" + bytes(MOST),
}


class Server(ThreadingHTTPServer):
    """Answers by path; remembers what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []
        self.fails = 0  # so many more answers are faults of the server
        self.over = threading.Event()

    def url(self, path: str, host: str = "img.test") -> str:
        return f"http://{host}:{self.server_port}{path}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server, path = self.server, self.path.partition("?")[0]
        server.asked.append(f"{self.headers['Host'].partition(':')[0]}{self.path}")
        if server.fails:
            server.fails -= 1
            return self._say(503, b"")
        made = MADE.get(path)
        if made is not None:
            return self._say(200, made)
        act = getattr(self, path.strip("/").replace("-", "_"), None)
        return self._say(404, b"no") if act is None else act()

    def silent(self) -> None:
        self.server.over.wait(20)

    def cut_off(self) -> None:
        self._head(200, 5000)
        self.wfile.write(b"\xff\xd8\xff")

    def garbage(self) -> None:
        self.wfile.write(bytes(2000))

    def moved(self) -> None:
        self.send_response(302)
        self.send_header("Location", self.path.partition("?")[2])
        self.send_header("Content-Length", "0")
        self.end_headers()

    def drip(self) -> None:
        self._head(200, MOST)
        while not self.server.over.wait(0.05):
            self.wfile.write(b"x")

    def drip_headers(self) -> None:
        while not self.server.over.wait(0.05):
            self.wfile.write(b"H")

    def _head(self, status: int, length: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def _say(self, status: int, body: bytes) -> None:
        self._head(status, len(body))
        self.wfile.write(body)

    def handle(self) -> None:
        with contextlib.suppress(OSError):  # who asked has gone
            super().handle()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    threading.Thread(target=made.serve_forever, args=(0.05,), daemon=True).start()
    yield made
    made.over.set()
    made.shutdown()
    made.server_close()


HOSTS = {
    "img.test": ["127.0.0.1"],
    "inside.test": ["127.0.0.2"],
    "both.test": ["127.0.0.1", "127.0.0.2"],
    "127.0.0.2": ["127.0.0.2"],
}


@pytest.fixture
def border(monkeypatch: pytest.MonkeyPatch) -> Border:
    """The server's address counts as the open Internet, and its neighbours as our network."""
    monkeypatch.setattr(addresses, "is_public", lambda address: address == "127.0.0.1")
    return Border(allow_private=False, timeout_s=2, resolver=lambda host: HOSTS.get(host, []))


def fetcher(border: Border) -> Fetcher:
    return Fetcher(border, most_bytes=MOST, connect_s=0.5, total_s=0.6)


@pytest.mark.parametrize("path", ["/a.jpg", "/a.bmp", "/a.png", "/a.jpg?token=x%20y"])
def test_a_document_comes_as_it_is(server: Server, border: Border, path: str) -> None:
    data = fetcher(border).get(server.url(path))
    assert data == picture({"jpg": "JPEG", "bmp": "BMP", "png": "PNG"}[path[3:6]])
    assert server.asked == [f"img.test{path}"]  # by its name, at the address that was checked


@pytest.mark.parametrize(
    ("path", "kind", "why"),
    [
        ("/none", Unusable, "status 404"),
        ("/large", Unusable, "larger than"),
        ("/drip", Unfetchable, "too long"),
        ("/drip-headers", Unfetchable, "too long"),
        ("/silent", Unfetchable, "too long"),
        ("/cut-off", Unfetchable, "failed"),
        ("/garbage", Unfetchable, "failed"),
        ("/moved?http://inside.test/a.jpg", Unusable, "private network"),
        ("/moved?http://127.0.0.2:{port}/a.jpg", Unusable, "private network"),
        ("/moved?http://nowhere.test/a.jpg", Unfetchable, "resolved"),
        ("/moved?file:///etc/passwd", Unusable, "redirected away"),
        ("/moved?ftp://img.test/a.jpg", Unusable, "redirected away"),
        ("/moved?http://[::1/a.jpg", Unusable, "makes no sense"),
        ("/moved?/moved?/moved?/moved?/a.jpg", Unusable, "too often"),
        ("/moved?", Unusable, "too often"),
    ],
)
def test_what_cannot_be_had_is_said_in_bounded_time(
    server: Server, border: Border, path: str, kind: type[Unfetchable], why: str
) -> None:
    began_s = time.monotonic()
    with pytest.raises(Unfetchable, match=why) as error:
        fetcher(border).get(server.url(path.format(port=server.server_port)))
    assert type(error.value) is kind
    assert time.monotonic() - began_s < 5 * 0.6
    assert all(asked.startswith("img.test") for asked in server.asked)


def test_three_redirects_are_followed(server: Server, border: Border) -> None:
    path = f"/moved?/moved?http://img.test:{server.server_port}/moved?/a.jpg"
    assert fetcher(border).get(server.url(path)) == picture("JPEG")
    assert len(server.asked) == 4


@pytest.mark.parametrize("host", ["inside.test", "both.test", "127.0.0.2"])
def test_nobody_inside_is_asked(server: Server, border: Border, host: str) -> None:
    with pytest.raises(Unusable, match="private network"):
        fetcher(border).get(server.url("/a.jpg", host))
    assert server.asked == []


def test_a_name_is_looked_up_once_and_what_was_checked_is_connected_to(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(addresses, "is_public", lambda address: address == "127.0.0.1")
    answers = iter([["127.0.0.1"], ["127.0.0.2"]])
    border = Border(allow_private=False, timeout_s=2, resolver=lambda host: next(answers))
    assert fetcher(border).get(server.url("/a.jpg", "rebinding.test"))
    assert next(answers) == ["127.0.0.2"]  # nobody asked for it


def test_a_farm_at_a_desk_may_ask_its_neighbours(server: Server) -> None:
    border = Border(allow_private=True, timeout_s=2, resolver=lambda host: ["127.0.0.1"])
    assert fetcher(border).get(server.url("/a.jpg", "localhost"))
    nobody = Border(allow_private=True, timeout_s=2, resolver=lambda host: [])
    with pytest.raises(Unfetchable, match="resolved") as error:
        fetcher(nobody).get(server.url("/a.jpg", "localhost"))
    assert type(error.value) is Unfetchable  # worth another try


def test_a_port_where_nobody_listens_is_worth_another_try(border: Border) -> None:
    with pytest.raises(Unfetchable, match="failed") as error:
        fetcher(border).get("http://img.test:1/a.jpg")
    assert type(error.value) is Unfetchable


class Told:
    """Who was told what."""

    def __init__(self) -> None:
        self.all: list[tuple[str, str]] = []

    def __call__(self, url: str, why: str) -> None:
        self.all.append((url, why))


@pytest.fixture
def images(border: Border, monkeypatch: pytest.MonkeyPatch) -> Images:
    monkeypatch.setattr(images_module, "_PAUSE_S", 0.01)
    return Images(fetcher(border))


def test_each_image_is_fetched_once_and_the_last_word_stays(
    server: Server, images: Images, tmp_path: Path
) -> None:
    urls = [server.url(path) for path in ("/a.jpg", "/a.bmp", "/a.png")]
    bad = [
        server.url(path)
        for path in ("/a.gif", "/text", "/empty", "/torn.jpg", "/bomb.png", "/large", "/none")
    ]
    told = Told()
    found = images.have(tmp_path, [*urls, *bad, *urls], told)
    assert sorted(found) == sorted(urls)
    assert found[urls[0]].read_bytes() == picture("JPEG")
    assert sorted(url for url, why in told.all if why) == sorted(bad)
    assert sorted(url for url, why in told.all if not why) == sorted(urls)
    asked = len(server.asked)
    assert asked == 10
    again = Told()
    assert images.have(tmp_path, [*urls, *bad], again) == found
    assert again.all == []
    assert len(server.asked) == asked


def test_a_fault_that_passes_is_tried_once_more(
    server: Server, images: Images, tmp_path: Path
) -> None:
    server.fails = 1
    assert images.have(tmp_path, [server.url("/a.jpg")], Told())
    server.fails = 2
    told = Told()
    assert images.have(tmp_path, [server.url("/a.png")], told) == {}
    assert told.all == [(server.url("/a.png"), "the answer was status 503")]
    assert images.have(tmp_path, [server.url("/a.png")], told) == {}  # given up for ever
    assert len(server.asked) == 4


def test_of_several_cutters_the_first_word_counts_for_all(
    server: Server, images: Images, tmp_path: Path
) -> None:
    urls = [server.url(f"/a.jpg?{n}") for n in range(5)] + [server.url("/text")]
    told = Told()
    with ThreadPoolExecutor(8) as pool:
        work = [pool.submit(images.have, tmp_path, urls, told) for _ in range(8)]
        found = [one.result() for one in work]
    assert all(one == found[0] for one in found)
    assert sorted(found[0]) == sorted(urls[:5])
    assert sorted(url for url, _ in told.all) == sorted(urls)
    assert not list((tmp_path / "images").glob(".*"))


def test_what_a_dead_cutter_left_half_done_is_done_again(
    server: Server, images: Images, tmp_path: Path
) -> None:
    url = server.url("/a.jpg")
    whole = images.have(tmp_path, [url], Told())[url]
    [word] = (tmp_path / "images").glob("*.json")
    word.unlink()
    whole.write_bytes(whole.read_bytes()[:10])
    assert images.have(tmp_path, [url], Told())[url].read_bytes() == picture("JPEG")


def test_many_images_take_no_longer_than_one_slice_may_wait(
    server: Server, images: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images_module, "_ALTOGETHER_S", 0.0)
    told = Told()
    urls = [server.url(f"/a.jpg?{n}") for n in range(40)]
    assert images.have(tmp_path, urls, told) == {}
    assert {why for _, why in told.all} == {"others took all the time there was"}
    assert len(told.all) == 40
    assert server.asked == []


def test_who_fetches_ahead_does_not_wait(server: Server, images: Images, tmp_path: Path) -> None:
    url, told = server.url("/a.jpg"), Told()
    images.fetch_ahead(tmp_path, [url], told)
    while not told.all:
        time.sleep(0.01)
    assert told.all == [(url, "")]
    assert images.have(tmp_path, [url], Told())
    assert len(server.asked) == 1


def test_a_recording_has_so_many_images_and_no_more(
    server: Server, images: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images_module, "_MOST_IMAGES", 2)
    first = [server.url(f"/a.jpg?{n}") for n in range(2)]
    assert len(images.have(tmp_path, first, Told())) == 2
    told = Told()
    more = server.url("/a.png")
    assert sorted(images.have(tmp_path, [*first, more], told)) == first
    assert told.all == [(more, "the recording has too many images")]
    assert len(server.asked) == 2


def test_what_follows_the_path_is_nobodys_business() -> None:
    assert without_query("https://img.test/a.jpg?signature=x#y") == "https://img.test/a.jpg"


def test_a_slice_asks_for_the_images_of_the_looks_it_has(
    tmp_path: Path, make_spec: Callable[..., RecordingSpec]
) -> None:
    begin_ns = steady.now_ns()

    def look(name: str) -> Look:
        return Look(background_image=f"http://img.test/{name}", user_images=(UserImage("7", name),))

    async def write() -> None:
        writer = TapeWriter(
            tmp_path, fence=1, first_number=0, on_sealed=lambda part: None, from_ns=begin_ns
        )
        for seconds, name in ((5, "b"), (20, "c"), (40, "d")):
            writer.event(look(name).event(begin_ns + seconds * NS))
        await writer.close(begin_ns + 60 * NS)

    asyncio.run(write())
    tape = Tape(tmp_path)

    def asked(spec: RecordingSpec, number: int) -> set[str]:
        slice_ = Slice(number, begin_ns + number * 15 * NS, begin_ns + (number + 1) * 15 * NS)
        return {url for url in image_urls(spec, tape, slice_) if not url.startswith("http")}

    spec = make_spec(look=look("a"))
    assert [asked(spec, n) for n in range(3)] == [{"a", "b"}, {"b", "c"}, {"c", "d"}]
    assert asked(make_spec(look=look("a"), mode=Mode.INDIVIDUAL), 0) == set()
    assert asked(make_spec(look=look("a"), video=False), 0) == set()
