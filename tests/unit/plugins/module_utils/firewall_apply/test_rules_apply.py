# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is said of a change of the firewall: armed, begun, rolled back, and of a plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall_apply import ARMED, ROLLED_BACK
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall_apply.commit import GOING, GRACE, Change
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall_apply.declared import Plan
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall_apply.rules_apply import RULES, Context
from ansible_collections.cryptobot.maintenance.plugins.module_utils.steps import Step


def change(state: str, left: float = 30.0, verified: str = "", how: str = "timer", name: str = "ab12") -> Change:
    place = Path("/var/lib/x/firewall_apply", f"{state}-{name}")
    return Change(name, state, place, "ufw", None, (), left, how, "2026-11-29T02:00:00Z", verified)


NOTHING = Plan(())


def found(check: str, plan: Plan = NOTHING, *changes: Change) -> list[tuple[str, str, bool]]:
    """Return status and message of a check's findings, and whether they say what to do."""
    findings = RULES.judge(Context("app1", "linux", "ufw", plan, changes))
    assert {finding.subject for finding in findings} == {"app1"}
    own = [finding for finding in findings if finding.check == f"firewall.{check}"]
    return [(finding.status, finding.message, bool(finding.remedy)) for finding in own]


ROLLED = [
    ("restored", "the rules are those of before"),
    ("", "the files are those of before"),
    ("different", "the rules are NOT those of before, see /var/lib/x/firewall_apply/rollback.log"),
]


@pytest.mark.parametrize(("verified", "exactly"), ROLLED)
def test_a_change_that_was_rolled_back_is_said_with_its_reason_and_how_exactly(verified: str, exactly: str) -> None:
    gone, waiting = change(ROLLED_BACK, verified=verified), change(ARMED, name="cd34")
    ((status, message, cured),) = found("apply_rolled_back", NOTHING, gone, waiting)
    assert (status, cured) == ("critical", True)
    assert message == (
        "the change ab12 was rolled back at 2026-11-29T02:00:00Z: it was not confirmed in time: the host did not "
        f"answer by a new connection, or the run ended; {exactly}"
    )


def test_each_of_two_changes_that_were_rolled_back_is_said() -> None:
    gone = [change(ROLLED_BACK, name="ab12"), change(ROLLED_BACK, name="cd34", how="boot")]
    assert [status for status, _message, _cured in found("apply_rolled_back", NOTHING, *gone)] == ["critical"] * 2
    assert found("apply_rolled_back") == [("ok", "no change was rolled back", False)]


PENDING = [
    (change(ARMED, left=30.4), "unknown", "the change ab12 is armed, and rolled back in 30 s unless confirmed"),
    (change(ARMED, left=0.5 - GRACE), "unknown", "the change ab12 is armed, and rolled back in 0 s unless confirmed"),
    (change(ARMED, left=-GRACE), "critical", "the rollback of the change ab12 was begun or due, and did not end"),
    (change(GOING, left=30.0), "critical", "the rollback of the change ab12 was begun or due, and did not end"),
]


@pytest.mark.parametrize(("waiting", "status", "message"), PENDING)
def test_a_change_waits_until_its_time_is_over(waiting: Change, status: str, message: str) -> None:
    assert found("apply_pending", NOTHING, waiting, change(ROLLED_BACK, name="cd34")) == [(status, message, True)]


def test_what_was_rolled_back_waits_no_more() -> None:
    assert found("apply_pending", NOTHING, change(ROLLED_BACK)) == [("ok", "no change waits", False)]


def steps(count: int) -> tuple[Step, ...]:
    return tuple(Step("allow", f"tcp/{port}", "the policy has it") for port in range(count))


PLANS: list[tuple[Plan, Any]] = [
    (Plan(steps(1)), ("warning", "ufw has not what the policy says: allow tcp/0", True)),
    (
        Plan(steps(5)),
        ("warning", f"ufw has not what the policy says: {'; '.join(f'allow tcp/{port}' for port in range(5))}", True),
    ),
    (
        Plan(steps(6)),
        (
            "warning",
            f"ufw has not what the policy says: {'; '.join(f'allow tcp/{port}' for port in range(5))} and 1 more",
            True,
        ),
    ),
    (Plan(()), ("ok", "ufw has what the policy says", False)),
    (
        Plan((), tuple("abcdef")),
        ("ok", "ufw has what the policy says; left as it is: a, b, c, d, e", False),
    ),
]


@pytest.mark.parametrize(("plan", "expected"), PLANS)
def test_what_is_left_to_do_is_named_and_what_is_in_place_too(plan: Plan, expected: Any) -> None:
    assert found("apply_planned", plan) == [expected]
