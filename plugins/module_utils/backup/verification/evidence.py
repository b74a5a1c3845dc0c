# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a verification leaves as evidence beside the manifest."""

from __future__ import annotations

from typing import Optional

from ..catalog.records import Manifest, Verification
from .levels import L1, Report


def evidence(report: Report, manifest: Manifest, before: Optional[Verification], now: float) -> Optional[Verification]:
    """Given a verification and the evidence so far, return the evidence from now on, or None where it stays as it is.

    - What could not be looked at proves nothing either way; a share of a set, or its sizes alone, prove nothing good.
    - A problem takes a good word back, whatever the level.
    - Checksums that hold prove that these are the bytes that once opened: a level reached before is not lost by a later
      look that goes less deep.
    """
    broken = any(not problem.unknown for problem in report.problems)
    if not broken and _proves_nothing(report, before):
        return None
    level = report.level
    if not broken and before is not None and before.ok:
        level = max(level, before.level)
    return Verification(level, not broken and not manifest.anomalies, now, _details(report, manifest))


def _proves_nothing(report: Report, before: Optional[Verification]) -> bool:
    """Given a report without a broken file, return whether it says nothing that would be worth keeping."""
    return report.partial or bool(report.problems) or (report.level < L1 and before is not None)


def _details(report: Report, manifest: Manifest) -> dict[str, object]:
    return {
        "manifest_sha256": manifest.sha256,
        "looked_at": f"L{report.level}",
        "bytes": report.bytes,
        "seconds": report.seconds,
        "problems": [problem.message for problem in report.problems][:10],
        "anomalies": list(manifest.anomalies),
    }
