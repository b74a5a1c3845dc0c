# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Copies wherever rclone gets to. It is driven: protocols, retries and secrets are its own, in its configuration.

Most of such stores have no folders, and a rename there is a copy of each file: so what makes a set of them, its
manifest, is written last.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Optional

from ...errors import ActionFailed, SourceMissing, ToolFailed
from ...host import Host
from ..declared import Settings
from ..errors import NoSpace
from ..stage import CHUNK, Stage
from .declared import Copy
from .place import MAX_SMALL, NO_FILE, Away, CopyPlace, Sent

NO_FOLDER, NO_OBJECT = 3, 4  # exit codes (https://rclone.org/docs/#exit-code)
_BOUNDS = ("--contimeout", "20s", "--timeout", "120s", "--low-level-retries", "3", "--retries", "1")
_FULL = ("no space left", "quota", "insufficient storage", "disk full", "storage full")


@contextmanager
def opened(copy: Copy, _settings: Settings, host: Host) -> Iterator[CopyPlace]:
    """Yield the remote. Raise ToolMissing where there is no rclone."""
    yield Remote(copy, host)


class Remote:
    """A remote and a path as a place."""

    renames = False

    def __init__(self, copy: Copy, host: Host) -> None:
        self._root, self._host = copy.path.rstrip("/"), host
        self._config = ("--config", copy.config_file) if copy.config_file else ()
        self._listed: Optional[dict[str, int]] = None
        self._read: dict[str, bytes] = {}

    def _changed(self, folder: str) -> None:
        """Forget what was said of the place, and what was read in a folder that is about to change."""
        self._listed = None
        self._read = {name: content for name, content in self._read.items() if not name.startswith(f"{folder}/")}

    def _argv(self, *words: str) -> list[str]:
        return ["rclone", words[0], *self._config, *_BOUNDS, "--", *words[1:]]

    def _path(self, name: str = "") -> str:
        if not name:
            return self._root
        return self._root + name if self._root.endswith(":") else f"{self._root}/{name}"

    def _run(self, *words: str, stdin: Optional[str] = None, options: tuple[str, ...] = ()) -> str:
        argv = self._argv(*words)
        argv[2:2] = options
        done = self._host.run(argv, timeout=self._host.remaining(), stdin=stdin, expect=None)
        if done.rc == 0:
            return done.stdout
        if done.rc in (NO_FOLDER, NO_OBJECT):
            raise SourceMissing(words[1])
        if any(word in done.stderr.lower() for word in _FULL):
            raise NoSpace(f"there was no room in {self._root}")
        raise ToolFailed(("rclone", words[0]), done.rc, done.stderr.strip())

    def _listing(self) -> dict[str, int]:
        """Return all files with their sizes, asked for once until something is changed."""
        if self._listed is None:
            try:
                text = self._run("lsjson", self._path(), options=("--recursive", "--files-only", "--no-modtime"))
            except SourceMissing:
                text = "[]"
            except ToolFailed as error:
                raise Away(f"{self._root} cannot be looked into: {error}") from error
            self._listed = {entry["Path"]: _size(entry) for entry in json.loads(text)}
        return self._listed

    def names(self) -> list[str]:
        return sorted({path.partition("/")[0] for path in self._listing()})

    def files(self, folder: str) -> Mapping[str, int]:
        start = f"{folder}/"
        return {path[len(start) :]: size for path, size in self._listing().items() if path.startswith(start)}

    def read(self, name: str) -> bytes:
        if name not in self._listing():  # some stores send nothing for what is not there
            raise SourceMissing(self._path(name))
        if name not in self._read:
            self._read[name] = b"".join(self.chunks(name))[:MAX_SMALL]
        return self._read[name]

    def chunks(self, name: str) -> Iterator[bytes]:
        stage = Stage(self._argv("cat", self._path(name)), self._host, name="rclone cat")
        try:
            while chunk := stage.give.read(CHUNK):
                yield chunk
            stage.finish()
        except ToolFailed as error:
            if name not in self._listing():
                raise SourceMissing(self._path(name)) from error
            raise
        finally:
            stage.abandon()

    def make(self, folder: str) -> None:
        if folder in self.names():
            raise ActionFailed(f"{self._path(folder)} is there already; it is not overwritten")

    def put(self, name: str, source: Sent) -> None:
        self._changed(name.partition("/")[0])
        if source.path is None:
            self._run("rcat", self._path(name), stdin=source.content.decode("ascii"))
            return
        limit = (f"--bwlimit={source.rate / 1024:.0f}k",) if source.rate else ()
        self._run("copyto", str(source.path), self._path(name), options=limit)

    def rename(self, old: str, new: str) -> None:
        self._listed = None
        if new in self.names():
            raise ActionFailed(f"{self._path(new)} is there already; it is not overwritten")
        self._changed(old)
        self._run("moveto", self._path(old), self._path(new))

    def remove_file(self, name: str) -> None:
        if name in self._listing():
            self._changed(name.partition("/")[0])
            self._run("deletefile", self._path(name))

    def remove(self, folder: str) -> None:
        self._changed(folder)
        self._run("purge", self._path(folder))

    def free(self) -> Optional[int]:
        try:
            answer = json.loads(self._run("about", self._path(), options=("--json",)))
        except (ToolFailed, SourceMissing, ValueError):
            return None
        free = answer.get("free") if isinstance(answer, dict) else None
        return free if isinstance(free, int) else None

    def immutable(self, _folder: str) -> Optional[bool]:
        return None


def _size(entry: Mapping[str, Any]) -> int:
    size = entry.get("Size", NO_FILE)
    return size if isinstance(size, int) else NO_FILE
