# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A trade service of several processes, each with a dry-run flag of its own, which wait for connections as those of
uvicorn do (asyncio on one listening socket), or as those of ``gunicorn --reuse-port`` (a socket for each).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import sys
import time
from pathlib import Path


def parse_arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--pid-file", type=Path, required=True)
    parser.add_argument("--workers", type=int, default=1, help="1: the process itself")
    parser.add_argument("--live", type=int, default=-1, help="number of the worker that trades for real")
    parser.add_argument("--reuse-port", action="store_true")
    parser.add_argument("--pool", type=int, default=0, help="children that hold the port and never take a connection")
    return parser.parse_args()


def listen(port, *, shared):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(128)
    return listener


async def serve(listener, dry_run):
    body = b'{"dry_run": %s}' % (b"true" if dry_run else b"false")

    async def answer(reader, writer):
        if await reader.readline():
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        writer.close()

    server = await asyncio.start_server(answer, sock=listener)
    await server.serve_forever()


def fork(work):
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        work()
        os._exit(0)
    return pid


def main():
    arguments = parse_arguments()
    listener = None if arguments.reuse_port else listen(arguments.port, shared=False)

    def work(number):
        mine = listener or listen(arguments.port, shared=True)
        asyncio.run(serve(mine, number != arguments.live))

    alone = arguments.workers == 1
    children = [] if alone else [fork(lambda number=number: work(number)) for number in range(arguments.workers)]
    children += [fork(lambda: time.sleep(600)) for _unused in range(arguments.pool)]
    arguments.pid_file.write_text(f"{os.getpid()}\n")

    def end(number, frame):
        for pid in children:
            os.kill(pid, signal.SIGKILL)
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    if alone:
        work(0)
    while True:
        signal.pause()


if __name__ == "__main__":
    sys.exit(main())
