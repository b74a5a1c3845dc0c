# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What one rule gets to see of one service, and the little that all rules need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Optional

from ..finding import CRITICAL, WARNING, Finding
from ..redact import redact
from ..units import human_seconds
from .checks import CHECKS
from .history import Growth, Restarts
from .observed import Observed, Snapshot
from .policy import Policy


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
        """Return a finding about this service; secrets in its texts are masked, UNIT in the remedy is filled in."""
        check = CHECKS[f"services.{rule}"]
        unit = self.observed.service.unit or self.observed.name
        return check.finding(
            status,
            self.observed.name,
            redact(message),
            expected=expected,
            actual=actual,
            remedy=(remedy or check.remedy).replace("UNIT", unit),
        )


Memory = Mapping[str, Any]
