# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Extended attributes on Linux; POSIX access control lists are among them (system.posix_acl_access)."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping

from ....host import Host
from .members import Noted, Seen, extended_attributes

_NONE = (errno.ENOTSUP, errno.EOPNOTSUPP)  # the file system has no extended attributes, so nothing is missed


def gather(members: list[Seen], host: Host) -> Noted:
    """Given the members of an archive, return their extended attributes."""
    noted = Noted()
    extended_attributes(members, host, _read, noted)
    return noted


def _read(path: str) -> Mapping[str, bytes]:
    try:
        names = os.listxattr(path, follow_symlinks=False)
    except OSError as error:
        if error.errno in _NONE:
            return {}
        raise
    return {name: os.getxattr(path, name, follow_symlinks=False) for name in names}
