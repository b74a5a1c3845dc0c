# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who may look into the backup folder and its sets, gathered as each platform tells it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...host import Host
from ..catalog.records import Catalog
from .modes import gather as gather_modes
from .records import Access, Folder

Gather = Callable[[Sequence[Folder], Host], Access]


# Imported on its platform only: the core travels as source, and compiling what is not used would cost each run.
def _gather_macos(folders: Sequence[Folder], host: Host) -> Access:
    from ..macos.access import gather

    return gather(folders, host)


def _gather_windows(folders: Sequence[Folder], host: Host) -> Access:
    from ..windows.access import gather

    return gather(folders, host)


GATHERERS: dict[str, Gather] = {"linux": gather_modes, "darwin": _gather_macos, "windows": _gather_windows}


def gather_access(catalog: Catalog, host: Host) -> Access:
    """Given what a backup folder holds, return who may look into it and into each of its sets."""
    if not catalog.exists:
        return Access()
    sets = [Folder(str(found.folder), found.mode) for found in catalog.sets]
    return GATHERERS[host.platform]([Folder(str(catalog.dir), catalog.mode), *sets], host)
