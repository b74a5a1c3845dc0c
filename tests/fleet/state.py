# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What there is of fleets: their names, and the plan of each."""

from __future__ import annotations

import json
from pathlib import Path

from . import cgroup, network, paths
from .errors import FleetError
from .plan import FleetPlan


def write_plan(plan: FleetPlan) -> None:
    """Keep the plan, so that later commands know the fleet."""
    file = _plan_file(plan.name)
    partial = file.with_suffix(".partial")
    partial.write_text(json.dumps(plan.as_dict(), indent=2) + "\n")
    partial.replace(file)


def read_plan(fleet: str) -> FleetPlan:
    """Return the plan of a fleet that is up. Raise FleetError when there is none."""
    file = _plan_file(fleet)
    if not file.is_file():
        raise FleetError(f"fleet {fleet!r} is not up; there are: {', '.join(names()) or 'none'}")

    return FleetPlan.from_dict(json.loads(file.read_text()))


def names() -> list[str]:
    """Return every fleet of which anything is left: a folder, sockets, a cgroup or a network namespace."""
    folders = (paths.state_root(), paths.runtime_root(), *cgroup.tops())
    found = {name for folder in folders for name in _folder_names(folder)}

    return sorted(found | network.fleets(network.existing()))


def _folder_names(folder: Path) -> set[str]:
    entries = folder.iterdir() if folder.is_dir() else ()

    return {entry.name for entry in entries if entry.is_dir() and not entry.name.startswith(".")}


def _plan_file(fleet: str) -> Path:
    return paths.state(fleet) / "fleet.json"
