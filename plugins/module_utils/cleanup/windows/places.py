# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The places of Windows that no rule may touch, and the many ways in which one path can be written there. Pure.

Only one way is taken: a drive and long names. Whatever hides where a path ends is refused: shares and devices, short
names (8.3), names that Windows cuts off silently, streams. Sources: "Naming Files, Paths, and Namespaces" and "Maximum
Path Length Limitation" of Microsoft's documentation.
"""

from __future__ import annotations

import re

from ...errors import InputError
from ..places import Places

EXTENDED = "\\\\?\\"  # before a path: no limit of 260 characters, and nothing in it is rewritten
_FORBIDDEN = re.compile(r'[<>:"|?*\x00-\x1f]')
_DEVICE = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(?:\..*)?", re.IGNORECASE)
_SHORT = re.compile(r"[^.]{1,6}~[0-9]{1,5}(?:\.[^.]{0,3})?")
_ROOTED = re.compile(r"([A-Za-z]:|)\\(.*)", re.DOTALL)


def windows_absolute(name: str, path: str) -> str:
    r"""Given a path of the inventory in either kind of slashes, return it as ``C:\folder\folder``.

    Raise InputError where it has no drive, leads up again, or is written so that it hides where it ends.
    """
    clean = windows_guarded(name, path)
    if clean.startswith("\\"):
        raise InputError(name, path, r"an absolute path with its drive, such as C:\CryptoBot\logs")
    return clean


def windows_guarded(name: str, path: str) -> str:
    r"""Given a path that is to be protected, return it as ``C:\folder``, or without a drive where it names none.

    Raise InputError as windows_absolute does.
    """
    plain = path.replace("/", "\\")
    if plain.startswith(EXTENDED) and plain[5:6] == ":":
        plain = plain[len(EXTENDED) :]
    found = _ROOTED.fullmatch(plain)
    if found is None or plain.startswith("\\\\"):
        expected = r"an absolute path without '..' on a drive of this host, such as C:\CryptoBot\logs"
        raise InputError(name, path, expected)
    parts = [part for part in found.group(2).split("\\") if part not in ("", ".")]
    for part in parts:
        _check_part(name, path, part)
    return f"{found.group(1).upper()}\\" + "\\".join(parts)


def _check_part(name: str, path: str, part: str) -> None:
    if part == ".." or _FORBIDDEN.search(part):
        raise InputError(name, path, "an absolute path without '..', wildcards or streams")
    if part.endswith((".", " ")) or _DEVICE.fullmatch(part):
        raise InputError(name, path, f"a path that Windows takes as it is written; it does not so with {part!r}")
    if _SHORT.fullmatch(part):
        raise InputError(name, path, f"the long name instead of the short one (8.3), {part!r}")


def windows_key(path: str) -> str:
    """Return a path as Windows compares it: cases and kinds of slashes do not count."""
    return path.replace("\\", "/").lower()


def extended(path: str) -> str:
    """Given an absolute path, return it in the form that may be longer than 260 characters."""
    return path if path.startswith(EXTENDED) else EXTENDED + path


WINDOWS = Places(
    sealed=(
        *(r"\Windows", r"\Program Files", r"\Program Files (x86)", r"\Program Files (Arm)", r"\ProgramData\Microsoft"),
        *(r"\ProgramData\Package Cache", r"\ProgramData\Packages", r"\ProgramData\ssh", r"\$Recycle.Bin", r"\Boot"),
        *(r"\System Volume Information", r"\Recovery", r"\EFI", r"\$WinREAgent", r"\$SysReset", r"\Config.Msi"),
        *(r"\Documents and Settings", r"\MSOCache", r"\Users\Default", r"\Users\All Users"),
    ),
    roots=("\\", r"\Users", r"\ProgramData"),
    homes=(r"\Users",),
    absolute=windows_absolute,
    guarded=windows_guarded,
    key=windows_key,
    variables=("SystemRoot", "ProgramFiles", "ProgramFiles(x86)", "ProgramW6432"),
    home_roots=("appdata", "appdata/local", "appdata/locallow", "appdata/roaming", "appdata/local/microsoft"),
)
