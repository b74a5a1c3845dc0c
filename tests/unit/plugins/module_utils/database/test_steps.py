# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Steps, refusals and outcomes as actions."""

from __future__ import annotations

from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.steps import (
    Ended,
    Refusal,
    actions,
    done,
    failures,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import DONE, FAILED, NOT_DONE
from ansible_collections.cryptobot.maintenance.plugins.module_utils.steps import Step

STEP = Step("vacuum", "main:db.public.trades", "dead rows; old")
OTHER = Step("analyze", "main:db.public.orders", "stale")
REFUSAL = Refusal("vacuum", "main:db.public.locked", "database.locked", "locked by pid 5")


def test_a_step_without_an_outcome_is_planned_and_a_refusal_is_always_told() -> None:
    told = actions([STEP, OTHER], [REFUSAL], [Ended(STEP, DONE, "why", 0.5)])
    assert [(action.action, action.state) for action in told] == [
        ("vacuum", "done"), ("analyze", "planned"), ("vacuum", "skipped"),
    ]  # fmt: skip


def test_the_plan_and_its_outcome_have_the_same_names() -> None:
    planned, taken = actions([STEP], []), actions([STEP], [], [Ended(STEP, FAILED, "no")])
    assert [(one.action, one.subject) for one in planned] == [(one.action, one.subject) for one in taken]


def test_only_failures_fail_a_run() -> None:
    outcomes = [Ended(STEP, NOT_DONE, "locked"), Ended(OTHER, FAILED, "disk full"), Ended(STEP, DONE, "")]
    assert failures(outcomes) == ["analyze of main:db.public.orders failed: disk full"]
    assert done(outcomes) == [outcomes[2]]


def test_a_file_that_grew_meanwhile_freed_nothing() -> None:
    assert Ended(STEP, DONE, "", before={"bytes": 5}, after={"bytes": 9}).freed_bytes == 0
    assert Ended(STEP, DONE, "", before={"bytes": 9}, after={"bytes": 5}).freed_bytes == 4
    assert Ended(STEP, DONE, "").freed_bytes == 0
