# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Try connections at once: a JSON list of [protocol, port, source or null, target] comes in, true or false go out."""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from typing import Optional

PATIENCE = 1.2  # seconds: a dropped SYN is sent again after one second, and the second one is dropped as well
KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


def begin(proto: str, port: int, source: Optional[str], target: str) -> Optional[socket.socket]:
    """Send the first packet of a connection and return its socket; None where it failed at once."""
    one = socket.socket(socket.AF_INET6 if ":" in target else socket.AF_INET, KINDS[proto])
    one.setblocking(False)
    if source is not None:
        one.bind((source, 0))
    try:
        one.connect((target, port))
    except BlockingIOError:
        return one
    except OSError:
        return None
    if proto == "udp":
        one.send(b"?")
    return one


def arrived(one: socket.socket) -> bool:
    """Return whether what a socket has to tell is the listener's answer: a connection alone is not enough for TCP."""
    try:
        return one.recv(8) == b"!"
    except OSError:
        return False


def main() -> None:
    """Answer the list."""
    sockets = [begin(*one) for one in json.load(sys.stdin)]
    answers, until = [False] * len(sockets), time.monotonic() + PATIENCE
    open_ones = {one: place for place, one in enumerate(sockets) if one is not None}
    while open_ones and time.monotonic() < until:
        for one in select.select(list(open_ones), [], [], max(0.0, until - time.monotonic()))[0]:
            answers[open_ones.pop(one)] = arrived(one)
    print(json.dumps(answers))


if __name__ == "__main__":
    main()
