# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The names of things in a backup folder, names that are more than names on one of the systems, and paths of Windows as
text: the form without a limit of 260 characters, the form for people, the form in an archive.

The rules of Windows are those of "Naming Files, Paths, and Namespaces" (Microsoft Learn).
"""

from __future__ import annotations

import re

MANIFEST, VERIFIED, OWNER, LATEST = "manifest.json", "verified.json", "owner.json", "latest"
SIGNATURE = "manifest.hmac"
NEW, DELETING = ".new", ".deleting"  # what a folder is called before it grows, and while it is removed
OWN = frozenset([MANIFEST, VERIFIED, OWNER, SIGNATURE])  # files of a set beside its payloads
# What the application's own backup.sh, backup.ps1 and update manager leave in a folder of backups.
_FOREIGN = re.compile(r".+\.(?:tar\.gz|tgz|zip)|backup_[0-9][0-9_-]*")
_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6}")


def is_set_id(name: str) -> bool:
    """Return whether a name is one that a set has."""
    return _ID.fullmatch(name) is not None


def is_foreign(name: str) -> bool:
    """Return whether a name is one that the application's own scripts give to what they archive."""
    return _FOREIGN.fullmatch(name) is not None


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
