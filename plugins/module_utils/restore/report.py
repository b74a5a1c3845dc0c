# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run returns: findings, metrics, and the restores that are known."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, NamedTuple, Optional

from .. import restores
from ..finding import Metric, Result
from ..host import Host
from . import journal
from .declared import Request
from .model import Journal
from .plan import RestorePlan, describe
from .rules_restore import HALF_DONE, RULES, Context


class Said(NamedTuple):
    """What a run has to say. ``own`` is its restore, ``failure`` why it failed, ``planned`` what it would do or did
    without a restore of its own, ``notes`` what is worth knowing, ``lacks`` what an archive does not have.
    """

    own: Optional[Journal] = None
    failure: str = ""
    notes: Sequence[str] = ()
    plan: Optional[RestorePlan] = None
    planned: str = ""
    lacks: Sequence[str] = ()


def result_of(request: Request, host: Host, said: Optional[Said] = None) -> Result:
    """Given what a run has to say, return its result."""
    said, journals = said or Said(), journal.read_all(request.state_dir)
    kept = {each.id: _bytes_kept(each) for each in journals}
    own_id = said.own.id if said.own else ""
    chosen = said.plan.chosen if said.plan else None
    context = Context(
        host=host.name(),
        now=host.now(),
        journals=tuple(journals),
        kept=kept,
        own=own_id,
        failure=said.failure,
        notes=tuple(said.notes),
        planned=said.planned,
        lacks=tuple(chosen.lacks if chosen else said.lacks),
        left=dict(chosen.left) if chosen else {},
    )
    data: dict[str, Any] = {"restores": [_described(each) for each in journals]}
    if said.plan is not None:
        data["plan"] = dict(describe(said.plan))
    if said.own is not None:
        data["restore"] = _described(said.own)
    findings = [restores.finding(HALF_DONE, request.state_dir, host), *RULES.judge(context)]
    return Result(findings, metrics=_metrics(said.own), data=data, failure=said.failure)


def _described(each: Journal) -> dict[str, Any]:
    return {
        "id": each.id,
        "set": each.set_id,
        "state": each.state,
        "begun": each.begun,
        "until": each.until,
        "safety_set": each.safety,
        "bytes": each.bytes,
        "seconds": each.seconds,
        "folders": each.folders,
        "targets": [unit.target for unit in each.units],
    }


def _metrics(own: Optional[Journal]) -> list[Metric]:
    if own is None or own.state == restores.UNDER_WAY:
        return []
    phases = [
        Metric("cryptobot_restore_seconds", spent, "seconds", {"step": step}) for step, spent in own.seconds.items()
    ]
    return [*phases, Metric("cryptobot_restore_bytes", float(own.bytes), "bytes")]


def _bytes_kept(each: Journal) -> int:
    """Return what is kept of a restore in bytes; -1 where nothing is."""
    there = [folder for folder in each.folders if os.path.exists(folder)]
    if not there:
        return -1
    walked = (os.path.join(top, name) for folder in there for top, _folders, names in os.walk(folder) for name in names)
    return sum(os.lstat(path).st_size for path in walked)
