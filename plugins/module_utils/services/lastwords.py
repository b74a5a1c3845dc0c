# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The last error line that a service wrote itself, quoted in a bad finding: redacted, with its time.

A unit of systemd wrote it into the journal, a script-started service into the file that is its ``output``.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Optional

from ..asking import ask
from ..errors import CoreError
from ..finding import CRITICAL, WARNING, Finding
from ..folders import NotEntered
from ..host import Host
from ..masking import Mask
from ..redact import redact
from .case import Case
from .declared import Service
from .tail import read_tail

QUOTED = ("services.state", "services.restarts", "services.http", "services.port_owner")
LINES, SINCE, LONGEST = 200, 86400.0, 160
TAIL = 64 << 10  # bytes of a log file that are looked at
_ERROR = re.compile(r"\b\w*(?:error|exception|critical|fatal|panic|failed|refused|denied|cannot)\b", re.IGNORECASE)


def quote_errors(
    host: Host, cases: Sequence[Case], findings: Mapping[str, Sequence[Finding]]
) -> dict[str, list[Finding]]:
    """Given the cases and their findings, return the findings, bad ones with the last error of their service."""
    by_name = {case.observed.name: case for case in cases}
    return {name: _with_error(host, by_name[name], found) for name, found in findings.items()}


def _with_error(host: Host, case: Case, findings: Sequence[Finding]) -> list[Finding]:
    bad = [finding for finding in findings if finding.check in QUOTED and finding.status in (WARNING, CRITICAL)]
    text = _last_words(host, case) if bad else ""
    return [replace(each, message=f"{each.message}; {text}") if text and each is bad[0] else each for each in findings]


def _last_words(host: Host, case: Case) -> str:
    unit, service, now = case.observed.unit, case.observed.service, case.snapshot.now
    if unit is not None and unit.manager == "systemd" and unit.found:
        return last_error(host, unit.id, now, service)
    if service.manager == "pid_file" and service.output:
        return last_error_in(host, service, now)
    return ""


def last_error(host: Host, unit: str, now: float, service: Optional[Service] = None) -> str:
    """Given a unit, return its last error line of the last day, as a remark; empty where there is none to see."""
    fields = ("-o", "json", "--output-fields=MESSAGE", f"--since=@{now - SINCE:.0f}", "-n", str(LINES))
    try:
        # _SYSTEMD_UNIT is journald's own word: what others wrote about the unit is not its last word
        answer = ask(host, ["journalctl", "--no-pager", *fields, f"_SYSTEMD_UNIT={unit}"])
    except CoreError:
        return ""
    entries = [entry for entry in map(_entry, answer.text.splitlines()) if entry is not None]
    wrong = [(at, line) for at, line in entries if _ERROR.search(line)]
    return f"its last error, {_moment(wrong[-1][0])}: {_quoted(wrong[-1][1], service)}" if wrong else ""


def last_error_in(host: Host, service: Service, now: float) -> str:
    """Given a script-started service, return the last error line at the end of its log file, as a remark.

    The file belongs to the account of the service, and its lines have no time of ours: told is when it was last
    written, at most a day ago. Empty where there is none to see.
    """
    try:
        tail = read_tail(host, service.output, TAIL)
    except (OSError, NotEntered, CoreError):
        return ""
    line = _last_wrong(tail.text.splitlines())
    if not line or now - tail.written > SINCE:
        return ""
    where = f"{service.output}, last written {_moment(min(tail.written, now))}"
    return f"its last error in {where}: {_quoted(line, service)}"


def _last_wrong(lines: Iterable[str]) -> str:
    wrong = [line for line in lines if _ERROR.search(line)]
    return wrong[-1] if wrong else ""


def _moment(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(at))


def _quoted(line: str, service: Optional[Service]) -> str:
    """Return a line as data: without secrets before it is cut, on one line, escaped."""
    words = " ".join(redact(Mask(_secrets(service)).hide(line)).split())
    return json.dumps(words if len(words) <= LONGEST else f"{words[:LONGEST]}...")


def _secrets(service: Optional[Service]) -> list[str]:
    """Return what a service is told that looks like a secret by its name: a service may well print it."""
    given = service.environment.items() if service else ()
    return [value for name, value in given if redact(f"{name}={value}") != f"{name}={value}"]


def _entry(line: str) -> Optional[tuple[float, str]]:
    try:
        raw: Any = json.loads(line)
        at, message = int(raw["__REALTIME_TIMESTAMP"]) / 1e6, raw["MESSAGE"]
    except (ValueError, KeyError, TypeError):
        return None
    return (at, message) if isinstance(message, str) else None
