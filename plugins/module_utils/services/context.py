# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a rule gets: one service with all that is known of it, or a host as a whole; and what makes findings of that."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple, Optional

from ..finding import CRITICAL, SKIPPED, WARNING, Check, Finding
from ..redact import redact
from ..registry import Outcome, finding_of
from ..units import human_seconds
from .declared import Policy
from .history import Growth
from .managers import AS_ADMIN, Manager, manager_of
from .model import Observation, Snapshot
from .restarts import Restarts


class Context(NamedTuple):
    """One service with everything that is known of it."""

    observed: Observation
    snapshot: Snapshot
    policy: Policy
    restarts: Restarts = Restarts()
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

    def finding(self, check: Check, outcome: Outcome) -> Finding:
        """Return an outcome as a finding about this service; secrets in its texts are masked, names in the remedy are
        filled in.
        """
        safe = outcome._replace(message=redact(outcome.message))
        found = finding_of(check, safe, self.observed.name, self.manager.name)
        return replace(found, remedy=self._filled_in(found.remedy))

    def _filled_in(self, advice: str) -> str:
        service, unit = self.observed.service, self.observed.unit
        name, quote = service.unit or self.observed.name, self.manager.quote
        target = (unit.target if unit else "") or (name if "/" in name else f"system/{name}")
        plist = quote(unit.files[0]) if unit and unit.files else "its plist"
        domain = target.rpartition("/")[0]
        filled = {"UNIT": quote(name), "TARGET": quote(target), "DOMAIN": domain, "PLIST": plist}
        return re.sub("|".join(filled), lambda found: filled[found[0]], advice)

    @property
    def manager(self) -> Manager:
        """Who looks after the service."""
        return manager_of(self.observed.service.manager)

    def as_admin(self) -> str:
        """Return the remedy for what this account may not see."""
        return AS_ADMIN.get(self.snapshot.platform, AS_ADMIN["linux"])

    def lacking(self, rule: str) -> Iterator[Outcome]:
        """Yield that this platform has nothing for a rule to judge; nothing where it has."""
        reason = self.snapshot.lacks.get(rule)
        if reason:
            yield Outcome(SKIPPED, reason, remedy="None needed.")

    def log_command(self) -> str:
        """Return the command that shows the end of the service's log, or an empty text where nobody knows the log."""
        service, path = self.observed.service, self.observed.service.output
        if service.manager == "systemd":
            return "journalctl -u UNIT -n 50 --no-pager"
        if service.manager != "pid_file" or not path:
            return ""
        if self.snapshot.platform == "windows":
            return "Get-Content -Tail 50 -LiteralPath '" + path.replace("'", "''") + "'"
        return f"tail -n 50 {shlex.quote(path)}"


class HostContext(NamedTuple):
    """A host as a whole, for the rules that are about no single service."""

    snapshot: Snapshot
    policy: Policy

    def finding(self, check: Check, outcome: Outcome) -> Finding:
        """Return an outcome as a finding about what it names."""
        return finding_of(check, outcome)
