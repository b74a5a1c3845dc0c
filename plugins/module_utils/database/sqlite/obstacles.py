# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What speaks against a step, or has to be said of it, by what was seen alone. Pure."""

from __future__ import annotations

from typing import Optional

from ...units import human_bytes
from .records import Seen


def reader_problem(seen: Seen) -> Optional[tuple[str, str]]:
    """A reader looks at a state so old that nothing of the log can be moved."""
    reader = seen.log_reader
    if reader.pid is None or reader.movable:
        return None
    return "database.locked", f"{_named(seen)} reads an older state, so nothing of the log can be moved"


def memory_problem(seen: Seen, need: int) -> Optional[tuple[str, str]]:
    """Some builds keep temporary databases in memory (SQLITE_TEMP_STORE 2 or 3)."""
    if seen.memory_free is None or seen.memory_free >= need:
        return None
    return "database.space", f"{human_bytes(seen.memory_free)} of memory are free, {human_bytes(need)} are needed"


def notes(seen: Seen) -> tuple[str, ...]:
    """Return what is known beforehand of how far a checkpoint will get, or that it is not known."""
    reader = seen.log_reader
    if reader.blind:
        return (f"whether a reader keeps it from being cut off cannot be seen beforehand: {reader.blind}",)
    if reader.pid is None:
        return ()
    return (f"{_named(seen)} reads an older state: a part of it can be moved, cut off it is by a later run",)


def _named(seen: Seen) -> str:
    pid = seen.log_reader.pid
    known = {one.pid: one.command for one in seen.holders.processes}
    return f"{known[pid]} (pid {pid})" if pid in known else f"pid {pid}"
