# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run that removed sets has to say of those that were damaged: with them goes what told that something eats
backups.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..finding import DONE, WARNING, Action, Finding
from .catalog.records import FORGED, BackupSet, Catalog
from .checks import CHECKS
from .plan import PRUNE

REMEDY = (
    "Look what damaged it (dmesg, smartctl, who writes to the folder), and verify the others: ansible-playbook "
    "cryptobot.maintenance.verify_backup."
)


def judge_removed(before: Catalog, actions: Iterable[Action]) -> list[Finding]:
    """Given the folder as it was and what was done, return a finding for each damaged set that was removed."""
    gone = {done.subject for done in actions if done.action == PRUNE and done.state == DONE}
    return [_removed(found) for found in before.sets if found.id in gone and found.damaged]


def _removed(found: BackupSet) -> Finding:
    message = f"set {found.id} was removed by the retention, and it was damaged: {_damage(found)}"
    return CHECKS["backup.payload"].finding(WARNING, found.id, message, remedy=REMEDY)


def _damage(found: BackupSet) -> str:
    if found.lacks:
        return found.lacks[0].message
    return "its signature is another's" if found.signature == FORGED else "its last verification failed"
