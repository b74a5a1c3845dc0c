# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which rules judge which state of the module. None of them does input or output."""

from __future__ import annotations

from ..finding import Finding
from ..registry import Rules
from . import rules_anomaly, rules_folder, rules_made, rules_sets, rules_verification
from .context import Context

RULES = Rules(rules_sets.RULES, rules_folder.RULES, rules_verification.RULES, rules_anomaly.RULES, rules_made.RULES)
# The state that sees to a good set says the same of the folder as the one that looks for it, so that what an earlier
# look of the same play found wanting does not stand beside what a run has made right since.
WHOLE = ("", "retention", "always", "folder")
KINDS: dict[str, tuple[str, ...]] = {
    "present": WHOLE,
    "verified": WHOLE,
    "listed": ("always", "folder"),
    "pruned": ("retention", "always"),
}


def judge(context: Context) -> list[Finding]:
    """Given the context of a run, return the findings of its state's rules."""
    return [finding for kind in KINDS[context.settings.state] for finding in RULES.judge(context, kind)]
