# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which rules judge which state of the module. The rules are in the folder ``rules``; none does input or output."""

from __future__ import annotations

from ..finding import Finding
from .rules.folder import (
    judge_clock,
    judge_foreign,
    judge_leftovers,
    judge_manifests,
    judge_payloads,
    judge_permissions,
    judge_pins,
    judge_retention,
    judge_signatures,
    judge_space,
    judge_strangers,
)
from .rules.sets import (
    judge_age,
    judge_anomalies,
    judge_completeness,
    judge_last_run,
    judge_presence,
    judge_verification,
)
from .view import Rule, View

FOLDER: tuple[Rule, ...] = (
    judge_manifests,
    judge_payloads,
    judge_leftovers,
    judge_permissions,
    judge_pins,
    judge_clock,
    judge_strangers,
    judge_signatures,
    judge_foreign,
)
# The state that sees to a good set says the same of the folder as the one that looks for it, so that what an earlier
# look of the same play found wanting does not stand beside what a run has made right since.
WHOLE: tuple[Rule, ...] = (
    judge_presence,
    judge_age,
    judge_completeness,
    judge_verification,
    judge_anomalies,
    judge_last_run,
    judge_space,
    judge_retention,
    *FOLDER,
)
RULES: dict[str, tuple[Rule, ...]] = {
    "present": WHOLE,
    "verified": WHOLE,
    "listed": FOLDER,
    "pruned": (judge_manifests, judge_signatures, judge_payloads, judge_retention, judge_clock),
}


def judge(view: View) -> list[Finding]:
    """Given the view of a run, return the findings of its state's rules."""
    return [finding for rule in RULES[view.settings.state] for finding in rule(view)]
