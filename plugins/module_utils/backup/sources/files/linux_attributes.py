# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Extended attributes on Linux; POSIX access control lists are among them (system.posix_acl_access)."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from typing import Union

from .content import Found

_NONE = (errno.ENOTSUP, errno.EOPNOTSUPP)  # the file system has no extended attributes, so nothing is missed


def read(found: Found, descriptor: int) -> Mapping[str, bytes]:
    """Given what was found and its descriptor, or -1, return its extended attributes. Raise OSError.

    A symlink has no descriptor; it is looked up in the open folder that it is in, and no path from elsewhere is.
    """
    what: Union[int, str] = descriptor
    if descriptor < 0:
        what = f"/proc/self/fd/{found.holder.descriptor}/{found.name}"
    follow = descriptor >= 0
    try:
        names = os.listxattr(what, follow_symlinks=follow)
    except OSError as error:
        if error.errno in _NONE:
            return {}
        raise
    return {name: os.getxattr(what, name, follow_symlinks=follow) for name in names}
