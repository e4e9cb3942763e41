"""A stand-in for the farm's own processes: answers 200 on the port it was told to use.

`room --host H --port P`, `api` (TAPEFARM_HOST, TAPEFARM_PORT), else TAPEFARM_METRICS_PORT.
It writes down in the folder STANDIN_TRACE that it started, and that it was asked to end.  A role
named in STANDIN_DEAF does not listen to SIGTERM and has a child that does not either.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Fine(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args):
        pass


def trace(what):
    folder = os.environ.get("STANDIN_TRACE")
    if folder:
        with Path(folder, "trace").open("a") as file:
            file.write(f"{time.monotonic_ns()} {what}\n")


def main():
    role = sys.argv[1]
    if role in os.environ.get("STANDIN_BROKEN", "").split(","):
        sys.exit(f"{role} is broken on purpose")
    if role == "room":
        port = int(sys.argv[sys.argv.index("--port") + 1])
    else:
        port = int(os.environ["TAPEFARM_PORT" if role == "api" else "TAPEFARM_METRICS_PORT"])
    server = ThreadingHTTPServer(("127.0.0.1", port), Fine)

    def end(_number, _frame):
        trace(f"asked {role}")
        threading.Thread(target=server.shutdown).start()

    if role in os.environ.get("STANDIN_DEAF", "").split(","):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        subprocess.Popen(["sleep", "1000"])
    else:
        signal.signal(signal.SIGTERM, end)
    trace(f"started {role}")
    server.serve_forever(poll_interval=0.02)
    trace(f"ended {role}")


main()
