# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The last error line that a unit of systemd wrote itself, quoted in a bad finding: redacted, with its time."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Optional

from ..asking import ask
from ..errors import CoreError
from ..finding import CRITICAL, WARNING, Finding
from ..host import Host
from ..redact import redact
from .case import Case

QUOTED = ("services.state", "services.restarts", "services.http", "services.port_owner")
LINES, SINCE, LONGEST = 200, 86400.0, 160
_ERROR = re.compile(r"\b\w*(?:error|exception|critical|fatal|panic|failed|refused|denied|cannot)\b", re.IGNORECASE)


def quote_errors(
    host: Host, cases: Sequence[Case], findings: Mapping[str, Sequence[Finding]]
) -> dict[str, list[Finding]]:
    """Given the cases and their findings, return the findings, bad ones with the last error of their service."""
    by_name = {case.observed.name: case for case in cases}
    return {name: _with_error(host, by_name[name], found) for name, found in findings.items()}


def _with_error(host: Host, case: Case, findings: Sequence[Finding]) -> list[Finding]:
    bad = [finding for finding in findings if finding.check in QUOTED and finding.status in (WARNING, CRITICAL)]
    unit = case.observed.unit
    if not bad or unit is None or unit.manager != "systemd" or not unit.found:
        return list(findings)
    text = last_error(host, unit.id, case.snapshot.now)
    return [replace(each, message=f"{each.message}; {text}") if text and each is bad[0] else each for each in findings]


def last_error(host: Host, unit: str, now: float) -> str:
    """Given a unit, return its last error line of the last day, as a remark; empty where there is none to see."""
    fields = ("-o", "json", "--output-fields=MESSAGE", f"--since=@{now - SINCE:.0f}", "-n", str(LINES))
    try:
        # _SYSTEMD_UNIT is journald's own word: what others wrote about the unit is not its last word
        answer = ask(host, ["journalctl", "--no-pager", *fields, f"_SYSTEMD_UNIT={unit}"])
    except CoreError:
        return ""
    entries = [entry for entry in map(_entry, answer.text.splitlines()) if entry is not None]
    wrong = [(at, line) for at, line in entries if _ERROR.search(line)]
    if not wrong:
        return ""
    at, line = wrong[-1]
    words = " ".join(redact(line).split())
    shortened = words if len(words) <= LONGEST else f"{words[:LONGEST]}..."
    return f"its last error, {time.strftime('%Y-%m-%d %H:%M:%SZ', time.gmtime(at))}: {json.dumps(shortened)}"


def _entry(line: str) -> Optional[tuple[float, str]]:
    try:
        raw: Any = json.loads(line)
        at, message = int(raw["__REALTIME_TIMESTAMP"]) / 1e6, raw["MESSAGE"]
    except (ValueError, KeyError, TypeError):
        return None
    return (at, message) if isinstance(message, str) else None
