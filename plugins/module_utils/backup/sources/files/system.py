# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the file systems of the three platforms differ in, chosen once."""

from __future__ import annotations

import os
import stat
import unicodedata
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import NamedTuple

from ....folders import Place, resolved
from ....printable import printable
from ... import names, windows_files
from .content import FILE, FOLDER, LINK, SPECIAL


def _as_it_is(text: str) -> str:
    return text


def _posix_member_name(path: str) -> str:
    return path.lstrip("/")


def _posix_kind(entry: os.DirEntry[str]) -> str:
    if entry.is_file(follow_symlinks=False):
        return FILE
    if entry.is_dir(follow_symlinks=False):
        return FOLDER
    return LINK if entry.is_symlink() else SPECIAL


def _posix_link_kind(status: os.stat_result) -> str:
    return LINK if stat.S_ISLNK(status.st_mode) else ""


def _shown_on_windows(path: str) -> str:
    return printable(names.shown(path))


def _posix_reason(error: OSError) -> str:
    return error.strerror or str(error)


def _composed(name: str) -> str:
    """Return a name in the Unicode form that patterns are typed in; macOS may keep it in another."""
    return unicodedata.normalize("NFC", name)


class System(NamedTuple):
    """One platform's file system. ``native`` is the form of a path that it is asked with, ``shown`` that for people.

    ``link_text`` is the form of what a link says in which it is kept. ``resolved`` opens where a declared path leads.
    ``matched`` is the form in which names and patterns are compared; ``link_kind`` says by its status what
    kind of link a name itself is, or nothing; ``folds_case`` that two names that differ in upper and lower case only
    are usually one file there.
    """

    native: Callable[[str], str] = _as_it_is
    shown: Callable[[str], str] = printable
    link_text: Callable[[str], str] = _as_it_is
    member_name: Callable[[str], str] = _posix_member_name
    matched: Callable[[str], str] = _as_it_is
    entry_kind: Callable[[os.DirEntry[str]], str] = _posix_kind
    link_kind: Callable[[os.stat_result], str] = _posix_link_kind
    resolved: Callable[[str], AbstractContextManager[Place]] = resolved
    reason: Callable[[OSError], str] = _posix_reason
    folds_case: bool = False


POSIX = System()
SYSTEMS = {
    "linux": POSIX,
    "darwin": POSIX._replace(matched=_composed, folds_case=True),
    "windows": System(
        native=names.extended,
        shown=_shown_on_windows,
        link_text=names.shown,
        member_name=names.member_name,
        matched=names.matched,
        entry_kind=windows_files.entry_kind,
        link_kind=windows_files.link_kind,
        resolved=windows_files.resolved,
        reason=windows_files.reason,
        folds_case=True,
    ),
}
