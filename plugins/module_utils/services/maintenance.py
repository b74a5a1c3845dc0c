# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The maintenance marker: a file that says until when the findings of services are expected and not alarming.

Its only line is the end as ISO 8601 with a zone (``2026-11-22T03:00:00Z``). Without an end that can be read it silences
nothing: a marker that is forgotten must not hide a service that is down.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Optional

from ..errors import SourceDenied, SourceMissing
from ..finding import OK, SKIPPED, UNKNOWN, WARNING, Finding
from ..host import Host
from ..trusted import distrust
from .checks import CHECKS

NAME = "maintenance"


def read_marker(host: Host, state_dir: str) -> Optional[str]:
    """Return the text of the marker, or None where there is none, or anybody could have put it there."""
    if distrust(state_dir):
        return None
    try:
        return host.read(f"{state_dir}/{NAME}", 200).strip()
    except (SourceMissing, SourceDenied):
        return None


def parse_end(text: str) -> Optional[float]:
    """Given the text of a marker, return when maintenance ends (epoch), or None where it does not say."""
    try:
        end = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return end.timestamp() if end.tzinfo else None


def apply_marker(marker: Optional[str], now: float, findings: Iterable[Finding]) -> list[Finding]:
    """Given the marker's text and findings, return the findings, silenced while maintenance lasts, and one about it."""
    if marker is None:
        return list(findings)
    end, check = parse_end(marker), CHECKS["services.maintenance"]
    if end is None:
        text = (
            f"the maintenance marker says {marker[:40]!r}, expected an end such as 2026-11-22T03:00:00Z; it is ignored"
        )
        return [*findings, check.finding(WARNING, NAME, text)]
    if end <= now:
        return [*findings, check.finding(WARNING, NAME, f"the maintenance marker ended at {marker}; it is ignored")]
    silenced = [_silence(finding, marker) for finding in findings]
    return [*silenced, check.finding(UNKNOWN, NAME, f"maintenance until {marker}: findings of services are silenced")]


def _silence(finding: Finding, until: str) -> Finding:
    if finding.status in (OK, SKIPPED):
        return finding
    return replace(finding, status=SKIPPED, message=f"{finding.message} ({finding.status}, maintenance until {until})")
