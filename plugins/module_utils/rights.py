# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Having the rights of another account for a block, where we are root (POSIX): its effective user, group and groups.

What it protects against: for the block the kernel judges each open, making, renaming and connecting as if that account
had asked, so a link or a name that it put in our way leads us nowhere where it could not go itself. It can neither
signal nor trace us meanwhile, because our real and saved uid stay root's (credentials(7), kill(2), ptrace(2)).

What it does not protect against:

- Threads: the C library changes those of the whole process (nptl(7)), so no other thread may be at work meanwhile.
- Code that is not ours: the saved uid is how we come back, and whoever runs in this process comes back by it too. So
  does a program started within, which has our real uid. It is no sandbox: nothing of the account is run in the block.
- What is open already: a descriptor keeps the rights that it was opened with.
- What is the account's own: it may still be led from one file of its own to another, or find a pipe and wait.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from .errors import CoreError


class NotSwitched(CoreError):
    """The rights of an account could not be taken, and nothing was done; or those before it did not come back."""


class Rights(NamedTuple):
    """What the kernel judges a process by: the ids of its account, its group, and its other groups."""

    uid: int
    gid: int
    groups: tuple[int, ...]


@contextmanager
def acting_with(rights: Rights) -> Iterator[None]:
    """Have the rights of an account for a block; ours come back whatever happens in it.

    Raise NotSwitched: before the block where they cannot be taken, after it where ours do not come back.
    """
    ours = Rights(os.geteuid(), os.getegid(), tuple(os.getgroups()))
    with _telling(rights):
        _assume(ours)  # who may not even do this could not come back
    try:
        with _telling(rights):
            _assume(rights)
        yield
    finally:
        _come_back(ours)


@contextmanager
def _telling(rights: Rights) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise NotSwitched(
            f"the rights of uid {rights.uid}, gid {rights.gid} cannot be taken: {error.strerror}; expected a run as "
            "root that may change its ids (CAP_SETUID, CAP_SETGID), and ids that its user namespace knows"
        ) from error


def _come_back(ours: Rights) -> None:
    """Take our own rights again: the uid first, because only with it the groups may be changed."""
    try:
        os.seteuid(ours.uid)
        _assume(ours)
    except OSError as error:
        raise NotSwitched(f"the rights of uid {ours.uid} did not come back: {error.strerror}") from error


def _assume(rights: Rights) -> None:
    """Take rights: the uid last, because without root's the groups may not be changed. Raise OSError.

    Groups above what the system takes are left out: root of macOS is in more than its 16, and needs none of them.
    """
    os.setgroups(rights.groups[: os.sysconf("SC_NGROUPS_MAX")])
    os.setegid(rights.gid)
    os.seteuid(rights.uid)
