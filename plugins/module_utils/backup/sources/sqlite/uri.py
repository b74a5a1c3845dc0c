# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The name of a database as SQLite's URI (https://www.sqlite.org/uri.html), so that it is never made by opening it."""

from __future__ import annotations

import re
from urllib.parse import quote

_DRIVE = re.compile(r"[A-Za-z]:[\\/]")


def sqlite_uri(path: str, **options: object) -> str:
    """Given an absolute path and options such as ``mode="ro"``, return the URI.

    A path with a drive has slashes and one before the drive there; any other is quoted as it is.
    """
    if _DRIVE.match(path):
        path = "/" + path.replace("\\", "/")
    words = "&".join(f"{name}={value}" for name, value in options.items())
    return f"file:{quote(path)}?{words}"
