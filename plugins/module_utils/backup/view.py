# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All that the rules of this noun look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Optional

from ..finding import Finding
from .access.records import Access
from .catalog.records import BackupSet, Catalog
from .retention.policy import Decisions
from .settings import Settings
from .space import Space
from .verification.levels import Report


@dataclass(frozen=True)
class View:
    """The state that is judged. ``reports`` are this run's verifications, ``catalog`` already knows their outcome.

    ``space`` is None where it could not be told, for the reason in ``space_unknown``.
    """

    settings: Settings
    catalog: Catalog
    now: float
    reports: tuple[Report, ...] = ()
    space: Optional[Space] = None
    space_unknown: str = ""
    retention: Optional[Decisions] = None
    last_run: Mapping[str, Any] = field(default_factory=dict)
    access: Access = field(default_factory=Access)
    platform: str = ""

    @property
    def newest(self) -> Optional[BackupSet]:
        """The newest set that counts, or None."""
        return self.catalog.good[-1] if self.catalog.good else None

    @property
    def dir(self) -> str:
        """The backup folder as text."""
        return str(self.settings.dir)


Rule = Callable[[View], Iterator[Finding]]
