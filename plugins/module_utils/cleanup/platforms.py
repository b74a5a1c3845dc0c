# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What differs between the platforms, chosen once: protected places, the disk, and how files in use are told."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ..host import Host
from .disk import Disk
from .model import InUse
from .places import Places


class Platform(NamedTuple):
    """A platform. ``in_use`` says which files processes have open."""

    places: Places
    disk: Disk
    in_use: Callable[[Host], InUse]


# Imported on its platform only: the core travels as source, and compiling what is not used would cost each run.
def _linux() -> Platform:
    from .linux import LINUX, LINUX_DISK, in_use_linux

    return Platform(LINUX, LINUX_DISK, in_use_linux)


def _macos() -> Platform:
    from .macos import MAC_DISK, MACOS, in_use_macos

    return Platform(MACOS, MAC_DISK, in_use_macos)


def _windows() -> Platform:
    from .windows import NTFS, WINDOWS, in_use_windows

    return Platform(WINDOWS, NTFS, in_use_windows)


PLATFORMS: dict[str, Callable[[], Platform]] = {"linux": _linux, "darwin": _macos, "windows": _windows}
