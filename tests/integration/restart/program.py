# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A service for the tests of restart: it listens, answers, writes its pid file, and misbehaves as it is told.

Run it with --help to see how.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


def parse_arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--pid-file", type=Path)
    parser.add_argument("--sick", type=Path, help="while this file is there, every answer is 500")
    parser.add_argument("--stubborn", action="store_true", help="ignore SIGTERM")
    parser.add_argument("--lingers", type=float, default=0, help="seconds from SIGTERM to its end")
    parser.add_argument("--children", type=int, default=0, help="children that ignore SIGTERM and live on")
    parser.add_argument("--daemon", action="store_true", help="end at once and let a child be the service")
    parser.add_argument("--exit", type=int, help="end at once with this code")
    parser.add_argument("--slow", type=float, default=0, help="seconds before it listens")
    parser.add_argument("--orders", default="[]", help="what /api/trades/orders answers")
    parser.add_argument("--report", type=Path, help="write account, folder and environment there")
    return parser.parse_args()


def handler_of(arguments):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            sick = arguments.sick is not None and arguments.sick.exists()
            body = arguments.orders if self.path.startswith("/api/trades/orders") else '{"dry_run": true}'
            self.send_response(500 if sick else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format, *args):
            pass

    return Handler


def end_later(arguments):
    arguments.pid_file.with_suffix(".told").touch()
    threading.Timer(arguments.lingers, os._exit, (0,)).start()


def start_children(count):
    for _child in range(count):
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            while True:
                time.sleep(60)


def main():
    arguments = parse_arguments()
    if arguments.exit is not None:
        return arguments.exit
    if arguments.daemon and os.fork():
        return 0
    if arguments.stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if arguments.lingers:
        signal.signal(signal.SIGTERM, lambda *_unused: end_later(arguments))
    start_children(arguments.children)
    time.sleep(arguments.slow)
    server = ThreadingHTTPServer(("127.0.0.1", arguments.port), handler_of(arguments))
    if arguments.pid_file:
        arguments.pid_file.write_text(f"{os.getpid()}\n")
    if arguments.report:
        shown = {"GREETING": os.environ.get("GREETING"), "MORE": os.environ.get("MORE"), "folder": os.getcwd()}
        arguments.report.write_text(f"{shown} uid={os.getuid()} gid={os.getgid()} groups={os.getgroups()}")
    server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
