# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All rules of firewall_audit, in the order of the report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..finding import Finding
from .audit import Audit
from .judge_policy import judge_expected_closed, judge_policy_expired
from .judge_ruleset import (
    judge_backends,
    judge_blind,
    judge_default_deny,
    judge_inactive,
    judge_rules_visible,
    judge_shadowed_rule,
    judge_view_drift,
)
from .judge_sockets import judge_any_source_internal, judge_family_difference, judge_unexpected_open

RULES: tuple[Callable[[Audit], list[Finding]], ...] = (
    judge_rules_visible,
    judge_blind,
    judge_inactive,
    judge_default_deny,
    judge_unexpected_open,
    judge_any_source_internal,
    judge_expected_closed,
    judge_policy_expired,
    judge_family_difference,
    judge_backends,
    judge_shadowed_rule,
    judge_view_drift,
)


def judge(audit: Audit) -> list[Finding]:
    """Given an audit, return the findings of all rules, with the remedies of the platform."""
    return [_advised(audit, finding) for rule in RULES for finding in rule(audit)]


def _advised(audit: Audit, finding: Finding) -> Finding:
    remedy = audit.facts.remedies.get(finding.check)
    return replace(finding, remedy=remedy) if finding.remedy and remedy else finding
