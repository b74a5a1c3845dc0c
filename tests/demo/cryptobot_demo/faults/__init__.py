# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults to plant: each is one row of a table, names the finding that should report it, and can be undone."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from .. import processes
from ..root import Demo, DemoError
from . import declared, running, stored
from .listener import end_listener


@dataclass(frozen=True)
class Fault:
    """One fault: what it is, the id of the finding that should name it, how it comes and how it goes.

    ``needs`` are the services that must run for it to be planted.  ``heal`` also tidies up after a planting that
    failed half-way.
    """

    description: str
    check: str
    plant: Callable[[Demo, Path], str]
    heal: Callable[[Demo, Path], None]
    needs: tuple[str, ...] = ()


FAULTS: dict[str, Fault] = {
    "dead-service": Fault(
        "data was killed and left its pid file",
        "services.state",
        running.kill_data,
        running.revive_data,
        needs=(running.DEAD,),
    ),
    "wedged-service": Fault(
        "strategy runs but answers 500 on /health",
        "services.http",
        running.wedge_strategy,
        running.free_strategy,
        needs=(running.WEDGED,),
    ),
    "dying-workers": Fault(
        "strategy lives, and every worker of it dies of an import error",
        "services.workers",
        running.break_workers,
        running.mend_workers,
        needs=(running.WEDGED,),
    ),
    "split-dry-run": Fault(
        "one of trade's two workers trades for real",
        "trading.dry_run",
        running.split_dry_run,
        running.join_dry_run,
        needs=("trade",),
    ),
    "stray-port": Fault(
        "backtest is dead and another process answers on its port",
        "services.port_owner",
        running.usurp_port,
        running.return_port,
        needs=(running.STRAY,),
    ),
    "open-port": Fault(
        "a process listens on 0.0.0.0 where no rule allows it",
        "firewall.unexpected_open",
        running.open_port,
        running.close_port,
    ),
    "open-order": Fault(
        "trade has a live order in flight",
        "trading.orders_in_flight",
        running.place_order,
        running.withdraw_order,
        needs=("trade",),
    ),
    "corrupt-db": Fault(
        "one page of the database is garbage",
        "database.integrity",
        stored.corrupt_database,
        stored.repair_database,
    ),
    "corrupt-backup": Fault(
        "one byte of the newest backup set is wrong",
        "backup.checksum",
        stored.corrupt_backup,
        stored.repair_backup,
    ),
    "stale-backup": Fault(
        "every backup counts as too old",
        "backup.age",
        declared.age_backup,
        declared.renew_backup,
    ),
    "full-disk": Fault(
        "every disk counts as full",
        "resources.disk_space",
        declared.fill_disk,
        declared.empty_disk,
    ),
}


def plant(demo: Demo, name: str) -> str:
    """Given a demo and the name of a fault, plant it and return what was done.

    Raise DemoError where the fault is unknown, planted already, or cannot be planted now.
    """
    fault, notes = _plantable(demo, name)
    notes.mkdir(parents=True)
    try:
        said = fault.plant(demo, notes)
    except (DemoError, OSError):
        fault.heal(demo, notes)
        shutil.rmtree(notes)
        raise
    return f"{name}: {said}; expect a finding {fault.check}"


def _plantable(demo: Demo, name: str) -> tuple[Fault, Path]:
    """Given the name of a fault, return it and the place of its notes.  Raise DemoError where it cannot be planted."""
    if name not in FAULTS:
        raise DemoError(f"there is no fault {name!r}; there are {', '.join(FAULTS)}")
    if notes_of(demo, name).exists():
        raise DemoError(f"{name} is planted already; 'manage.py heal --root {demo.root}' undoes it")
    stopped = [service for service in FAULTS[name].needs if processes.running_pid(demo, service) is None]
    if stopped:
        raise DemoError(f"{name} needs {', '.join(stopped)} to run; 'manage.py up --root {demo.root}' starts it")
    return FAULTS[name], notes_of(demo, name)


def heal(demo: Demo) -> list[str]:
    """Given a demo, undo every planted fault and return the names of those that were."""
    planted = [name for name in FAULTS if notes_of(demo, name).exists()]
    for name in planted:
        FAULTS[name].heal(demo, notes_of(demo, name))
        shutil.rmtree(notes_of(demo, name))
    return planted


def end_listeners(demo: Demo) -> None:
    """Given a demo that is to be removed, end the processes that its faults started."""
    for name in FAULTS:
        end_listener(notes_of(demo, name))


def notes_of(demo: Demo, name: str) -> Path:
    """Given a fault's name, return the folder of what it takes to undo it."""
    return demo.run_dir / "faults" / name
