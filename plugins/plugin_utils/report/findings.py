# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The findings of a report. Most are ok: those stay as their host said them until somebody wants to read them.

A thousand hosts have some 150,000 findings, of which a page shows a few thousand; only those are made at once.
"""

from __future__ import annotations

import functools
import gc
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import (
    OK,
    SKIPPED,
    STATUSES,
    UNKNOWN,
    Finding,
)

from .remedies import fitted

Made = TypeVar("Made")
FINE = (OK, SKIPPED)
_RANK = {status: -at for at, status in enumerate(STATUSES)}
# What a finding is where its host left it out.
EMPTY: dict[str, Any] = {
    "check": "run.complete",
    "subject": "",
    "status": UNKNOWN,
    "message": "",
    "expected": None,
    "actual": None,
}
EMPTY.update(remedy="", procedure="")


def uncollected(function: Callable[..., Made]) -> Callable[..., Made]:
    """Given a function that makes much plain data, return it so that Python looks for no cycles meanwhile."""

    @functools.wraps(function)
    def alone(*given: Any, **more: Any) -> Made:
        was_on = gc.isenabled()
        gc.disable()
        try:
            return function(*given, **more)
        finally:
            if was_on:
                gc.enable()

    return alone


class Said(NamedTuple):
    """A finding as an area of a host said it. ``status`` is one of STATUSES, and counts whatever the finding says."""

    host: str
    area: str
    status: str
    check: str
    finding: Mapping[str, Any]

    @property
    def about(self) -> str:
        """CHECK SUBJECT: the name by which another finding calls it its cause."""
        return f"{self.check} {self.finding.get('subject', '')}"

    def whole(self) -> dict[str, Any]:
        """Return the finding as it stands in a report."""
        whole = {"host": "", "area": "", **EMPTY, **self.finding}
        whole["host"], whole["area"], whole["status"], whole["check"] = self[:4]
        whole["remedy"] = fitted(str(whole["remedy"]), self.area, self.host) if whole["remedy"] else ""
        return whole


def said_by_us(host: str, area: str, finding: Finding) -> Said:
    """Given a finding of the report's own, return it as if an area of that host had said it."""
    return Said(host, area, finding.status, finding.check, finding.as_dict())


def in_order(told: Iterable[Said]) -> Findings:
    """Given all findings of a host, return them worst first, and of one status by check and subject."""
    told = sorted(told, key=_order)
    bad = [said.whole() for said in told if said.status not in FINE]
    return Findings(bad, told[len(bad) :])


def _order(said: Said) -> tuple[int, str, str]:
    return _RANK[said.status], said.check, str(said.finding.get("subject", ""))


class Findings(Sequence[dict[str, Any]]):
    """Findings, worst first: ``bad`` are those to look at, as they are in a report, ``fine`` all others."""

    def __init__(self, bad: Sequence[dict[str, Any]], fine: Sequence[Said]) -> None:
        self.bad, self.fine = bad, fine

    def __len__(self) -> int:
        return len(self.bad) + len(self.fine)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        yield from self.bad
        for said in self.fine:
            yield said.whole()

    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, slice):
            return [self[each] for each in range(*at.indices(len(self)))]
        at = range(len(self))[at]
        return self.bad[at] if at < len(self.bad) else self.fine[at - len(self.bad)].whole()

    def counts(self) -> Counter[str]:
        """Return how many there are of each status."""
        return Counter([*(finding["status"] for finding in self.bad), *(said.status for said in self.fine)])
