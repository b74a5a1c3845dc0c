# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a store can do, as one record of functions. Everything else speaks to a store by it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Optional

from ..model import BackupSet, Catalog, Leftover, Made, Report, Verification
from ..plan import SetPlan
from ..sources.model import Bench

Heartbeat = Callable[[], None]


class Store(NamedTuple):
    """One store, ready for the options of a run.

    ``ready`` raises where no set could be made for want of a program; ``catalog`` reads what is there; ``make`` makes a
    set; ``verify`` looks into one, on the bench that it is given; ``record`` keeps the evidence; ``left`` says what a
    leftover is by now (None: gone); ``remove`` and ``sweep`` take an id or a leftover's name; ``settle`` gives the room
    of what was removed back and returns what went wrong; ``adopt`` makes room for the evidence of sets that are in the
    store alone; ``reader`` reads one back, by way of a folder of scratch where it needs one. ``alone`` is whether
    looking needs the host's lock.
    """

    where: str
    ready: Callable[[], object]
    catalog: Callable[[], Catalog]
    make: Callable[[SetPlan, Made, Heartbeat], None]
    verify: Callable[[BackupSet, Bench], Report]
    record: Callable[[BackupSet, Verification], None]
    left: Callable[[str], Optional[Leftover]]
    remove: Callable[[str], None]
    sweep: Callable[[str], None]
    settle: Callable[[], str]
    adopt: Callable[[Catalog], None]
    reader: Callable[[BackupSet, Path, Heartbeat], Any]
    alone: bool = False
