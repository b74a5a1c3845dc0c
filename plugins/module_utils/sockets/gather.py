# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who reads the listening sockets of a platform."""

from __future__ import annotations

from collections.abc import Callable

from ..host import Host
from .linux.table import gather_linux
from .parse import SocketTable


# Imported on its platform only: the core travels as source, and compiling what is not used would cost each run.
def _gather_macos(host: Host) -> SocketTable:
    from .macos.gather import gather_macos

    return gather_macos(host)


def _gather_windows(host: Host) -> SocketTable:
    from .windows.gather import gather_windows

    return gather_windows(host)


GATHERERS: dict[str, Callable[[Host], SocketTable]] = {
    "linux": gather_linux,
    "darwin": _gather_macos,
    "windows": _gather_windows,
}
