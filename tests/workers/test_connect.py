"""More threads than connections."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from workers.store.connect import TOGETHER, connect

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
