# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a cleanup says at, below and above each bound, and what it says that it cannot know."""

from __future__ import annotations

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup.model import (
    DELETE,
    CleanupPlan,
    Context,
    Deletion,
    InUse,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup.run import RULES
from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import OK, WARNING, Finding
from ansible_collections.cryptobot.maintenance.plugins.module_utils.steps import Step

from .examples import entry, rule, scanned


def told(check: str, freed: int, untold: str = "", budget: int | None = None) -> Finding:
    """Return the finding of one check about a plan that frees so many bytes, where 1000 are the bound."""
    plan = CleanupPlan((Step(DELETE, "/x/a.log", "", Deletion(rule(), entry("a.log"), freed)),))
    run = Context([scanned(untold=untold)], InUse(), plan, (), budget, 1000)
    (found,) = [found for found in RULES.judge(run) if found.check == f"cleanup.{check}"]
    return found


@pytest.mark.parametrize(("freed", "status"), [(999, OK), (1000, OK), (1001, WARNING)])
def test_what_can_be_deleted_is_a_warning_only_above_its_bound(freed: int, status: str) -> None:
    assert told("reclaimable", freed).status == status


@pytest.mark.parametrize(("freed", "status"), [(999, WARNING), (1000, OK), (1001, OK)])
def test_a_budget_is_met_at_its_bound(freed: int, status: str) -> None:
    assert told("budget", freed, budget=1000).status == status


@pytest.mark.case("CL3")
def test_what_the_plan_cannot_know_is_said() -> None:
    found = told("rule", 0, "its file system does not tell which files are immutable")
    assert found.status == OK
    assert found.message.endswith("which files are immutable, so a deletion may be refused")
    assert "refused" not in told("rule", 0).message
