"""More threads than connections, and commands whose answer never comes."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import redis

from workers.job.errors import StoreTimeout, StoreUnavailable
from workers.store.connect import TOGETHER, connect, our_errors

pytestmark = pytest.mark.server


def test_more_calls_than_connections_wait_for_their_turn(redis_url) -> None:
    client, watch = connect(redis_url, together=3), connect(redis_url)
    others = len(watch.client_list())
    try:
        with ThreadPoolExecutor(12) as threads:
            answers = [threads.submit(client.blpop, [f"none{n}"], timeout=0.2) for n in range(12)]
            assert [each.result() for each in answers] == [None] * 12
        assert len(watch.client_list()) - others == 3
    finally:
        client.close()
        watch.close()


def test_who_gives_each_waiting_call_its_own_has_them_all_at_the_same_time(redis_url) -> None:
    threads = 120  # as many as the API has, and more than redis-py opens unless told
    client, watch = connect(redis_url, together=threads + TOGETHER), connect(redis_url)
    try:
        with ThreadPoolExecutor(threads) as pool:
            waiting = [pool.submit(client.blpop, [f"one{n}"], timeout=20) for n in range(threads)]
            while int(watch.info("clients")["blocked_clients"]) < threads:
                assert not any(each.done() for each in waiting)
                time.sleep(0.02)
            for number in range(threads):
                watch.rpush(f"one{number}", "now")
            assert all(each.result() for each in waiting)
    finally:
        client.close()
        watch.close()


class Deaf:
    """A server that shakes hands like Redis and then does ``after`` with each command."""

    def __init__(self, after: Callable[[socket.socket], None]) -> None:
        self.heard: list[bytes] = []
        self._after = after
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0?protocol=2"
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                each, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(each)
            try:
                self._hear(each)
            except OSError:
                continue

    def _hear(self, each: socket.socket) -> None:
        while text := each.recv(4096):
            if b"INCR" in text:
                self.heard.append(text)
                self._after(each)
                return
            each.sendall(b"+PONG\r\n" if b"PING" in text else b"+OK\r\n")

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def close(self) -> None:
        for each in self._open:
            each.close()
        self._thread.join()


@contextmanager
def deaf(after: Callable[["Deaf", socket.socket], None]) -> Iterator[Deaf]:
    server = Deaf(lambda each: after(server, each))
    try:
        yield server
    finally:
        if server._listener.fileno() >= 0:
            server.stop()
        server.close()


def fails(client: redis.Redis) -> type[StoreUnavailable]:
    with client, pytest.raises(StoreUnavailable) as failure, our_errors():
        client.incr("n")
    return failure.type


def test_a_command_whose_answer_never_comes_may_be_done_and_is_not_sent_again() -> None:
    with deaf(lambda server, each: None) as server:
        assert fails(connect(server.url, answer_s=0.2)) is StoreTimeout
        assert len(server.heard) == 1


def die(server: Deaf, each: socket.socket) -> None:
    server.stop()
    each.close()


def test_a_server_that_dies_with_a_command_may_have_done_it() -> None:
    with deaf(die) as server:
        assert fails(connect(server.url, answer_s=5)) is StoreTimeout
        assert len(server.heard) == 1


def test_a_server_that_is_not_there_has_done_nothing(free_port: Callable[[], int]) -> None:
    client = connect(f"redis://127.0.0.1:{free_port()}/0")
    assert fails(client) is StoreUnavailable
