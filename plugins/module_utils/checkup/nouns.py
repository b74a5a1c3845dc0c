# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The nouns that a checkup may run: each only looks, and ``force`` keeps it to that whatever its options say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .._ansible_module import Run
from ..backup import SPEC as BACKUP
from ..cleanup import SPEC as CLEANUP
from ..database import SPEC as DATABASE
from ..firewall import SPEC as FIREWALL
from ..resources import SPEC as RESOURCES
from ..restart import SPEC as RESTART
from ..services import SPEC as SERVICES
from .runs import (
    run_backup,
    run_cleanup,
    run_database,
    run_firewall,
    run_resources,
    run_restart,
    run_services,
)


@dataclass(frozen=True)
class Noun:
    """One noun of a checkup.

    ``procedures`` are its ids in docs/procedures.md. ``force`` are option values that a checkup sets. ``plan_only``
    runs the noun in check mode, which is how an acting noun is made to look without acting.
    """

    spec: Mapping[str, Any]
    run: Run
    procedures: tuple[str, ...]
    force: Mapping[str, Any] = field(default_factory=dict)
    plan_only: bool = False


NOUNS: dict[str, Noun] = {
    "resources": Noun(RESOURCES, run_resources, ("D1.1",)),
    "services": Noun(SERVICES, run_services, ("D1.2",)),
    "backup": Noun(BACKUP, run_backup, ("D1.4",), {"state": "verified"}),
    "cleanup": Noun(CLEANUP, run_cleanup, ("W1.2",), plan_only=True),
    "database": Noun(DATABASE, run_database, ("W1.3",), {"mode": "plan"}, plan_only=True),
    "firewall": Noun(FIREWALL, run_firewall, ("W2.3",)),
    "restart": Noun(RESTART, run_restart, ("W1.4",), plan_only=True),
}
