# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A rule of nftables while its statements are read from left to right."""

from __future__ import annotations

from typing import Optional

from ..model.ruleset import UNKNOWN, Effect, FilterRule, Test, Verdict
from .nft_tests import Sets


class Draft:
    """A rule while its statements are read from left to right; it may stand for several rules of the model."""

    def __init__(self, where: str, text: str, sets: Sets) -> None:
        self.where, self.text, self.sets = where, text, sets
        self.tests: list[Test] = []
        self.effects: list[Effect] = []
        self.ended = False
        self.unnamed = False  # an extension was met of which not even the kind is known
        self.rules: list[FilterRule] = []

    def test(self, *tests: Test) -> None:
        """Add tests. What was changed before them is changed whether or not they hold: that is a rule of its own."""
        if self.effects:
            self._add(None, ())
            self.effects = []
        self.tests += tests

    def decide(self, verdict: Verdict, *tests: Test) -> None:
        """Add a verdict, under further tests where it is one of several."""
        self._add(verdict, tests)
        self.ended = self.ended or not tests

    def _add(self, verdict: Optional[Verdict], tests: tuple[Test, ...]) -> None:
        self.rules.append(FilterRule(self.where, self.text, (*self.tests, *tests), tuple(self.effects), verdict))

    def done(self) -> list[FilterRule]:
        """Return the rules that were made."""
        if self.unnamed and not self.ended:
            self.decide(Verdict(UNKNOWN))
        if self.effects and not self.ended:
            self._add(None, ())
        return self.rules
