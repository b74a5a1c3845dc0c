# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What differs between the platforms, chosen once: protected places, the disk, and how files in use are told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..host import Host
from .disk import Disk
from .linux.folders import LINUX_DISK
from .linux.in_use import in_use_linux
from .linux.places import LINUX
from .macos.folders import MAC_DISK
from .macos.in_use import in_use_macos
from .macos.places import MACOS
from .places import Places
from .records import InUse
from .windows.folders import NTFS
from .windows.in_use import in_use_windows
from .windows.places import WINDOWS


@dataclass(frozen=True)
class Platform:
    """A platform. ``in_use`` says which files processes have open."""

    places: Places
    disk: Disk
    in_use: Callable[[Host], InUse]


PLATFORMS = {
    "linux": Platform(LINUX, LINUX_DISK, in_use_linux),
    "darwin": Platform(MACOS, MAC_DISK, in_use_macos),
    "windows": Platform(WINDOWS, NTFS, in_use_windows),
}
