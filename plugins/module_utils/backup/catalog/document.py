# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A manifest as plain JSON values, from what a run took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Optional

from ..sources.records import Source, Taken
from ..streams.codec import Codec
from ..times import to_iso
from .parse import FORMAT


@dataclass(frozen=True)
class About:
    """What a set says of itself beside its sources. Moments are seconds since the epoch."""

    id: str
    host: str
    platform: str
    label: str
    name: str
    reason: str
    requested_by: str
    created: float
    seconds: float
    pin_until: Optional[float]
    tools: Mapping[str, str]


def manifest_document(
    about: About,
    sources: Sequence[Source],
    taken: Mapping[str, Taken],
    skipped: Mapping[str, str],
    anomalies: Sequence[str],
    codec: Codec,
) -> dict[str, Any]:
    """Given a set's facts, return its manifest without the checksum that seals it.

    ``parent`` and ``encryption`` are null: sets are full and plain; the keys stand for those that will not be.
    """
    return {
        **asdict(about),
        "name": about.name or None,
        "format": FORMAT,
        "created": to_iso(about.created),
        "pin_until": None if about.pin_until is None else to_iso(about.pin_until),
        "sources": [_source(source, taken[source.name], codec) for source in sources if source.name in taken],
        "skipped": [{"name": name, "reason": reason} for name, reason in sorted(skipped.items())],
        "anomalies": list(anomalies),
        "parent": None,
        "encryption": None,
    }


def _source(source: Source, taken: Taken, codec: Codec) -> dict[str, Any]:
    return {
        **taken.facts,
        "name": source.name,
        "type": source.type,
        "declared": source.declaration,
        "compression": codec.compression.name,
        "payloads": [asdict(payload) for payload in taken.payloads],
        "count": taken.count,
        "raw_bytes": taken.raw_bytes,
        "live_bytes": taken.live_bytes,
        "notes": taken.notes.as_dict(),
    }
