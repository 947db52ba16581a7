"""Stands in for a vLLM server: answers /health, and misbehaves as told.

It starts a worker in a session of its own that ignores SIGTERM, as vLLM's engine does, and
prints "worker PID" first.
"""

from __future__ import annotations

import argparse
import http.server
import os
import signal
import subprocess
import sys
import time

WORKER = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/die":
            print("RuntimeError: told to die", flush=True)
            os._exit(3)
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int)
    parser.add_argument("--die", help="print this and exit 1 before answering")
    parser.add_argument("--hang", action="store_true", help="never answer")
    parser.add_argument("--ignore-sigterm", action="store_true")
    options = parser.parse_args()
    if options.ignore_sigterm:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    worker = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", WORKER], start_new_session=True, stdin=subprocess.DEVNULL
    )
    print(f"worker {worker.pid}\nserver {os.getpid()}", flush=True)
    if options.die:
        print(options.die, flush=True)
        sys.exit(1)
    if options.hang:
        time.sleep(600)
    http.server.HTTPServer(("127.0.0.1", options.port), Handler).serve_forever()


if __name__ == "__main__":
    main()
