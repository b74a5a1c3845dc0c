# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Giving a bloated table's empty space back: a rewrite, advised by default and done only through every gate. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Optional

from ...units import human_bytes, human_seconds
from ..backup_gate import Gate
from ..steps import Refusal
from .decide import Scope, predict
from .reasons import Case, is_bloated
from .steps import UNPREDICTED_S, TableStep

ROOM = 1.1  # of table and indexes must be free: the new copy stands beside the old one until it is complete
SLOWER = 2.0  # a rewrite writes everything that a vacuum reads
REPACKERS = ("pg_repack", "pg_squeeze")


@dataclass(frozen=True)
class Facts:
    """What a rewrite needs to know of the host: the answer of the backup gate, free bytes per tablespace folder."""

    gate: Gate = field(default_factory=lambda: Gate(False, "it was not asked for"))
    free: Mapping[str, int] = field(default_factory=dict)


def consider(case: Case, scope: Scope, facts: Facts) -> tuple[Optional[TableStep], Optional[Refusal]]:
    """Given a case, return the rewrite of a bloated table as a step, or as advice, or neither."""
    mode = scope.settings.rewrite
    if mode == "never" or case.table.kind == "p" or not is_bloated(case.bloat, case.limits):
        return None, None
    step = rewrite_step(case, scope)
    rule, problem = ("database.bloat", "advice only") if mode == "advise" else _problem(case, scope, facts, step)
    if not problem:
        return step, None
    return None, Refusal(step.action, step.subject, rule, f"{problem}: {advice(case, scope, step)}", cost(case, step))


def rewrite_step(case: Case, scope: Scope) -> TableStep:
    """Return the step that rewrites a table and takes new statistics of it."""
    step = TableStep(
        action="rewrite",
        subject=scope.subject(case.table),
        reasons=(f"{case.bloat.ratio:.0%} of it is empty, {human_bytes(case.bloat.bytes)} come back",),
        predicted_s=UNPREDICTED_S,
        database=scope.view.database,
        table=case.table,
        vacuum=True,
        analyze=True,
        rewrite=True,
        codes=("bloat",),
    )
    return replace(step, predicted_s=SLOWER * predict(step, scope))


def cost(case: Case, step: TableStep) -> dict[str, Any]:
    """Return the price and the gain of a rewrite, as numbers."""
    return {
        "gain_bytes": case.bloat.bytes,
        "needed_bytes": needed_bytes(case),
        "lock": "AccessExclusiveLock",
        "predicted_seconds": round(step.predicted_s, 1),
    }


def needed_bytes(case: Case) -> int:
    """Return the free bytes that a rewrite of the table needs."""
    return int(ROOM * case.table.bytes)


def advice(case: Case, scope: Scope, step: TableStep) -> str:
    """Return the price and the gain of a rewrite, as a sentence."""
    installed = scope.cluster.installed.get(scope.view.database, frozenset())
    tool = next((name for name in REPACKERS if name in installed), "VACUUM FULL")
    lock = "locks it for a moment twice" if tool != "VACUUM FULL" else "nobody can read it meanwhile"
    return (
        f"{tool} would give back {human_bytes(case.bloat.bytes)}, needs {human_bytes(needed_bytes(case))} free, "
        f"takes about {human_seconds(step.predicted_s)}, and {lock}"
    )


def _problem(case: Case, scope: Scope, facts: Facts, step: TableStep) -> tuple[str, str]:
    """Return the check id and the reason of the first gate that is shut, or empty texts."""
    if case.table.schema == "pg_catalog":
        return "database.bloat", "system catalogs are not rewritten unattended"
    if not case.table.may_maintain:
        return "database.permission", "the login may not maintain it"
    if any(lock.relation == step.table.oid for lock in scope.view.locks):
        return "database.locked", "somebody has it locked"
    if not scope.settings.services_stopped:
        return "database.bloat", "services_stopped does not say that the services are down"
    if not facts.gate.open:
        return "database.backup_gate", facts.gate.reason
    return _space_problem(case, scope, facts)


def _space_problem(case: Case, scope: Scope, facts: Facts) -> tuple[str, str]:
    place = case.table.location or scope.cluster.server.data_directory or ""
    free = facts.free.get(place)
    if free is None:
        return "database.space", "the free space of the server's folder cannot be seen from here"
    if free < needed_bytes(case):
        return "database.space", f"only {human_bytes(free)} are free in {place}"
    return "", ""
