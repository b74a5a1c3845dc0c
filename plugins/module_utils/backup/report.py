# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The area's own data and metrics, as plain values."""

from __future__ import annotations

from typing import Any, Optional

from ..finding import Metric
from .context import Context
from .declared import LEVELS
from .model import BackupSet, Catalog, Report
from .retention import Decisions
from .space import Space
from .times import to_iso


def describe_set(found: BackupSet) -> dict[str, Any]:
    """Return one set as plain values."""
    manifest, verification = found.manifest, found.verification
    raw = sum(entry.raw_bytes for entry in manifest.sources)
    return {
        "id": found.id,
        "path": str(found.folder),
        "label": manifest.label,
        "name": manifest.name,
        "parent": manifest.parent or None,
        "chain": list(manifest.chain),
        "reason": manifest.reason,
        "requested_by": manifest.requested_by,
        "host": manifest.host,
        "created": to_iso(manifest.created),
        "bytes": manifest.bytes,
        "raw_bytes": raw,
        "ratio": round(manifest.bytes / raw, 4) if raw else None,
        "seconds": manifest.seconds,
        "pin_until": to_iso(manifest.pin_until) if manifest.pin_until else None,
        "good": found.good,
        "verified": LEVELS[verification.level] if verification and verification.ok else None,
        "anomalies": list(manifest.anomalies),
        "skipped": dict(manifest.skipped),
        "sources": [
            {"name": entry.name, "type": entry.type, "count": entry.things, "raw_bytes": entry.raw_bytes}
            for entry in manifest.sources
        ],
    }


def describe_catalog(catalog: Catalog) -> dict[str, Any]:
    """Return all sets from old to new as plain values, with what is no set."""
    return {
        "sets": [describe_set(found) for found in catalog.sets],
        "broken": [{"id": broken.id, "reason": broken.reason} for broken in catalog.broken],
        "latest": catalog.latest or None,
        "leftovers": [leftover.name for leftover in catalog.leftovers],
        "free_bytes": catalog.free,
    }


def describe_retention(decided: Optional[Decisions]) -> Optional[dict[str, Any]]:
    """Return what retention decided, with the reason for each set."""
    if decided is None:
        return None
    return {"kept": dict(decided.kept), "removed": dict(decided.removed), "refusal": decided.refusal}


def describe_report(report: Report) -> dict[str, Any]:
    """Return a verification as plain values."""
    return {
        "set": report.set_id,
        "level": LEVELS[report.level],
        "ok": report.ok,
        "partial": report.partial,
        "sources": report.sources,
        "bytes": report.bytes,
        "seconds": report.seconds,
        "problems": [defect.message for defect in report.defects],
    }


def describe_space(space: Optional[Space]) -> Optional[dict[str, Any]]:
    """Return a space prediction as plain values, in bytes."""
    if space is None:
        return None
    return {"free": space.free, "predicted": space.predicted, "required": space.required, "basis": space.basis}


def metrics(context: Context) -> list[Metric]:
    """Return the numbers worth keeping, of the newest set that counts where there is one."""
    found = [
        Metric("cryptobot_backup_sets", len(context.catalog.good)),
        Metric("cryptobot_backup_free_bytes", context.catalog.free, "bytes"),
        Metric("cryptobot_backup_all_bytes", sum(one.manifest.bytes for one in context.catalog.sets), "bytes"),
    ]
    if context.newest is None:
        return found
    newest = context.newest.manifest
    return [
        *found,
        Metric("cryptobot_backup_age_seconds", round(context.now - newest.created), "seconds"),
        Metric("cryptobot_backup_newest_bytes", newest.bytes, "bytes"),
        Metric("cryptobot_backup_newest_duration_seconds", newest.seconds, "seconds"),
    ]
