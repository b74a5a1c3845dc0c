# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writing below one empty folder of ours, and nowhere else, whatever the names say.

Each name is made in the open folder that it is to lie in (openat, mkdirat, linkat), with O_EXCL and O_NOFOLLOW, so no
path is ever handed to the system as a whole. Folders are only those that were made here. Symlinks come last, when
nothing is written any more that one of them could lead elsewhere; so do the rights and times of folders. Who has the
right to look into the folder meanwhile is its owner alone: it is 0700 until all of it is done.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, Optional, Union

from ....errors import ActionFailed
from ....folders import FOLDER_FLAGS, Folder, NotEntered, opened
from ...errors import CannotRestore, MemberRefused
from ...model import Notes

MOST_OPEN = 64  # folders above each other that stay open
NAME, PATH, LINK, DEPTH = 255, 32 << 10, 4095, 2000  # bytes of a name, of a path, of what a link says; and names
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_PRIVILEGED = 0o6000  # setuid and setgid
TWICE = "it is in the archive twice"


class Attributes(NamedTuple):
    """What a member is given when its content is there. ``xattrs`` are extended attributes by name, ACLs among them."""

    mode: int
    uid: int
    gid: int
    mtime_ns: int
    xattrs: Mapping[str, bytes]


def length_refusal(name: str) -> str:
    """Given a member's name, return why no file system of ours would take it, or an empty text."""
    try:
        raw = os.fsencode(name)
    except UnicodeEncodeError:
        return "it is of characters that are no file's name here"
    parts = raw.split(b"/")
    if len(raw) > PATH or len(parts) > DEPTH:
        return f"it is {len(raw)} bytes long and {len(parts)} names deep, {PATH} and {DEPTH} are the most"
    longest = max(map(len, parts))
    return f"a name in it has {longest} bytes, {NAME} are the most" if longest > NAME else ""


class Destination:
    """The folder that is written into. ``notes`` have what could not be kept."""

    def __init__(self, root: Folder, notes: Notes) -> None:
        self.notes, self.privileged = notes, os.geteuid() == 0
        self._root = root
        self._names: list[str] = []  # of the folder that was written into last
        self._chain: list[Optional[Folder]] = []  # the same, open, but for those far above

    def holder(self, name: str) -> tuple[int, str]:
        """Given a member's name, return the open folder that it is to lie in, made where it is missing, and its last
        name. Raise MemberRefused where something on the way is no folder that was made here.
        """
        *above, last = name.split("/")
        shared = 0
        while shared < min(len(above), len(self._names)) and above[shared] == self._names[shared]:
            shared += 1
        self._leave(shared)
        for part in above[shared:]:
            self._enter(part, name)
        return self._now.descriptor, last

    @property
    def _now(self) -> Folder:
        if not self._chain:
            return self._root
        last = self._chain[-1]
        if last is None:
            last = self._chain[-1] = self._again()
        return last

    def _again(self) -> Folder:
        """Return the folder that was written into last, opened from the top on."""
        folder = self._root.enter(self._names[0])
        for part in self._names[1:]:
            inner = folder.enter(part)
            folder.close()
            folder = inner
        return folder

    def _enter(self, part: str, name: str) -> None:
        holder = self._now
        with suppress(FileExistsError):
            os.mkdir(part, 0o700, dir_fd=holder.descriptor)
        try:
            self._chain.append(holder.enter(part))
        except NotEntered as error:
            raise MemberRefused(name, f"it would lie below {part!r}, which is no folder in the archive") from error
        self._names.append(part)
        if len(self._chain) > MOST_OPEN:
            self._let_go(-MOST_OPEN - 1)

    def _let_go(self, position: int) -> None:
        folder = self._chain[position]
        if folder is not None:
            folder.close()
        self._chain[position] = None

    def _leave(self, kept: int) -> None:
        while len(self._chain) > kept:
            self._let_go(-1)
            self._chain.pop()
            self._names.pop()

    def close(self) -> None:
        """Let all folders go."""
        self._leave(0)

    def make_folder(self, name: str) -> None:
        """Make a folder, for its owner only, unless it is there because something lies in it."""
        descriptor, last = self.holder(name)
        try:
            os.mkdir(last, 0o700, dir_fd=descriptor)
        except FileExistsError:
            if not stat.S_ISDIR(os.stat(last, dir_fd=descriptor, follow_symlinks=False).st_mode):
                raise MemberRefused(name, f"{TWICE}, once as a folder") from None

    def make_file(self, name: str, *, again: bool = False) -> int:
        """Return the descriptor of a new, empty file; ``again`` replaces the one that was made just before."""
        descriptor, last = self.holder(name)
        if again:
            os.unlink(last, dir_fd=descriptor)
        with _not_twice(name):
            return os.open(last, _NEW, 0o600, dir_fd=descriptor)

    def make_hardlink(self, name: str, first: str) -> None:
        """Make another name of a file that was made here. Raise MemberRefused where ``first`` is none."""
        descriptor, known = self.holder(first)
        there = os.dup(descriptor)
        try:
            if not _is_file(known, there):
                raise MemberRefused(name, f"it is another name of {first!r}, which is no file in the archive")
            descriptor, last = self.holder(name)
            with _not_twice(name):
                os.link(known, last, src_dir_fd=there, dst_dir_fd=descriptor, follow_symlinks=False)
        finally:
            os.close(there)

    def make_link(self, name: str, text: str, attributes: Attributes) -> None:
        """Make a symlink that says a text, whatever that leads to."""
        descriptor, last = self.holder(name)
        with _not_twice(name):
            os.symlink(text, last, dir_fd=descriptor)
        if self.privileged:
            os.chown(last, attributes.uid, attributes.gid, dir_fd=descriptor, follow_symlinks=False)
        self._set_xattrs(f"/proc/self/fd/{descriptor}/{last}", name, attributes.xattrs, follow=False)
        times = (attributes.mtime_ns, attributes.mtime_ns)
        os.utime(last, ns=times, dir_fd=descriptor, follow_symlinks=False)

    def finish_folder(self, name: str, attributes: Attributes) -> None:
        """Give a folder that was made here its owner, rights and time."""
        descriptor, last = self.holder(name)
        own = os.open(last, FOLDER_FLAGS, dir_fd=descriptor)
        try:
            self.finish(own, name, attributes)
        finally:
            os.close(own)

    def finish(self, descriptor: int, name: str, attributes: Attributes) -> None:
        """Give an open file or folder its owner, then its rights, which a change of owner cuts, and its time last."""
        mode = attributes.mode
        if self.privileged:
            os.fchown(descriptor, attributes.uid, attributes.gid)
        elif mode & _PRIVILEGED or (attributes.uid, attributes.gid) != (os.geteuid(), os.getegid()):
            self.notes.add("owner", name)
            mode &= ~_PRIVILEGED
        os.fchmod(descriptor, mode)
        self._set_xattrs(descriptor, name, attributes.xattrs)
        os.utime(descriptor, ns=(attributes.mtime_ns, attributes.mtime_ns))

    def _set_xattrs(
        self, where: Union[int, str], name: str, xattrs: Mapping[str, bytes], *, follow: bool = True
    ) -> None:
        for key, value in xattrs.items():
            try:
                os.setxattr(where, key, value, follow_symlinks=follow)
            except (OSError, AttributeError, ValueError):  # no such attributes here, or no right to set them
                self.notes.add("attribute", f"{name} {key}")


@contextmanager
def destination_in(into: Path, notes: Notes) -> Iterator[Destination]:
    """Given an empty folder of ours, yield it to write in. Raise ActionFailed where it is another's, or not empty,
    CannotRestore where the system has no descriptors of folders.
    """
    if os.open not in os.supports_dir_fd:
        raise CannotRestore("files are unpacked on Linux and macOS alone: on Windows by hand, docs/restore-by-hand.md")
    try:
        with opened(os.path.join(os.path.realpath(into.parent), into.name)) as root:
            if root.status.st_uid != os.geteuid() or stat.S_IMODE(root.status.st_mode) & 0o077:
                raise ActionFailed(f"{into} is not a folder of this account's alone (0700): nothing is unpacked there")
            if root.names():
                raise ActionFailed(f"{into} is not empty: nothing is unpacked there")
            destination = Destination(root, notes)
            try:
                yield destination
            finally:
                destination.close()
    except NotEntered as error:
        raise ActionFailed(f"nothing is unpacked into {into}: {error}") from error


@contextmanager
def _not_twice(name: str) -> Iterator[None]:
    try:
        yield
    except FileExistsError:
        raise MemberRefused(name, TWICE) from None


def _is_file(name: str, descriptor: int) -> bool:
    try:
        return stat.S_ISREG(os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_mode)
    except OSError:
        return False


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of some bytes."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
