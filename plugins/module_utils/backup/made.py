# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run that makes a set has come to so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional

from .catalog.records import BackupSet
from .sources.records import Entry
from .verification.levels import Report


@dataclass
class Made:
    """What a run came to: the sources taken, those skipped and why, the verification, and at last the published set."""

    taken: dict[str, Entry] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    report: Optional[Report] = None
    published: Optional[BackupSet] = None
