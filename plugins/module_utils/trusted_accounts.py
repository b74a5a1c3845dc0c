# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The accounts and groups that an operator declares as trusted to own a folder, or to write to it (POSIX)."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable

from .errors import InputError
from .trusted import Others

if sys.platform != "win32":
    import grp
    import pwd

GROUP = "group:"
_ENTRY = re.compile(rf"(?:{GROUP})?[^\s:/]+")


def check_trusted(option: str, names: Iterable[str]) -> tuple[str, ...]:
    """Return what is declared as trusted. Raise InputError where it cannot be a name."""
    for name in names:
        if not _ENTRY.fullmatch(name):
            raise InputError(option, name, f"the name or uid of an account, or {GROUP} and the name or gid of a group")
    return tuple(names)


def others_of(option: str, names: Iterable[str]) -> Others:
    """Return who is meant by names that have passed the check. Raise InputError where this host does not know one."""
    if sys.platform == "win32":
        return Others()
    accounts = (name for name in names if not name.startswith(GROUP))
    groups = (name for name in names if name.startswith(GROUP))
    return Others(
        frozenset(_id(option, name, name, lambda each: pwd.getpwnam(each).pw_uid) for name in accounts),
        frozenset(_id(option, name, name[len(GROUP) :], lambda each: grp.getgrnam(each).gr_gid) for name in groups),
    )


def _id(option: str, declared: str, name: str, look_up: Callable[[str], int]) -> int:
    try:
        return int(name) if name.isascii() and name.isdigit() else look_up(name)
    except KeyError:
        raise InputError(option, declared, "an account or group that this host knows, or its number") from None
