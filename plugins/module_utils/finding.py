# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one shape of value that crosses every boundary: Finding, and the Result that carries findings out of an area.

Statuses are the words of the monitoring-plugins convention (https://www.monitoring-plugins.org/doc/guidelines.html),
with ``skipped`` for what did not apply. Unknown is never ok: it ranks above warning.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Optional

SKIPPED, OK, WARNING, UNKNOWN, CRITICAL = "skipped", "ok", "warning", "unknown", "critical"
STATUSES = (SKIPPED, OK, WARNING, UNKNOWN, CRITICAL)  # from harmless to worst
PLANNED, DONE, NOT_DONE, FAILED = "planned", "done", "skipped", "failed"
ACTION_STATES = (PLANNED, DONE, NOT_DONE, FAILED)
EMPTY: Mapping[Any, Any] = MappingProxyType({})  # the default of a record's mapping: nobody can fill it

_CHECK_ID = re.compile(r"[a-z]+(\.[a-z0-9_]+)+")


def worst(statuses: Iterable[str]) -> str:
    """Given statuses, return the worst. Without any nothing was looked at, so the answer is ``unknown``."""
    return max(statuses, key=STATUSES.index, default=UNKNOWN)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


@dataclass(frozen=True)
class Finding:
    """What one check says of one subject.

    ``check`` is a stable dotted id (``services.state``), ``procedure`` an id of docs/procedures.md, ``remedy`` the next
    command or action for a tired operator. ``expected`` and ``actual`` are plain JSON values. ``consequence_of`` names
    the finding of the same host that it follows from, as CHECK SUBJECT: it is ``skipped`` then, not counted again.
    """

    check: str
    subject: str
    status: str
    message: str
    expected: Any = None
    actual: Any = None
    remedy: str = ""
    procedure: str = ""
    consequence_of: str = ""

    def __post_init__(self) -> None:
        _require(self.status in STATUSES, f"status {self.status!r} is none of {STATUSES}")
        _require(_CHECK_ID.fullmatch(self.check) is not None, f"check id {self.check!r} is not of the form area.rule")

    def as_dict(self) -> dict[str, Any]:
        """Return the finding as plain JSON values; one that follows from no other does not say so."""
        return {name: value for name, value in vars(self).items() if value or name != "consequence_of"}


@dataclass(frozen=True)
class Check:
    """One entry of the catalogue docs/checks.md: what is looked at, why the threshold is what it is, what to do.

    A finding is only ever made through its Check, so that every id that a report can show is documented. ``remedies``
    are those by manager, engine or system, of which ``remedy`` is the documented one.
    """

    id: str
    procedure: str
    summary: str
    remedy: str
    source: str = ""
    remedies: Mapping[str, str] = field(default_factory=dict, hash=False)

    def remedy_for(self, kind: str) -> str:
        """Given a manager, engine or system, return its remedy, or else the documented one."""
        return self.remedies.get(kind, self.remedy)

    def finding(
        self,
        status: str,
        subject: str,
        message: str,
        *,
        expected: Any = None,
        actual: Any = None,
        remedy: Optional[str] = None,
    ) -> Finding:
        """Return a finding of this check. The catalogue's remedy stands unless the status is ok or one is given."""
        advice = self.remedy if remedy is None else remedy
        return Finding(
            self.id,
            subject,
            status,
            message,
            expected,
            actual,
            "" if status == OK else advice,
            self.procedure,
        )


def catalogue(*checks: Check) -> dict[str, Check]:
    """Given the checks of an area, return them by id. Raise ValueError where an id stands twice."""
    by_id = {check.id: check for check in checks}
    _require(len(by_id) == len(checks), "a check id stands twice in one catalogue")
    return by_id


@dataclass(frozen=True)
class Metric:
    """A number with a Prometheus-style name (``cryptobot_disk_free_bytes``) and base unit (bytes, seconds, ratio)."""

    name: str
    value: float
    unit: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the metric as plain JSON values."""
        return {"name": self.name, "value": self.value, "unit": self.unit, "labels": dict(self.labels)}


@dataclass(frozen=True)
class Action:
    """One step of an acting area: planned in check mode, done in a run; skipped or failed with its reason.

    ``action`` is a verb (``vacuum``), ``subject`` what it acts on. Both are the same in check mode and in the run that
    follows; a test compares the two.
    """

    action: str
    subject: str
    state: str
    reason: str
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _require(self.state in ACTION_STATES, f"action state {self.state!r} is none of {ACTION_STATES}")

    def as_dict(self) -> dict[str, Any]:
        """Return the action as plain JSON values."""
        return {**vars(self), "details": dict(self.details)}


@dataclass
class Result:
    """What an area returns: findings, metrics, its own ``data``, and for an acting area its actions.

    ``changed`` is what Ansible means by it; in check mode it is what a real run would report. ``failure`` is set only
    where an action that the run was told to take did not succeed: a bad finding is data, not a failure.
    """

    findings: list[Finding] = field(default_factory=list)
    metrics: list[Metric] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)
    changed: bool = False
    failure: str = ""
    diff: Optional[dict[str, str]] = None

    @property
    def status(self) -> str:
        """The worst status of the findings; without findings ``unknown``."""
        return worst(finding.status for finding in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """Return the result as plain JSON values, findings worst first."""
        ordered = sorted(self.findings, key=lambda f: (-STATUSES.index(f.status), f.check, f.subject))
        answer = {
            **self.data,
            "status": self.status,
            "findings": [finding.as_dict() for finding in ordered],
            "metrics": [metric.as_dict() for metric in self.metrics],
            "actions": [action.as_dict() for action in self.actions],
            "changed": self.changed,
        }
        return answer if self.diff is None else {**answer, "diff": self.diff}
