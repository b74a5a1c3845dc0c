# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which rules judge which state of the module. The rules are in the folder ``rules``; none does input or output."""

from __future__ import annotations

from ..finding import Finding
from .rules.folder import (
    judge_clock,
    judge_leftovers,
    judge_manifests,
    judge_permissions,
    judge_pins,
    judge_retention,
    judge_space,
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

LISTED: tuple[Rule, ...] = (judge_manifests, judge_leftovers, judge_permissions, judge_pins, judge_clock)
PRUNED: tuple[Rule, ...] = (judge_retention, judge_clock)
PRESENT: tuple[Rule, ...] = (judge_verification, judge_anomalies, judge_space, judge_retention, judge_clock)
VERIFIED: tuple[Rule, ...] = (
    judge_presence,
    judge_age,
    judge_completeness,
    judge_verification,
    judge_anomalies,
    judge_last_run,
    judge_space,
    judge_retention,
    *LISTED,
)
# What an earlier look of the same play may have found wanting, and a good set has made right since.
MADE_RIGHT: tuple[Rule, ...] = (judge_presence, judge_age, judge_completeness, judge_last_run)
RULES: dict[str, tuple[Rule, ...]] = {"present": PRESENT, "verified": VERIFIED, "listed": LISTED, "pruned": PRUNED}


def judge(view: View) -> list[Finding]:
    """Given the view of a run, return the findings of its state's rules."""
    made_right = MADE_RIGHT if view.made_right else ()
    return [finding for rule in (*RULES[view.settings.state], *made_right) for finding in rule(view)]
