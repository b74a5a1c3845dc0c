# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every Python that finds this file on its path says that it is on macOS.

The core chooses its platform by sys.platform, so this is where it is changed; everything else stays Linux, but for the
calls of fcntl(2) that only macOS has. Modules of the standard library that look for parts that only macOS has when they
are imported, are imported before.
"""

from __future__ import annotations

import fcntl
import os
import ssl  # noqa: F401  # pylint: disable=unused-import
import sys
import urllib.request  # noqa: F401  # pylint: disable=unused-import
from typing import Any

GET_PATH = 102  # sys/fcntl.h of macOS: F_GETPATH_NOFIRMLINK


def fcntl_of_macos(descriptor: Any, command: int, argument: Any = 0) -> Any:
    """Answer as fcntl(2) of macOS: the path of a descriptor in a buffer of the size given, filled up with zeros."""
    if command != GET_PATH:
        return fcntl_of_linux(descriptor, command, argument)
    return os.fsencode(os.readlink(f"/proc/self/fd/{descriptor}")).ljust(len(argument), b"\0")


fcntl_of_linux, fcntl.fcntl = fcntl.fcntl, fcntl_of_macos
sys.platform = "darwin"
