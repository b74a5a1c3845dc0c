# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Copies on a server, by SFTP through the system's ssh: in batch mode, with a key, to a host whose key is known."""

# pylint does not see that our errors are exceptions.
# pylint: disable=bad-exception-cause
from __future__ import annotations

import stat
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Optional

from ...errors import ActionFailed, SourceDenied, SourceMissing
from ...host import Host
from ..declared import Settings
from ..errors import NoSpace
from ..stage import Stage
from .declared import Copy
from .place import MAX_SMALL, NO_FILE, CopyPlace, Sent
from .wire import ATTRS, LSTAT, MKDIR, REMOVE, RMDIR, STATUS, Entry, SftpRefused, Wire

_FOLDER_MODE = struct.pack(">II", 4, 0o700)
_PATIENCE = {"ConnectTimeout": "20", "ServerAliveInterval": "15", "ServerAliveCountMax": "4"}
_NO_QUESTIONS = {"BatchMode": "yes", "StrictHostKeyChecking": "yes", "ClearAllForwardings": "yes"}


def command(copy: Copy) -> list[str]:
    """Given a place, return the command that connects with its server's SFTP."""
    given = {**_NO_QUESTIONS, **_PATIENCE, "Port": str(copy.port)}
    if copy.key_file:
        given.update({"IdentityFile": _quoted(copy.key_file), "IdentitiesOnly": "yes"})
    if copy.known_hosts_file:
        given["UserKnownHostsFile"] = _quoted(copy.known_hosts_file)
    if copy.user:
        given["User"] = copy.user
    options = [word for name, value in given.items() for word in ("-o", f"{name}={value}")]
    return ["ssh", *options, "-s", "--", copy.host, "sftp"]


def _quoted(path: str) -> str:
    """Return a path as ssh_config takes it for one word."""
    return '"' + path.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%") + '"'


@contextmanager
def opened(copy: Copy, _settings: Settings, host: Host) -> Iterator[CopyPlace]:
    """Yield the folder on the server. Raise Away where it cannot be reached."""
    stage = Stage(command(copy), host, fed=True, name="ssh")
    try:
        wire = Wire(stage, f"{copy.host} port {copy.port}")
        try:
            yield SftpFolder(copy.path.rstrip("/"), wire)
        finally:
            wire.close()
    finally:
        stage.abandon()


class SftpFolder:
    """A folder on a server as a place."""

    renames = True

    def __init__(self, root: str, wire: Wire) -> None:
        self._root, self._wire = root, wire

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _is_there(self, path: str) -> bool:
        try:
            self._wire.ask(LSTAT, ATTRS, path)
        except SourceMissing:
            return False
        return True

    def names(self) -> list[str]:
        try:
            return sorted(entry.name for entry in self._wire.entries(self._root))
        except SourceMissing:
            return []

    def files(self, folder: str) -> Mapping[str, int]:
        return dict(self._below(self._path(folder), ""))

    def _below(self, path: str, prefix: str) -> Iterator[tuple[str, int]]:
        for entry in sorted(self._wire.entries(path)):
            if stat.S_ISDIR(entry.mode) and "/" not in entry.name:
                yield from self._below(f"{path}/{entry.name}", f"{prefix}{entry.name}/")
            else:
                yield prefix + entry.name, entry.size if stat.S_ISREG(entry.mode) else NO_FILE

    def read(self, name: str) -> bytes:
        found = bytearray()
        for chunk in self._wire.read(self._path(name)):
            found += chunk
            if len(found) > MAX_SMALL:
                raise ActionFailed(f"{name} is too large to be what it is called")
        return bytes(found)

    def chunks(self, name: str) -> Iterator[bytes]:
        return self._wire.read(self._path(name))

    def make(self, folder: str) -> None:
        parts = [part for part in self._root.split("/") if part]
        start = "/" if self._root.startswith("/") else ""
        for count in range(1, len(parts) + 1):
            above = start + "/".join(parts[:count])
            if not self._is_there(above):
                self._make(above)
        self._make(self._path(folder))

    def _make(self, path: str) -> None:
        with self._naming_full_disk():
            self._wire.ask(MKDIR, STATUS, path, _FOLDER_MODE)

    def put(self, name: str, source: Sent) -> None:
        with self._naming_full_disk(source.size):
            parent = self._path(name).rpartition("/")[0]
            if not self._is_there(parent):
                self._make(parent)
            self._wire.write(self._path(name), source.chunks())

    @contextmanager
    def _naming_full_disk(self, size: int = 0) -> Iterator[None]:
        """The protocol has no word for a full disk: the server says failure, and how much is free."""
        try:
            yield
        except SftpRefused as error:
            free = self.free()
            if free is not None and free <= size:
                raise NoSpace(f"the disk of {self._root} on the server was full") from error
            raise

    def rename(self, old: str, new: str) -> None:
        if self._is_there(self._path(new)):
            raise ActionFailed(f"{self._path(new)} is there already; it is not overwritten")
        self._wire.rename(self._path(old), self._path(new))

    def remove_file(self, name: str) -> None:
        with suppress(SourceMissing):
            self._wire.ask(REMOVE, STATUS, self._path(name))

    def remove(self, folder: str) -> None:
        self._remove(self._path(folder))

    def _remove(self, path: str) -> None:
        for entry in self._wire.entries(path):
            inner = f"{path}/{_plain(entry)}"
            if stat.S_ISDIR(entry.mode):
                self._remove(inner)
            else:
                self._wire.ask(REMOVE, STATUS, inner)
        self._wire.ask(RMDIR, STATUS, path)

    def free(self) -> Optional[int]:
        path = self._root
        while path.strip("/") and not self._is_there(path):
            path = path.rpartition("/")[0] or ("/" if path.startswith("/") else ".")
            if path == ".":
                break
        return self._wire.free(path or "/")

    def immutable(self, _folder: str) -> Optional[bool]:
        return None


def _plain(entry: Entry) -> str:
    """Return the name of an entry. Raise SourceDenied where it would lead out of its folder."""
    if "/" in entry.name or entry.name in ("", ".", ".."):
        raise SourceDenied(entry.name, "the server names a file so that it would lie elsewhere")
    return entry.name
