# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What processes have open on Linux, by /proc."""

from __future__ import annotations

from ...host import Host
from ...resources.linux.open_files import OpenFiles, mapped_files
from ..records import InUse

SECONDS = 30.0


def in_use_linux(host: Host) -> InUse:
    """Return the files and folders that processes have open or mapped."""
    walk = OpenFiles(SECONDS)
    found = {(file.device, file.inode) for file in walk}
    return InUse(frozenset(found) | mapped_files(), walk.unseen)
