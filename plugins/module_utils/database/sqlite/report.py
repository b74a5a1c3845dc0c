# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A look at a SQLite database -> metrics and data. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...finding import DONE, Metric
from .look import VACUUMS, Look
from .model import NONE, Seen

KEEP_SPEEDS = 3
_AUTO_VACUUM = ("none", "full", "incremental")


def metrics(look: Look) -> list[Metric]:
    """Given a look at a database, return its numbers."""
    seen = look.seen
    if seen is None:
        return []
    labels = {"database": look.entry.name, "engine": "sqlite"}
    numbers = (
        ("size_bytes", seen.file_bytes, "bytes"),
        ("free_bytes", seen.free_bytes, "bytes"),
        ("free_ratio", round(seen.free_ratio, 4), "ratio"),
        ("wal_bytes", seen.wal_bytes, "bytes"),
        ("freed_bytes", freed_bytes(look), "bytes"),
        ("vacuum_seconds", round(sum(o.seconds for o in look.outcomes), 3), "seconds"),
    )
    return [Metric(f"cryptobot_database_{name}", value, unit, labels) for name, value, unit in numbers]


def freed_bytes(look: Look) -> int:
    """Return the bytes that this run gave back to the file system, the cut off log included."""
    return sum(outcome.freed_bytes for outcome in look.outcomes if outcome.state == DONE)


def data(look: Look) -> dict[str, Any]:
    """Given a look at a database, return what the module returns of it under ``databases``."""
    told: dict[str, Any] = {"name": look.entry.name, "engine": "sqlite", "path": look.entry.path}
    if look.seen is None:
        return told
    return {**told, **_content(look.seen), "strategy": look.plan.strategy, "freed_bytes": freed_bytes(look)}


def _content(seen: Seen) -> dict[str, Any]:
    content = seen.content
    return {
        "page_size": content.page_size,
        "page_count": content.pages,
        "freelist_count": content.free_pages,
        "free_ratio": round(seen.free_ratio, 4),
        "size_bytes": seen.file_bytes,
        "wal_bytes": seen.wal_bytes,
        "auto_vacuum": _AUTO_VACUUM[content.auto_vacuum if content.auto_vacuum < len(_AUTO_VACUUM) else NONE],
        "journal_mode": content.journal_mode,
        "user_version": content.user_version,
        "schema_hash": content.schema_hash,
        "filesystem": seen.filesystem,
        "open_in": [{"pid": one.pid, "command": one.command} for one in seen.holders.processes],
        "open_in_complete": seen.holders.complete,
        "left_shm": seen.left_shm,
    }


def speeds(look: Look, known: Mapping[str, list[float]]) -> dict[str, list[float]]:
    """Given the MB/s that are remembered by strategy, return them with what this run has shown."""
    taken = [o for o in look.outcomes if o.state == DONE and o.step.action in VACUUMS and o.seconds]
    learned = {strategy: list(values) for strategy, values in known.items()}
    for outcome in taken:
        rewritten = int(outcome.before.get("bytes", 0))
        size = outcome.freed_bytes if look.plan.strategy == "incremental" else rewritten
        if size:
            learned.setdefault(look.plan.strategy, []).append(round(size / 1e6 / outcome.seconds, 3))
    return {strategy: values[-KEEP_SPEEDS:] for strategy, values in learned.items()}
