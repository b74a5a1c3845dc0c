# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which module asks on which platform: who may look into folders, and what is to be noted of an archive's members.

Each is imported on its platform only: the core travels as source, and compiling what is not used would cost each run.
"""

from __future__ import annotations

from typing import Any

from ..host import Host
from .access import Access, FolderMode, collect_modes
from .model import Catalog
from .sources.files.attributes import Members, Noted


def collect_access(catalog: Catalog, host: Host) -> Access:
    """Given what a backup folder holds, return who may look into it and into each of its sets."""
    if not catalog.exists:
        return Access()
    sets = [FolderMode(str(found.folder), found.mode) for found in catalog.sets]
    folders = [FolderMode(str(catalog.dir), catalog.mode), *sets]
    found = collect_modes(folders) if host.platform == "linux" else _asking(host).collect_access(folders, host)
    return Access(*found)


def collect_attributes(members: Members, host: Host) -> Noted:
    """Given an archive's members, return what is to be noted of them, of many at a time where it was not read yet."""
    found: Noted = members.noted if members.read else _asking(host).collect_attributes(members.all, host)
    return found


def _asking(host: Host) -> Any:
    if host.platform == "darwin":
        from . import macos as asking
    else:
        from . import windows as asking  # type: ignore[no-redef]
    return asking
