# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading the parts of a host: files by pattern, commands, links, and what the names of folders tell."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from ....errors import CoreError, SourceDenied, SourceMissing, ToolMissing
from ....finding import EMPTY
from ....host import MAX_READ, Host
from .parts import PARTS, Command, HostPart, Parts, SystemPiece, Trouble, Wanted

_WILD = re.compile(r"[*?\[{]")
_PLAIN = re.compile(r"[A-Za-z0-9._-]")
_DISTRIBUTION = re.compile(r"(?P<name>\S+?)-(?P<version>[^-\s]+)(?:-py[0-9.]+)?\.(?:dist|egg)-info")
NOWHERE = "/dev/null"  # where the link of a masked unit leads


def read_parts(wanted: Wanted, host: Host) -> Parts:
    """Given what is declared, return all parts of this host that are not left out."""
    chosen = [part for part in PARTS[host.platform] if not any(fnmatchcase(part.name, one) for one in wanted.left_out)]
    found = Parts([], [], [])
    for part in chosen:
        _PartReader(part, wanted, host, found).read()
    if host.platform == "windows":
        from .windows import read_windows  # its words are of no use elsewhere, and each file of the core costs a run

        read_windows([part.name for part in chosen], wanted, host, found)
    known = {piece.part for piece in found.pieces} | {trouble.part for trouble in found.troubles}
    found.missing.extend(part.name for part in chosen if part.name not in known)
    found.missing.extend(name for name in wanted.required if name not in {part.name for part in chosen})
    return found


class _PartReader:
    """Reads one part into what was found so far."""

    def __init__(self, part: HostPart, wanted: Wanted, host: Host, found: Parts) -> None:
        self._part, self._wanted, self._host, self._found = part, wanted, host, found

    def read(self) -> None:
        """Read all of it."""
        for path in self._matches(self._part.files):
            self._file(path)
        for command in self._part.commands:
            self._output(command)
        self._lines("links.txt", self._links(), "where links lead")
        self._lines("brew.txt", self._two_levels(), "names of folders")
        if self._part.name == "packages":
            for venv in self._wanted.venvs:
                self._environment(venv.replace("\\", "/"))
        if self._part.name == "accounts":
            self._accounts()

    def _trouble(self, why: object) -> None:
        self._found.troubles.append(Trouble(self._part.name, str(why)))

    def _piece(self, file: str, content: bytes, origin: str, attributes: Mapping[str, Any] = EMPTY) -> None:
        self._found.pieces.append(SystemPiece(self._part.name, f"{self._part.name}{file}", content, origin, attributes))

    def _lines(self, file: str, lines: Iterable[str], origin: str) -> None:
        """Keep lines of ours as a file, where there are any."""
        text = "".join(f"{line}\n" for line in lines)
        if text:
            self._piece(f".{file}", text.encode("utf-8", "surrogateescape"), origin)

    def _file(self, path: str) -> None:
        """Keep a file that is there; a pattern finds folders and masked units as well."""
        try:
            content = self._host.read_declared(path, MAX_READ)
        except SourceMissing:
            return
        except SourceDenied as denied:
            if not self._is_none(path):
                self._trouble(denied)
            return
        if len(content) == MAX_READ:
            self._trouble(f"{path} is larger than {MAX_READ} bytes")
            return
        self._piece(escaped(path), content, path, _attributes(path, self._host))

    def _is_none(self, path: str) -> bool:
        """Return whether what could not be read is a folder, or the link of a masked unit."""
        try:
            if self._host.link(path) == NOWHERE:
                return True
        except CoreError:
            pass
        try:
            self._host.entries(path)
        except CoreError:
            return False
        return True

    def _output(self, command: Command) -> None:
        try:
            done = self._host.run(command.argv)
        except ToolMissing:
            return
        except CoreError as error:
            self._trouble(error)
            return
        self._piece(f".{command.file}", done.stdout.encode("utf-8", "surrogateescape"), " ".join(command.argv))

    def _links(self) -> Iterator[str]:
        for path in self._matches(self._part.links):
            try:
                yield f"{path} -> {self._host.link(path)}"
            except CoreError:  # it is a file, which is kept as such
                continue

    def _two_levels(self) -> Iterator[str]:
        for folder in self._part.folders:
            for name in self._names(folder):
                yield f"{folder}/{name}\t{' '.join(one for one in self._names(f'{folder}/{name}') if one[0] != '.')}"

    def _environment(self, venv: str) -> None:
        """Keep what is installed in a virtual environment, as ``pip freeze`` would say it; nothing of it is run."""
        try:
            self._host.entries(venv)
        except SourceMissing:
            self._found.missing.append(f"packages of {venv}")
            return
        except CoreError as error:
            self._trouble(error)
            return
        places = self._matches((f"{venv}/lib/python*/site-packages", f"{venv}/Lib/site-packages"))
        names = {name for place in places for name in self._names(place)}
        rows = {match["name"]: match["version"] for match in map(_DISTRIBUTION.fullmatch, names) if match}
        if not rows:
            self._trouble(f"{venv} is no virtual environment with packages in it")
        ordered = sorted(rows.items(), key=lambda row: row[0].casefold())
        self._lines(f"pip{escaped(venv)}.txt", (f"{name}=={version}" for name, version in ordered), f"names in {venv}")

    def _accounts(self) -> None:
        for path, file in (("/etc/passwd", "passwd.txt"), ("/etc/group", "group.txt")):
            try:
                rows = [row.split(":") for row in self._host.read(path).splitlines()]
            except CoreError as error:
                self._trouble(error)
                continue
            names = set(self._wanted.accounts)
            theirs = (row for row in rows if names & {row[0], *row[-1].split(",")})
            self._lines(file, (":".join(row) for row in theirs), path)

    def _matches(self, patterns: Iterable[str]) -> list[str]:
        """Given patterns of absolute paths, return the paths that they may name, each once and in order."""
        found = []
        for pattern in patterns:
            drive, below = pattern.split("/", 1)
            found += list(self._below(drive, below.split("/")))
        return list(dict.fromkeys(found))

    def _below(self, folder: str, left: Sequence[str]) -> Iterator[str]:
        if not left:
            yield folder
        elif not _WILD.search(left[0]):
            yield from self._below(f"{folder}/{left[0]}", left[1:])
        else:
            named = self._patterns(left[0])
            for name in self._names(folder):
                if _is_named(name, named):
                    yield from self._below(f"{folder}/{name}", left[1:])

    def _patterns(self, word: str) -> list[str]:
        """Return a word of a pattern once for each service or account that it stands for."""
        for mark, each in (("{service}", self._wanted.services), ("{account}", self._wanted.accounts)):
            if mark in word:
                return [word.replace(mark, one) for one in each]
        return [word]

    def _names(self, folder: str) -> list[str]:
        try:
            return sorted(self._host.entries(f"{folder}/" if not folder.strip("/") else folder))
        except SourceMissing:
            return []
        except CoreError as error:
            self._trouble(error)
            return []


def _attributes(path: str, host: Host) -> dict[str, Any]:
    try:
        status = os.stat(path)
    except OSError:
        return {}
    owner = host.account(status.st_uid)
    return {"mode": status.st_mode & 0o7777, "uid": status.st_uid, "gid": status.st_gid, "owner": owner}


def _is_named(name: str, patterns: Sequence[str]) -> bool:
    """Return whether a name, or a name without its last extension (``.service``, ``.plist``), is one of these."""
    return any(fnmatchcase(name, one) or fnmatchcase(name.rsplit(".", 1)[0], one) for one in patterns)


def escaped(path: str) -> str:
    """Return a path as a part of a file's name that is good on every system: ``~`` stands before each of its words."""
    words = path.replace("\\", "/").replace(":", "").strip("/").split("/")
    return "".join("~" + "".join(map(_letter, word)) for word in words)


def _letter(letter: str) -> str:
    if _PLAIN.match(letter):
        return letter
    return "".join(f"%{byte:02X}" for byte in letter.encode("utf-8", "surrogateescape"))
