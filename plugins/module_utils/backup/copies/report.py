# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The places as plain values, and their metrics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...finding import Metric
from ..times import to_iso
from .collect import Copied
from .score import Score

if TYPE_CHECKING:
    from .context import CopyContext


def describe_copies(places: Sequence[CopyContext]) -> dict[str, Any]:
    """Return by name what each place has."""
    return {one.served.copy.name: _describe(one) for one in places}


def _describe(one: CopyContext) -> dict[str, Any]:
    copy, contents = one.served.copy, one.served.contents
    return {
        "type": copy.type,
        "path": copy.path,
        "media": copy.media,
        "offsite": copy.offsite,
        "immutable": {"declared": copy.immutable, "seen": one.newest_is_immutable},
        "sets": [_describe_set(found) for found in contents.sets] if contents else None,
        "newest": one.newest.id if one.newest else None,
        "has_newest": one.holds_newest if contents else None,
        "free_bytes": contents.free if contents else None,
        "read_again": {set_id: why or "holds" for set_id, why in one.served.reread.items()},
        "trouble": one.trouble,
    }


def _describe_set(found: Copied) -> dict[str, Any]:
    manifest = found.manifest
    return {
        "id": found.id,
        "label": manifest.label if manifest else None,
        "bytes": manifest.bytes if manifest else None,
        "pin_until": to_iso(manifest.pin_until) if manifest and manifest.pin_until else None,
        "good": found.good,
        "defect": found.defect,
    }


def describe_score(found: Score) -> dict[str, Any]:
    """Return the score as plain values."""
    return {**found._asdict(), "lacks": list(found.lacks), "met": found.met}


def metrics(places: Sequence[CopyContext], points: Score) -> list[Metric]:
    """Return the numbers worth keeping, of each place that could be looked at."""
    found = [Metric("cryptobot_backup_score_3_2_1_1_0", points.met)]
    for one in places:
        labels, contents = {"copy": one.served.copy.name}, one.served.contents
        if contents is None:
            continue
        found.append(Metric("cryptobot_backup_copy_sets", len(contents.good), "", labels))
        if contents.free is not None:
            found.append(Metric("cryptobot_backup_copy_free_bytes", contents.free, "bytes", labels))
        if one.newest is not None:
            found.append(Metric("cryptobot_backup_copy_age_seconds", round(one.age), "seconds", labels))
    return found
