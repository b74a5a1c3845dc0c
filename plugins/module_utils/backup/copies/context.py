# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the rules about copies look at: one place and what came of it in this run."""

from __future__ import annotations

from typing import NamedTuple, Optional

from ...finding import Check, Finding
from ...registry import Outcome, finding_of
from ..declared import Settings
from .act import Served
from .collect import Copied, Local
from .declared import needed_of
from .plan import meant


class CopyContext(NamedTuple):
    """One place and what came of it in this run."""

    settings: Settings
    served: Served
    local: Local
    now: float

    @property
    def good(self) -> tuple[Copied, ...]:
        """The sets there that count, without those that this run read again and found damaged."""
        contents = self.served.contents
        return tuple(one for one in contents.good if not self.served.reread.get(one.id)) if contents else ()

    @property
    def newest(self) -> Optional[Copied]:
        """The newest of this host that counts there."""
        mine = [one for one in self.good if one.manifest and one.manifest.host == self.local.host.name()]
        return mine[-1] if mine else None

    @property
    def expected(self) -> str:
        """The id of the newest set here that belongs there; empty where there is none."""
        found = meant(self.served.copy, self.local)
        return found[-1].id if found else ""

    @property
    def holds_newest(self) -> bool:
        """Whether the newest set here that belongs there is there and counts."""
        return bool(self.expected) and any(one.id == self.expected for one in self.good)

    @property
    def age(self) -> float:
        """The seconds since the newest set there was begun."""
        return self.now - self.newest.created if self.newest else 0.0

    @property
    def newest_is_immutable(self) -> Optional[bool]:
        """Whether that set cannot be changed there; None where that cannot be seen."""
        return self.newest.immutable if self.newest else None

    @property
    def damaged(self) -> dict[str, str]:
        """Why sets there cannot be relied on, by id."""
        contents = self.served.contents
        known = {one.id: one.defect for one in contents.sets if one.defect} if contents else {}
        return {**known, **{set_id: why for set_id, why in self.served.reread.items() if why}}

    @property
    def trouble(self) -> str:
        """What is wrong with the place as one sentence, or an empty text."""
        damaged = "; ".join(f"set {set_id} there: {why}" for set_id, why in self.damaged.items())
        return self.served.trouble or damaged

    @property
    def may_lack(self) -> bool:
        """Whether the policy lets this place be without the newest set."""
        return needed_of(self.settings.copies_policy, len(self.settings.copies)) < len(self.settings.copies)

    def finding(self, check: Check, outcome: Outcome) -> Finding:
        """Return an outcome as a finding of the place."""
        return finding_of(check, outcome, self.served.copy.name)
