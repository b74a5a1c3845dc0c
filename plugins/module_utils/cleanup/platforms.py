# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What differs between the platforms, chosen once: protected places, the disk, and how files in use are told."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ..host import Host
from .disk import Disk
from .linux import LINUX, LINUX_DISK, in_use_linux
from .macos import MAC_DISK, MACOS, in_use_macos
from .model import InUse
from .places import Places
from .windows import NTFS, WINDOWS, in_use_windows


class Platform(NamedTuple):
    """A platform. ``in_use`` says which files processes have open."""

    places: Places
    disk: Disk
    in_use: Callable[[Host], InUse]


PLATFORMS = {
    "linux": Platform(LINUX, LINUX_DISK, in_use_linux),
    "darwin": Platform(MACOS, MAC_DISK, in_use_macos),
    "windows": Platform(WINDOWS, NTFS, in_use_windows),
}
