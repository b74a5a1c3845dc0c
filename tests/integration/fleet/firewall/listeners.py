# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What listens on a host, and who gets an answer: ``listeners.py serve``, or ``listeners.py knock`` with targets.

It runs on the hosts themselves, with their Python and without anything else.
"""

from __future__ import annotations

import json
import selectors
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

# Protocol, address and port: as Cryptobot and its databases listen on one host, and a few odd ones.
SERVED = [
    *(("tcp", "::", port) for port in (8000, 8001)),  # both families by one socket
    *(("tcp", "0.0.0.0", port) for port in (8002, 8003, 8004)),
    *(("tcp", address, port) for address in ("0.0.0.0", "::1") for port in (5432,)),
    *(("tcp", address, 6379) for address in ("0.0.0.0", "[::]")),  # one socket for each family
    ("tcp", "127.0.0.1", 9090),
    ("udp", "0.0.0.0", 8125),
    ("udp", "[::]", 8125),
]
SECONDS = 1.0  # a packet that is dropped gets no answer: so long is waited for one
WORD = b"knock"


def family_of(address: str) -> socket.AddressFamily:
    """Return the family of an address."""
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def serve() -> None:
    """Answer every word with the same word, for ever."""
    chosen = selectors.DefaultSelector()
    for proto, address, port in SERVED:
        kind = socket.SOCK_STREAM if proto == "tcp" else socket.SOCK_DGRAM
        one = socket.socket(family_of(address), kind)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if ":" in address:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, address == "[::]")
        one.bind((address.strip("[]"), port))
        if proto == "tcp":
            one.listen(64)
        chosen.register(one, selectors.EVENT_READ)
    while True:
        for key, _events in chosen.select():
            _answer(chosen, key.fileobj)


def _answer(chosen: selectors.BaseSelector, one: socket.socket) -> None:
    if one.type == socket.SOCK_DGRAM:
        word, sender = one.recvfrom(64)
        one.sendto(word, sender)
    elif one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        chosen.register(one.accept()[0], selectors.EVENT_READ)
    else:
        try:
            word = one.recv(64)
            one.sendall(word)
        except OSError:
            word = b""
        if not word:
            chosen.unregister(one)
            one.close()


def knock(target: list[Any]) -> bool:
    """Given protocol, port and address, return whether a word comes back; sshd says one by itself."""
    proto, port, address = target
    try:
        with socket.socket(family_of(address), socket.SOCK_STREAM if proto == "tcp" else socket.SOCK_DGRAM) as one:
            one.settimeout(SECONDS)
            one.connect((address, port))
            one.sendall(WORD)
            return bool(one.recv(64))
    except OSError:
        return False


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve()
    with ThreadPoolExecutor(64) as threads:
        print(json.dumps(list(threads.map(knock, json.loads(sys.argv[2])))))
