# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is said of a change of the firewall: that it can be made, that it is kept, that it was rolled back and why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..finding import CRITICAL, OK, UNKNOWN, WARNING, Check, Finding
from ..registry import Outcome, Rules, finding_of
from . import ARMED, ROLLED_BACK
from .commit import GRACE, Change
from .declared import Plan

RULES = Rules()


class Context(NamedTuple):
    """One host: who has its rules, what would be changed, and what became of earlier changes."""

    host: str
    system: str
    manager: str
    plan: Plan
    changes: tuple[Change, ...]

    def finding(self, check: Check, outcome: Outcome) -> Finding:
        """Return an outcome as a finding about the host."""
        return finding_of(check, outcome, self.host, self.system)


@RULES.rule(
    "firewall.apply_rolled_back",
    procedure="W2.3",
    remedy="Read why, correct the policy or what dropped the connection, and run firewall_apply again.",
    source="commit confirmed of JunOS and VyOS: what nobody confirms is taken back",
)
def judge_apply_rolled_back(context: Context) -> Iterator[Outcome]:
    """No change of the firewall was rolled back by the host since the last one that was confirmed."""
    gone = [change for change in context.changes if change.state == ROLLED_BACK]
    for change in gone:
        exactly = "the rules are those of before" if change.verified == "restored" else "the files are those of before"
        if change.verified == "different":
            exactly = f"the rules are NOT those of before, see {change.folder.parent}/rollback.log"
        text = f"the change {change.id} was rolled back at {change.when}: {change.why}; {exactly}"
        yield Outcome(CRITICAL, text)
    if not gone:
        yield Outcome(OK, "no change was rolled back", remedy="")


@RULES.rule(
    "firewall.apply_pending",
    procedure="W2.3",
    remedy="Wait until it is confirmed or rolled back. One whose time is over is restored by `firewall_commit` with "
    "`state: rolled_back`, or by the next run of firewall_apply.",
    source="a change is armed until it is confirmed; nothing else may change the rules meanwhile",
)
def judge_apply_pending(context: Context) -> Iterator[Outcome]:
    """No change of the firewall waits for its confirmation."""
    waiting = [change for change in context.changes if change.state != ROLLED_BACK]
    for change in waiting:
        if change.state == ARMED and change.left > -GRACE:
            text = f"the change {change.id} is armed, and rolled back in {max(0, change.left):.0f} s unless confirmed"
            yield Outcome(UNKNOWN, text)
        else:
            yield Outcome(CRITICAL, f"the rollback of the change {change.id} was begun or due, and did not end")
    if not waiting:
        yield Outcome(OK, "no change waits", remedy="")


@RULES.rule(
    "firewall.apply_planned",
    procedure="W2.3",
    remedy="ansible-playbook cryptobot.maintenance.firewall_apply -e cryptobot_firewall_apply=true",
    source="ufw's rules, firewalld's zones (acting and stored), the table inet cryptobot, rules of Windows",
)
def judge_apply_planned(context: Context) -> Iterator[Outcome]:
    """The manager of the rules has what the policy says, and denies what comes in beside it."""
    steps = context.plan.steps
    if steps:
        said = "; ".join(f"{step.action} {step.subject}" for step in steps[:5])
        more = f" and {len(steps) - 5} more" if len(steps) > 5 else ""
        yield Outcome(WARNING, f"{context.manager} has not what the policy says: {said}{more}")
    else:
        left = f"; left as it is: {', '.join(context.plan.left[:5])}" if context.plan.left else ""
        yield Outcome(OK, f"{context.manager} has what the policy says{left}", remedy="")
