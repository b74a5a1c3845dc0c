# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What macOS tells of folders and files: who may look into them, and what an archive cannot hold of them.

The mode does not show access control lists, which ``ls -lde`` prints, many paths at a time. Nothing is changed, no
exclusion of Time Machine either (it is an extended attribute, and noted as one).

Extended attributes are asked of the system's own library: Python has them for Linux alone. The program ``xattr``
prints names and values of many files as one text, in which a name with a line break or a colon cannot be told from
another; the library gives exact bytes and starts no process. See listxattr(2) and getxattr(2) of macOS; a resource fork
is the attribute com.apple.ResourceFork.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from ..errors import CoreError, ParseError
from ..host import Host
from .access import Access, FolderMode, Opening, others
from .sources.files.attributes import Noted, Packed, extended_attributes

# The mode begins a file's line, which no entry of a list does; the time, then the path end it.
_FILE = re.compile(r"[-bcdlpsw][-rwxsStT]{9}[+@ ]?\s.*?\s[A-Z][a-z]{2} +\d{1,2} +(?:\d\d:\d\d|\d{4,}) (/.*)")
_GRANT = re.compile(r" (\d+): (.+)")
_ARROW = " -> "


def parse_lists(text: str, paths: Collection[str]) -> Mapping[str, tuple[str, ...]]:
    """Given what ``ls -lde`` prints in the C locale for paths, return the entries of each one's list.

    Each path has a line that ends with it, and below it one for each entry: `` 0: group:everyone deny delete``. Raise
    ParseError where a line belongs to none of them.
    """
    found: dict[str, list[str]] = {}
    current = ""
    for number, line in enumerate(text.splitlines(), start=1):
        grant, file = _GRANT.fullmatch(line), _FILE.fullmatch(line)
        if grant and current:
            found[current].append(grant.group(2).strip())
            continue
        current = _named(file.group(1), paths) if file else ""
        if not current:
            raise ParseError("ls -lde", number, line, "it is neither a file asked for nor an entry of its list")
        found[current] = []
    return {path: tuple(entries) for path, entries in found.items()}


def _named(text: str, paths: Collection[str]) -> str:
    """Return which of the paths a line names; that of a symlink says in the same breath where it leads to."""
    if text in paths:
        return text
    words = text.split(_ARROW)
    return next((path for n in range(1, len(words)) if (path := _ARROW.join(words[:n])) in paths), "")


def allowing(entries: Sequence[str]) -> tuple[str, ...]:
    """Given a list's entries, return who is allowed something by them: ``user:bob``, ``group:everyone``."""
    named = (entry.split(" allow ", 1)[0] for entry in entries if " allow " in entry)
    return tuple(dict.fromkeys(who.replace(" inherited", "") for who in named))


AT_A_TIME = 500
WORDS = 100_000  # bytes of one command line; macOS allows 1 MiB with the environment


def lists(paths: Sequence[str], host: Host) -> tuple[dict[str, tuple[str, ...]], str]:
    """Given paths, return the list of each, and why some are missing or an empty text."""
    found: dict[str, tuple[str, ...]] = {}
    why = ""
    for some in _portions([path for path in paths if path.isprintable()]):
        try:
            found.update(_ask(some, host))
        except CoreError as error:
            why = why or str(error)
    if not why and any(not path.isprintable() for path in paths):
        why = "ls cannot be asked for names that do not fit into a line"
    return found, why


def _ask(paths: Sequence[str], host: Host) -> Mapping[str, tuple[str, ...]]:
    # ls ends with 1 where one of the files is gone meanwhile, and lists the others
    return parse_lists(host.run(["ls", "-lde", *paths], expect=(0, 1)).stdout, frozenset(paths))


def _portions(paths: Sequence[str]) -> Iterator[list[str]]:
    portion: list[str] = []
    size = 0
    for path in paths:
        if portion and (len(portion) == AT_A_TIME or size + len(path.encode()) > WORDS):
            yield portion
            portion, size = [], 0
        portion.append(path)
        size += len(path.encode()) + 1
    if portion:
        yield portion


EXPECTED = "0700 and no access control list that allows anybody anything"
REMEDY = "chmod 700 {folder} && chmod -N {folder}"


def collect_access(folders: Sequence[FolderMode], host: Host) -> Access:
    """Given folders, return who may look into them beside their owner."""
    found, why = lists([folder.path for folder in folders], host)
    opened = tuple(_opening(folder, found.get(folder.path, ())) for folder in folders)
    missing = next((folder.path for folder in folders if folder.path not in found), "")
    unknown = f"the access control list of {missing} could not be read: {why}" if missing else ""
    return Access(opened, EXPECTED, REMEDY, unknown)


def _opening(folder: FolderMode, entries: Sequence[str]) -> Opening:
    actual = ", ".join([f"{folder.mode:04o}", *entries])
    return Opening(folder.path, (*others(folder.mode), *allowing(entries)), actual)


NO_FOLLOW = 0x0001  # XATTR_NOFOLLOW
TRIES = 3  # an attribute may grow between the question for its size and the one for its value
_NONE = (getattr(errno, "ENOTSUP", 45), getattr(errno, "EOPNOTSUPP", 102), 93)  # 93: ENOATTR, it is gone meanwhile


@lru_cache(maxsize=1)
def library() -> Any:
    """Return the system's library with the two functions declared."""
    found = ctypes.CDLL(None, use_errno=True)
    text, size, some = ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p
    found.listxattr.argtypes = (text, some, size, ctypes.c_int)
    found.getxattr.argtypes = (text, text, some, size, ctypes.c_uint32, ctypes.c_int)
    found.listxattr.restype = found.getxattr.restype = ctypes.c_ssize_t
    return found


def read(path: str) -> Mapping[str, bytes]:
    """Given a path, return its extended attributes; a symlink's own, not those of what it leads to.

    Raise OSError where they may not be read.
    """
    where, system = os.fsencode(path), library()
    names = _whole(lambda buffer, size: system.listxattr(where, buffer, size, NO_FOLLOW), path)
    return {os.fsdecode(name): _whole(_asking(system, where, name), path) for name in names.split(b"\0") if name}


def _asking(system: Any, where: bytes, name: bytes) -> Any:
    return lambda buffer, size: system.getxattr(where, name, buffer, size, 0, NO_FOLLOW)


def _whole(ask: Any, path: str) -> bytes:
    """Given a call that fills a buffer, return all that it gives: first it is asked how much that is."""
    for _unused in range(TRIES):
        size = ask(None, 0)
        if size <= 0:
            break
        buffer = ctypes.create_string_buffer(size)
        filled = ask(buffer, size)
        if filled >= 0:
            return buffer.raw[:filled]
        if ctypes.get_errno() != errno.ERANGE:
            size = filled
            break
    code = ctypes.get_errno()
    if size < 0 and code not in _NONE:
        raise OSError(code, os.strerror(code), path)
    return b""


MOST_LISTED = 20_000  # members that ls is asked for, folders and files in the order of the archive
FLAGS = {  # chflags(2) of macOS
    0x1: "nodump",
    0x2: "uchg",
    0x4: "uappnd",
    0x8: "opaque",
    0x20: "compressed",
    0x40: "tracked",
    0x80: "datavault",
    0x8000: "hidden",
    0x10000: "arch",
    0x20000: "schg",
    0x40000: "sappnd",
    0x80000: "restricted",
    0x100000: "sunlnk",
    0x40000000: "dataless",
}


def collect_attributes(members: list[Packed], host: Host) -> Noted:
    """Given the members of an archive, return their flags, extended attributes and access control lists."""
    noted = Noted(rows={one.name: {"flags": words(one.bits)} for one in members if words(one.bits)})
    extended_attributes(members, host, read, noted)
    _note_lists(members, host, noted)
    return noted


def words(bits: int) -> list[str]:
    """Given a file's flags as a number, return them by name."""
    return [name for bit, name in FLAGS.items() if bits & bit]


def _note_lists(members: list[Packed], host: Host, noted: Noted) -> None:
    asked = {one.path: one.name for one in members[:MOST_LISTED]}
    found, why = lists(list(asked), host)
    for path, entries in found.items():
        if entries:
            noted.rows.setdefault(asked[path], {})["acl"] = list(entries)
    if len(found) < len(members):
        noted.miss(len(members) - len(found), why or f"at most {MOST_LISTED} members are asked for their lists")
