# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A step on one table of a PostgreSQL database."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Optional

from ..steps import Step
from .records import Table

LEAST_S = 0.02  # a round trip and a commit, whatever the size of the table
UNPREDICTED_S = math.nan  # of a step while it is made: a prediction needs the whole step


@dataclass(frozen=True)
class TableStep(Step):
    """A step on one table. ``target`` is a statistics target of its own for a stage of analyze."""

    database: str
    table: Table
    vacuum: bool
    analyze: bool
    freeze: bool = False
    emergency: bool = False
    truncate: bool = True
    rewrite: bool = False
    target: Optional[int] = None
    codes: tuple[str, ...] = ()

    def details(self) -> dict[str, Any]:
        """Return what an operator may want to know of the step beforehand."""
        told: dict[str, Any] = {"predicted_seconds": round(self.predicted_s, 1), "bytes": self.table.bytes}
        flags = {"freeze": self.freeze, "emergency": self.emergency}
        return {**told, **{name: True for name, value in flags.items() if value}}
