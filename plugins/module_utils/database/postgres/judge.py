# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was seen of a server, and what was done about it -> findings. Pure."""

from __future__ import annotations

from typing import Callable

from ...finding import SKIPPED, UNKNOWN, Finding
from ..checks import CHECKS
from . import judge_server, judge_tables
from .look import Look
from .records import Cluster

Rule = Callable[[Look, Cluster], list[Finding]]

RULES: tuple[Rule, ...] = (
    judge_server.reachable,
    judge_server.wraparound,
    judge_tables.dead_rows,
    judge_tables.statistics,
    judge_tables.bloat,
    judge_server.xmin_horizon,
    judge_server.long_transaction,
    judge_server.permission,
    judge_tables.locked,
    judge_tables.window,
    judge_server.gates,
    judge_server.replica_lag,
    judge_tables.index_passes,
    judge_server.integrity,
    judge_tables.maintenance,
)


def judge(look: Look) -> list[Finding]:
    """Given a look at a server, return its findings."""
    if look.cluster is None:
        status, reason = look.problem or (UNKNOWN, "it was not looked at")
        return [CHECKS["database.reachable"].finding(status, look.entry.name, reason)]
    if look.cluster.server.in_recovery:
        message = "the server is a standby: its primary does the vacuuming"
        return [CHECKS["database.standby"].finding(SKIPPED, look.entry.name, message)]
    return [finding for rule in RULES for finding in rule(look, look.cluster)]
