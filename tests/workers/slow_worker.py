"""A worker of the real engine whose work takes a while: ``slow_worker REDIS QUEUE THEN SECONDS``.

It prints each piece of work as it begins.
"""

import sys
import time

from workers.engine import consume, make


def main(redis_url: str, queue: str, then: str, seconds: str) -> None:
    def work(sid: str, number: object) -> None:
        print(sid, number, flush=True)
        time.sleep(float(seconds))

    consume(make(redis_url), queue, work, threads=1, then=then)


if __name__ == "__main__":
    main(*sys.argv[1:])
