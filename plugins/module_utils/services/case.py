# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What one rule gets to see of one service, and the little that all rules need."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Optional

from ..finding import CRITICAL, SKIPPED, WARNING, Finding
from ..redact import redact
from ..units import human_seconds
from .checks import CHECKS
from .history import Growth
from .observed import Observed, Snapshot
from .policy import Policy
from .restarts import Restarts
from .words import LOOK_AS_ADMIN, Words, words_of


@dataclass(frozen=True)
class Case:
    """One service with everything that is known of it."""

    observed: Observed
    snapshot: Snapshot
    policy: Policy
    restarts: Restarts = field(default_factory=Restarts)
    growth: Optional[Growth] = None

    @property
    def age(self) -> Optional[float]:
        """For how many seconds the service has been running; None where it is not."""
        return self.snapshot.age(self.observed)

    @property
    def in_grace(self) -> bool:
        """Whether the service has only just been started and may still be getting ready."""
        return self.age is not None and self.age < self.observed.service.start_grace

    def failing(self) -> str:
        """Return the status of something that a running service fails at: a warning while it may still be starting."""
        return WARNING if self.in_grace else CRITICAL

    def grace_note(self) -> str:
        """Return a remark for messages about a service that may still be starting; empty for others."""
        return f" (started {human_seconds(self.age or 0)} ago, it may still be getting ready)" if self.in_grace else ""

    def finding(
        self, rule: str, status: str, message: str, *, expected: Any = None, actual: Any = None, remedy: str = ""
    ) -> Finding:
        """Return a finding about this service; secrets in its texts are masked, names in the remedy are filled in."""
        check = CHECKS[f"services.{rule}"]
        advice = remedy or self.words.remedies.get(rule) or check.remedy
        return check.finding(
            status,
            self.observed.name,
            redact(message),
            expected=expected,
            actual=actual,
            remedy=self._filled_in(advice),
        )

    def _filled_in(self, advice: str) -> str:
        service, unit = self.observed.service, self.observed.unit
        name, quote = service.unit or self.observed.name, self.words.quote
        target = (unit.target if unit else "") or (name if "/" in name else f"system/{name}")
        plist = quote(unit.files[0]) if unit and unit.files else "its plist"
        domain = target.rpartition("/")[0]
        filled = {"UNIT": quote(name), "TARGET": quote(target), "DOMAIN": domain, "PLIST": plist}
        return re.sub("|".join(filled), lambda found: filled[found[0]], advice)

    @property
    def words(self) -> Words:
        """The words of whoever looks after the service."""
        return words_of(self.observed.service.manager)

    def look_as_admin(self) -> str:
        """Return the remedy for what this account may not see."""
        return LOOK_AS_ADMIN.get(self.snapshot.platform, LOOK_AS_ADMIN["linux"])

    def lacking(self, rule: str) -> Iterator[Finding]:
        """Yield the finding that this platform has nothing for a rule to judge; nothing where it has."""
        reason = self.snapshot.lacks.get(rule)
        if reason:
            yield self.finding(rule, SKIPPED, reason, remedy="None needed.")


Memory = Mapping[str, Any]
