# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the rules of this area get: the whole folder, one source of the run, or the set that it was to make."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Optional

from ..finding import Check, Finding
from ..registry import EMPTY, Outcome, finding_of
from .access import Access
from .declared import Settings
from .model import BackupSet, Catalog, Made, Report, SourceCopy
from .plan import SetPlan
from .retention import Decisions
from .space import Space


class Context(NamedTuple):
    """The state that is judged. ``reports`` are this run's verifications, ``catalog`` already knows their outcome.

    ``drilled`` is when a set last came back in a drill. ``space`` is None where it could not be told, for the reason in
    ``space_unknown``.
    """

    settings: Settings
    catalog: Catalog
    now: float
    reports: tuple[Report, ...] = ()
    space: Optional[Space] = None
    space_unknown: str = ""
    retention: Optional[Decisions] = None
    last_run: Mapping[str, Any] = EMPTY
    drilled: Optional[float] = None
    access: Access = Access()
    platform: str = ""

    @property
    def newest(self) -> Optional[BackupSet]:
        """The newest set that counts, or None."""
        return self.catalog.newest

    @property
    def dir(self) -> str:
        """The backup folder as text."""
        return str(self.settings.dir)

    def finding(self, check: Check, outcome: Outcome) -> Finding:
        """Return an outcome as a finding; its subject is the folder where it names no other."""
        return finding_of(check, outcome, self.dir)


class SourceContext(NamedTuple):
    """One source of a run that makes a set: what was taken of it, or why it was left out or failed the set.

    ``counted`` is what its things are called.
    """

    name: str
    counted: str = ""
    taken: Optional[SourceCopy] = None
    skipped: str = ""
    failed: Optional[str] = None

    def finding(self, check: Check, outcome: Outcome) -> Finding:
        """Return an outcome as a finding of the source."""
        return finding_of(check, outcome, self.name)


class SetContext(NamedTuple):
    """The set that a run was to make: its plan, what it came to, and why there is none (empty where there is)."""

    settings: Settings
    plan: SetPlan
    made: Made
    why: str = ""

    def finding(self, check: Check, outcome: Outcome) -> Finding:
        """Return an outcome as a finding of the set by its name, or else its label."""
        return finding_of(check, outcome, self.settings.title)
