# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files in use on Windows: the system tells of one file at a time, when somebody asks to have it alone."""

from __future__ import annotations

from ...host import Host
from ..records import InUse
from . import system


def in_use_windows(host: Host) -> InUse:
    """Return that each file is asked for at its turn, or why it cannot be."""
    if not system.can_claim():
        return InUse(unseen="this Python has no _winapi, by which a file is asked for alone before it is deleted")
    return InUse(at_its_turn=True)
