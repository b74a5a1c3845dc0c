# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sources that look emptied: a valid backup of nothing is what an emptied database and ransomware leave behind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Optional

from ..finding import CRITICAL, OK, SKIPPED
from ..registry import Outcome, Rules
from ..units import human_bytes
from .context import Context
from .declared import Source
from .model import BackupSet, SourceCopy

RULES = Rules()
COUNTED = {"files": "files", "sqlite": "rows", "postgresql": "rows", "redis": "keys", "system": "files"}


@RULES.rule(
    "backup.size_anomaly",
    procedure="D1.4",
    remedy="Look at the source: was it emptied, encrypted, moved? If the loss is meant, run once with accept_anomaly; "
    "if it may be empty at any time, declare may_be_empty: true for the source.",
    source="An emptied database and ransomware both look like a small, perfectly valid backup.",
)
def judge_size_anomaly(context: Context) -> Iterator[Outcome]:
    """No source became empty or lost half of its data (max_shrink) against the set before.

    The newest set is judged, whether it counts or not.
    """
    newest = context.catalog.on_time[-1] if context.catalog.on_time else None
    if newest is None:
        yield Outcome(SKIPPED, "there is no set that could be compared", remedy="")
        return
    size = human_bytes(newest.manifest.bytes)
    found = "; ".join(newest.manifest.anomalies) or f"{size}, no source looks emptied"
    yield Outcome(CRITICAL if newest.manifest.anomalies else OK, f"set {newest.id}: {found}")


def find_anomalies(
    sources: Iterable[Source], taken: Mapping[str, SourceCopy], before: Iterable[BackupSet], max_shrink: float
) -> list[str]:
    """Given the sources, what was taken of them and the good sets before (old to new), return what looks emptied."""
    last: dict[str, SourceCopy] = {entry.name: entry for found in before for entry in found.manifest.sources}
    found = (
        anomaly(source, taken[source.name], last.get(source.name), max_shrink)
        for source in sources
        if source.name in taken
    )
    return [message for message in found if message]


def anomaly(source: Source, now: SourceCopy, before: Optional[SourceCopy], max_shrink: float) -> str:
    """Given a source, what was taken and what the last good set has of it, return what looks wrong, or nothing."""
    if now.things == 0 and not source.may_be_empty and not _was_empty_before(now, before):
        counted = COUNTED.get(source.type, "things")
        return f"{source.name} has no {counted} at all; if that is right, declare may_be_empty: true for it"
    if before is None or before.type != source.type or before.live_bytes == 0:
        return ""
    lost = 1 - now.live_bytes / before.live_bytes
    if lost < max_shrink:
        return ""
    return (
        f"{source.name} lost {lost:.0%} of its data: {human_bytes(now.live_bytes)} now, "
        f"{human_bytes(before.live_bytes)} in the last good set"
    )


def _was_empty_before(now: SourceCopy, before: Optional[SourceCopy]) -> bool:
    """Return whether nothing was lost: there were no rows in the last good set either, or there is no such set and the
    tables are there, as an application ships them.
    """
    if before is not None:
        return before.things == 0
    databases = now.facts.get("databases", {}).values()
    return bool(now.facts.get("rows")) or any(one.get("objects") and one.get("rows") for one in databases)
