# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Paths of Windows as text: the form without a limit of 260 characters, the form for people, the form in an archive."""

from __future__ import annotations

import re

from ..names import is_device

EXTENDED, UNC, DEVICE = "\\\\?\\", "\\\\?\\UNC\\", "\\\\.\\"
_DRIVE = re.compile(r"([A-Za-z]):\\")
_DRIVE_RELATIVE = re.compile(r"[A-Za-z]:(?![\\/])")


def extended(path: str) -> str:
    """Given an absolute path, return it in the form that has no limit of 260 characters and takes each name literally.

    A path that begins with neither a drive nor a server is returned as it is.
    """
    if path.startswith((EXTENDED, DEVICE)):
        return path
    if path.startswith("\\\\"):
        return UNC + path[2:]
    return EXTENDED + path if _DRIVE.match(path) else path


def shown(path: str) -> str:
    """Given a path in either form, return it as people write it."""
    if path.startswith(UNC):
        return "\\\\" + path[len(UNC) :]
    return path[len(EXTENDED) :] if path.startswith(EXTENDED) else path


def member_name(path: str) -> str:
    """Given an absolute path, return it as an archive names it: slashes, the drive letter or ``UNC`` as a folder."""
    plain = shown(path)
    if plain.startswith("\\\\"):
        return "UNC/" + plain[2:].replace("\\", "/").rstrip("/")
    drive = _DRIVE.match(plain)
    rest = plain[drive.end() :] if drive else plain
    name = rest.replace("\\", "/").strip("/")
    return f"{drive.group(1).upper()}/{name}".rstrip("/") if drive else name


def matched(name: str) -> str:
    """Given a name, or a path below a declared one, return the form in which patterns are compared with it."""
    return name.replace("\\", "/").casefold()


def declared_refusal(path: str) -> str:
    """Given a path as an operator declares it, return why it names no file or folder of its own, or an empty text."""
    if path.startswith((DEVICE, EXTENDED, "//./", "//?/")):
        return "it is written in the form for devices"
    if _DRIVE_RELATIVE.match(path):
        return "it depends on what folder a drive happens to be in"
    if any(is_device(part) for part in re.split(r"[\\/]", path) if part):
        return "it names a device"
    return "it has a colon in the middle" if ":" in path[2:] else ""
