# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A server that speaks SFTP over its standard input and output, unkindly: what OpenSSH's does not do and others may.

sftp_server.py MODE: short (answers reads with less than was asked), full (has no room after 40,000 bytes, and says
only "failure", as OpenSSH does), garbage (prints a line first, as a login script does), other (answers another request
than was asked), silent (says nothing), version (speaks version 2), gone (ends in the middle of a read).
"""

from __future__ import annotations

import struct
import sys
import time

MODE = sys.argv[1] if len(sys.argv) > 1 else "kind"
FILES: dict[bytes, bytearray] = {b"/there/small": bytearray(b"hello"), b"/there/large": bytearray(range(256)) * 700}
GIVE, TAKE = sys.stdout.buffer, sys.stdin.buffer


def text(value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + value


def send(body: bytes) -> None:
    GIVE.write(text(body))
    GIVE.flush()


def status(number: int, code: int, words: bytes = b"") -> None:
    send(struct.pack(">BII", 101, number, code) + text(words) + text(b""))


def strings(data: bytes) -> list[bytes]:
    found = []
    while len(data) >= 4 and len(data) - 4 >= int.from_bytes(data[:4], "big"):
        size = int.from_bytes(data[:4], "big")
        found.append(data[4 : 4 + size])
        data = data[4 + size :]
    return found


def read(number: int, handle: bytes, data: bytes) -> None:
    at, size = struct.unpack(">QI", data)
    if MODE == "gone" and at > 60_000:
        sys.exit(3)
    content = bytes(FILES[handle][at : at + (min(size, 5000) if MODE == "short" else size)])
    if not content:
        status(number, 1, b"End of file")
    else:
        send(struct.pack(">BI", 103, number) + text(content))


def write(number: int, handle: bytes, data: bytes) -> None:
    at, content = int.from_bytes(data[:8], "big"), strings(data[8:])[0]
    if MODE == "full" and at > 40_000:
        status(number, 4, b"Failure")
        return
    FILES[handle][at : at + len(content)] = content
    status(number, 0)


def serve(kind: int, number: int, body: bytes) -> None:
    first = strings(body)[0]
    rest = body[4 + len(first) :]
    if kind == 3:
        if rest[:4] == struct.pack(">I", 1) and first not in FILES:
            status(number, 2, b"No such file")
            return
        FILES.setdefault(first, bytearray())
        send(struct.pack(">BI", 102, number) + text(first))
    elif kind == 5:
        read(number, first, rest)
    elif kind == 6:
        write(number, first, rest)
    elif kind == 7:
        known = first in FILES or first in (b"/there", b"/there/x.partial")
        send(struct.pack(">BII", 105, number, 0)) if known else status(number, 2, b"No such file")
    elif kind == 200 and first.startswith(b"statvfs"):
        send(struct.pack(">BI", 201, number) + struct.pack(">11Q", 512, 512, 99, 9, 0, 0, 0, 0, 0, 0, 255))
    elif kind == 200:
        status(number, 8, b"Operation unsupported")
    else:
        status(number, 3 if first == b"/there/locked" else 0, b"Permission denied")


def main() -> None:
    if MODE == "garbage":
        GIVE.write(b"Welcome to vault!\n")
        GIVE.flush()
    while size := TAKE.read(4):
        packet = TAKE.read(int.from_bytes(size, "big"))
        if MODE == "silent":
            time.sleep(60)
        elif packet[0] == 1:
            send(struct.pack(">BI", 2, 2 if MODE == "version" else 3))
        else:
            number = int.from_bytes(packet[1:5], "big")
            serve(packet[0], number + (MODE == "other"), packet[5:])


main()
