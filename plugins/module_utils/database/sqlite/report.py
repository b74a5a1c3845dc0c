# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is known of a SQLite database -> metrics and data. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...finding import DONE, Metric
from .context import VACUUMS, FileContext
from .model import NONE, FileSnapshot

KEEP_SPEEDS = 3
_AUTO_VACUUM = ("none", "full", "incremental")


def metrics(context: FileContext) -> list[Metric]:
    """Given what is known of a database, return its numbers."""
    snapshot = context.observed
    if snapshot is None:
        return []
    labels = {"database": context.entry.name, "engine": "sqlite"}
    numbers = (
        ("size_bytes", snapshot.file_bytes, "bytes"),
        ("free_bytes", snapshot.free_bytes, "bytes"),
        ("free_ratio", round(snapshot.free_ratio, 4), "ratio"),
        ("wal_bytes", snapshot.wal_bytes, "bytes"),
        ("freed_bytes", freed_bytes(context), "bytes"),
        ("vacuum_seconds", round(sum(o.seconds for o in context.ended), 3), "seconds"),
    )
    return [Metric(f"cryptobot_database_{name}", value, unit, labels) for name, value, unit in numbers]


def freed_bytes(context: FileContext) -> int:
    """Return the bytes that this run gave back to the file system, the cut off log included."""
    return sum(end.freed_bytes for end in context.ended if end.state == DONE)


def data(context: FileContext) -> dict[str, Any]:
    """Given what is known of a database, return what the module returns of it under ``databases``."""
    known: dict[str, Any] = {"name": context.entry.name, "engine": "sqlite", "path": context.entry.path}
    if context.observed is None:
        return known
    return {
        **known,
        **_content(context.observed),
        "strategy": context.plan.strategy,
        "freed_bytes": freed_bytes(context),
    }


def _content(snapshot: FileSnapshot) -> dict[str, Any]:
    content = snapshot.content
    return {
        "page_size": content.page_size,
        "page_count": content.pages,
        "freelist_count": content.free_pages,
        "free_ratio": round(snapshot.free_ratio, 4),
        "size_bytes": snapshot.file_bytes,
        "wal_bytes": snapshot.wal_bytes,
        "auto_vacuum": _AUTO_VACUUM[content.auto_vacuum if content.auto_vacuum < len(_AUTO_VACUUM) else NONE],
        "journal_mode": content.journal_mode,
        "user_version": content.user_version,
        "schema_hash": content.schema_hash,
        "filesystem": snapshot.filesystem,
        "open_in": [{"pid": one.pid, "command": one.command} for one in snapshot.holders.processes],
        "open_in_complete": snapshot.holders.complete,
        "left_shm": snapshot.left_shm,
    }


def speeds(context: FileContext, known: Mapping[str, list[float]]) -> dict[str, list[float]]:
    """Given the MB/s that are remembered by strategy, return them with what this run has shown."""
    taken = [o for o in context.ended if o.state == DONE and o.step.action in VACUUMS and o.seconds]
    learned = {strategy: list(values) for strategy, values in known.items()}
    for end in taken:
        rewritten = int(end.before.get("bytes", 0))
        size = end.freed_bytes if context.plan.strategy == "incremental" else rewritten
        if size:
            learned.setdefault(context.plan.strategy, []).append(round(size / 1e6 / end.seconds, 3))
    return {strategy: values[-KEEP_SPEEDS:] for strategy, values in learned.items()}
