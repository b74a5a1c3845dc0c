# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults that a demo cannot have for real and therefore declares, in ``faults.json``, which its inventory reads.

A demo must not fill the disk that it lives on, and the time in a backup's manifest is protected by its checksum;
so these faults move the threshold instead of the value.
Every function takes the demo and the fault's *notes*, a folder in which planting leaves what healing needs.
"""

from __future__ import annotations

import json
from pathlib import Path

from ..root import Demo

DISK = {"disk_free_warning": 100, "disk_free_critical": 100}
BACKUP_AGE = {"backup_max_age_hours": 0.0001}


def fill_disk(demo: Demo, notes: Path) -> str:
    """Call a disk full from 0 % on."""
    return declare(demo, DISK)


def empty_disk(demo: Demo, notes: Path) -> None:
    """Take the disk's thresholds back."""
    retract(demo, DISK)


def age_backup(demo: Demo, notes: Path) -> str:
    """Call a backup too old from its first moment on."""
    return declare(demo, BACKUP_AGE)


def renew_backup(demo: Demo, notes: Path) -> None:
    """Take the greatest age back."""
    retract(demo, BACKUP_AGE)


def declare(demo: Demo, values: dict[str, int]) -> str:
    """Given thresholds, add them to ``faults.json`` and return what was done."""
    _write(demo, {**_read(demo), **values})
    return f"set {json.dumps(values)} in {demo.declared_faults}, from where the inventory takes its thresholds"


def retract(demo: Demo, values: dict[str, int]) -> None:
    """Given thresholds, remove them from ``faults.json``, and the file with the last of them."""
    left = {name: value for name, value in _read(demo).items() if name not in values}
    if left:
        _write(demo, left)
    else:
        demo.declared_faults.unlink(missing_ok=True)


def _read(demo: Demo) -> dict[str, int]:
    if not demo.declared_faults.exists():
        return {}
    return dict(json.loads(demo.declared_faults.read_text(encoding="utf-8")))


def _write(demo: Demo, values: dict[str, int]) -> None:
    demo.declared_faults.write_text(json.dumps(values) + "\n", encoding="utf-8")
