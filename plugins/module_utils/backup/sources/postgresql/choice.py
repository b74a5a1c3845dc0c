# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which databases of a server are dumped where all are meant, and why the others are not. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from .parse import Database

# Databases that a managed service keeps for itself: its customers cannot read them, and they hold nothing of theirs.
MANAGED = {
    "rdsadmin": "Amazon RDS",
    "cloudsqladmin": "Google Cloud SQL",
    "alloydbadmin": "Google AlloyDB",
    "alloydbmetadata": "Google AlloyDB",
    "azure_maintenance": "Azure Database for PostgreSQL",
    "azure_sys": "Azure Database for PostgreSQL",
    "_dodb": "DigitalOcean",
}


@dataclass(frozen=True)
class Choice:
    """The databases to dump, in their order. ``left_out`` has the others, each with the reason and whether that is as
    declared.
    """

    names: list[str]
    left_out: dict[str, dict[str, Any]]

    def leave_out(self, name: str, reason: str, *, as_declared: bool = False) -> None:
        """Add a database to those that are left out."""
        self.left_out[name] = {"reason": reason, "as_declared": as_declared}


def choose(databases: Iterable[Database], exclude: Sequence[str]) -> Choice:
    """Given the databases of a server and the patterns of those to leave out, return the choice."""
    choice = Choice([], {})
    for one in databases:
        pattern = next((pattern for pattern in exclude if fnmatchcase(one.name, pattern)), "")
        if pattern:
            choice.leave_out(one.name, f"excluded by {pattern}", as_declared=True)
        elif one.name in MANAGED:
            choice.leave_out(one.name, f"{MANAGED[one.name]}'s own", as_declared=True)
        elif one.trouble:
            choice.leave_out(one.name, one.trouble)
        else:
            choice.names.append(one.name)
    return choice
