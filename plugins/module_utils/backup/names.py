# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names of files that are more than names on one of the systems, and member names that no set of ours has.

The rules of Windows are those of "Naming Files, Paths, and Namespaces" (Microsoft Learn).
"""

from __future__ import annotations

import re

_DIGITS = "0123456789\u00b9\u00b2\u00b3"  # superscript digits count as digits here
DEVICES = frozenset(
    ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", *(f"{port}{n}" for port in ("COM", "LPT") for n in _DIGITS)]
)
_FORBIDDEN = re.compile(r'[\x00-\x1f<>:"|?*\\/]')


def is_device(name: str) -> bool:
    """Return whether Windows takes a file's name for a device, whatever its extension: ``nul``, ``Con.txt``."""
    return name.split(".", 1)[0].rstrip(" ").upper() in DEVICES


def is_windows_name(name: str) -> bool:
    """Return whether an ordinary program on Windows can make and open a file of this name."""
    return not (is_device(name) or name.endswith((".", " ")) or _FORBIDDEN.search(name))


def member_refusal(name: str, platform: str) -> str:
    """Given a member's name and the system that made its set, return why no set of ours holds it, or an empty text.

    Unpacked, such a name would lie elsewhere than below the folder that it is unpacked into.
    """
    parts = name.split("/")
    if name.startswith("/") or not name:
        return "it is absolute, or empty"
    if "\0" in name:
        return "it has a NUL in it"
    if any(part in ("", ".", "..") for part in parts):
        return "it leads out of its folder"
    if platform == "windows" and not all(map(is_windows_name, parts)):
        return "it has a drive, a device or another thing in it that is no file's name on Windows"
    return ""
