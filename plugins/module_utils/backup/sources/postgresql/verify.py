# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Proving that dumps can be restored from: pg_restore reads each to its last byte, the roles' dump has its end mark."""

from __future__ import annotations

from collections import deque

from ....errors import ToolFailed
from ...streams.reader import reading
from ..records import Bench, Entry, Payload
from .dump import contents, read_through

END_MARK = b"-- PostgreSQL database cluster dump complete"
LAST_LINES = 10  # pg_dumpall ends with its mark and an empty comment


def verify(entry: Entry, bench: Bench) -> list[str]:
    """Given a PostgreSQL source of a set, return what does not hold of its dumps.

    Raise Unreadable where one cannot be unpacked, CannotTell where there is no pg_restore.
    """
    objects = {one["payload"]: int(one["objects"]) for one in entry.facts["databases"].values()}
    wrong = []
    for payload in entry.payloads:
        reason = _globals(payload, entry, bench) if payload.role == "globals" else _dump(payload, objects, entry, bench)
        wrong += [f"{payload.name}: {reason}"] if reason else []
    return wrong


def _dump(payload: Payload, objects: dict[str, int], entry: Entry, bench: Bench) -> str:
    path, bin_dir = bench.folder / payload.name, str(entry.facts["bin_dir"])
    try:
        found = contents(path, entry.compression, bin_dir, bench.host)
        read_through(path, entry.compression, bin_dir, bench.host)
    except ToolFailed as error:
        return str(error)
    expected = objects.get(payload.name)
    return "" if found.entries == expected else f"it lists {found.entries} objects, the manifest says {expected}"


def _globals(payload: Payload, entry: Entry, bench: Bench) -> str:
    with reading(bench.folder / payload.name, entry.compression, bench.host) as stream:
        last = deque((line.strip() for line in stream), LAST_LINES)
    return "" if END_MARK in last else "it ends before pg_dumpall's end mark"
