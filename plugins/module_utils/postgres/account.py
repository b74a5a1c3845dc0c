# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Acting as another account of this host for the moment of connecting.

Peer authentication believes the kernel: the server asks it who opened the socket (SO_PEERCRED). So root connects as
``postgres`` by changing its effective user for that moment (rights.py); no shell, no sudo, no second process.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Optional

from ..errors import CoreError
from ..rights import Rights, acting_with


@contextmanager
def acting_as(account: Optional[str]) -> Iterator[None]:
    """Have ``account`` as effective user, group and groups for a block; None, or one's own account, changes nothing.

    The whole process changes, so no other thread may open files meanwhile. Raise CoreError where it cannot be done.
    """
    entry = _known_account(account) if account else None
    if entry is None or entry.pw_uid == os.geteuid():
        yield
        return
    if os.geteuid() != 0:
        raise CoreError(f"system_user is {account!r} and this run is not root: expected become, or no system_user")
    groups = tuple(os.getgrouplist(entry.pw_name, entry.pw_gid))
    with acting_with(Rights(entry.pw_uid, entry.pw_gid, groups)):
        yield


def _known_account(account: str) -> Any:
    try:
        accounts = importlib.import_module("pwd")
    except ImportError:
        raise CoreError(
            f"system_user is {account!r}, and Windows knows no peer authentication: expected no system_user, but "
            "login_password or login_passfile (or a server that trusts login_user by SSPI)"
        ) from None
    try:
        return accounts.getpwnam(account)
    except KeyError:
        raise CoreError(f"system_user is {account!r}, expected an account of this host") from None
