# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the folder of the sets may be: not in the system's own folders, and not around what is to be backed up.

The folder gets the mode 0700, and what is in it and is no set is named as foreign.
"""

from __future__ import annotations

import ntpath
import posixpath
from collections.abc import Iterator, Mapping
from pathlib import PurePath, PurePosixPath, PureWindowsPath
from typing import Any

from ..errors import InputError

_OF_THE_SYSTEM = (  # the Filesystem Hierarchy Standard, and what macOS has beside it
    *("/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/proc", "/run", "/sbin", "/sys"),
    *("/usr/bin", "/usr/lib", "/usr/libexec", "/usr/sbin", "/usr/share", "/System", "/private/etc", r"C:\Windows"),
)
_WHOLE = (  # which others have their folders in
    *("/home", "/opt", "/root", "/srv", "/tmp", "/usr", "/usr/local", "/var", "/var/lib", "/var/log"),  # noqa: S108
    *("/Users", "/Library", "/Applications", "/private", "/private/var", "/private/tmp"),
    *(r"C:\Users", r"C:\ProgramData", r"C:\Program Files", r"C:\Program Files (x86)"),
)


def check_place(params: Mapping[str, Any], platform: str) -> None:
    """Given the options and the platform of the host, raise InputError where the folder is one of the system's, or a
    source is in it.
    """
    folder = _pure(params["dir"], platform)
    if any(_is_in(folder, _pure(each, platform)) for each in _OF_THE_SYSTEM) or str(folder) in _WHOLE:
        raise InputError("dir", params["dir"], "a folder of its own, not one of the system such as /etc or /var")
    for position, source in enumerate(params["sources"]):
        for option, path in _paths(source):
            if _is_in(_pure(path, platform), folder):
                raise InputError(f"sources[{position}].{option}", path, "a path outside of dir, which holds the sets")


def _paths(source: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if source["path"]:
        yield "path", source["path"]
    yield from (("paths", path) for path in source["paths"] or () if path)


def _pure(path: str, platform: str) -> PurePath:
    return PureWindowsPath(ntpath.normpath(path)) if platform == "windows" else PurePosixPath(posixpath.normpath(path))


def _is_in(path: PurePath, folder: PurePath) -> bool:
    return folder == path or folder in path.parents
