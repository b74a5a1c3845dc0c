# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Findings become a status, counts and a verdict here and nowhere else: card, terminal, textfile, exit code take it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import OK, SKIPPED, STATUSES, worst

from .checks import CHECKS

NEVER = "never"
FAIL_ON = ("warning", "unknown", "critical", NEVER)
# A look that did not happen counts whatever fail_on says: the one thing worse than bad news is no news.
NO_NEWS = frozenset({*CHECKS, "run.inventory", "checkup.ran"})
SHOWN = 160  # characters of the worst finding in a verdict

Found = Mapping[str, Any]


def is_bad(finding: Found) -> bool:
    """Return whether a finding is something to look at."""
    return finding["status"] not in (OK, SKIPPED)


def rank(finding: Found) -> int:
    """Given a finding, return a number that sorts the worst first."""
    return -STATUSES.index(finding["status"])


def tally(findings: Iterable[Found]) -> dict[str, Any]:
    """Given findings, return their worst status and their counts by status."""
    return totals(Counter(finding["status"] for finding in findings))


def totals(counted: Mapping[str, int]) -> dict[str, Any]:
    """Given how many findings there are of each status, return the worst and those numbers, the worst first."""
    return {"status": worst(counted), "counts": {status: counted.get(status, 0) for status in reversed(STATUSES)}}


def fails(findings: Iterable[Found], fail_on: str) -> bool:
    """Return whether a host's findings make it fail: one at or above ``fail_on``, or a look that did not happen."""
    if fail_on == NEVER:
        return False
    limit = STATUSES.index(fail_on)
    return any(
        STATUSES.index(finding["status"]) >= limit or (finding["check"] in NO_NEWS and is_bad(finding))
        for finding in findings
    )


def counted(counts: Mapping[str, int]) -> str:
    """Given counts by status, return them as words."""
    return ", ".join(f"{count} {status}" for status, count in counts.items() if count)


def verdict(findings: list[Found], fail_on: str) -> dict[str, Any]:
    """Given a host's findings, worst first, return whether it failed and why in one line."""
    failed = fails(findings, fail_on)
    bad = [finding for finding in findings if is_bad(finding)]
    if not bad:
        return {"failed": failed, "verdict": "nothing was found that is not ok"}
    first = bad[0]
    line = " ".join(f"{first['check']} [{first['subject']}]: {first['message']}".split())
    shown = line if len(line) <= SHOWN else f"{line[:SHOWN].rsplit(' ', 1)[0]} ..."
    more = f" (and {len(bad) - 1} more, see the report)" if len(bad) > 1 else ""
    return {"failed": failed, "verdict": f"{first['status']}: {shown}{more}"}
