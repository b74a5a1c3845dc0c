# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What macOS says of the place of a SQLite file, and who has it open."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import Optional

from ...asking import ask
from ...errors import CoreError, ParseError
from ...host import Host
from .model import Holder, Holders, Mount, Surroundings, filesystem_of

_FREE = ("Pages free", "Pages speculative", "Pages purgeable")
_MOUNT_LINE = re.compile(r".* on (?P<point>/.*) \((?P<kind>\w+)[,)]")
# What lsof warns of where the server of some file system does not answer; ours was just looked at.
_OF_OTHERS = r"^(lsof: WARNING: can't stat\(\)|Output information may be incomplete|assuming \"dev=)"


def parse_mount(text: str) -> list[Mount]:
    """Given what mount(8) of macOS prints, return the mounts in their order. Lines of another form are no mounts."""
    matches = (_MOUNT_LINE.match(line) for line in text.splitlines())
    return [Mount(match.group("point"), match.group("kind")) for match in matches if match]


def parse_lsof(text: str) -> tuple[Holder, ...]:
    """Given what `lsof -Fpc` prints (p and a pid, then c and its command), return the processes."""
    found: list[Holder] = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("p"):
            if not line[1:].isdigit():
                raise ParseError("lsof", number, line, "expected 'p' and a pid")
            found.append(Holder(int(line[1:]), "?"))
        elif line.startswith("c") and found:
            found[-1] = found[-1]._replace(command=line[1:])
    return tuple(found)


def parse_free_memory(text: str) -> int:
    """Given what vm_stat prints, return the bytes that are free at once. Raise ParseError where it is of another form.

    Cached files, which would be given up too, are not counted: a rewrite that keeps its temporary file in memory needs
    it then and there.
    """
    size = re.search(r"page size of (\d+) bytes", text)
    pages = [re.search(rf"^{name}:\s+(\d+)\.", text, re.MULTILINE) for name in _FREE]
    if size is None or pages[0] is None:
        raise ParseError("vm_stat", 1, text[:80], "expected 'page size of N bytes' and 'Pages free'")
    return int(size.group(1)) * sum(int(match.group(1)) for match in pages if match)


def surroundings(path: str, host: Host) -> Surroundings:
    """Given a database's path, return the kind of its file system and the free memory, each as far as it is known."""
    return Surroundings(_filesystem(path, host), _memory(host))


def _filesystem(path: str, host: Host) -> str:
    try:
        return filesystem_of(path, parse_mount(host.run(["mount"]).stdout))
    except CoreError:
        return ""


def _memory(host: Host) -> Optional[int]:
    try:
        return parse_free_memory(host.run(["vm_stat"]).stdout)
    except CoreError:
        return None


def holders(names: Iterable[str], host: Host) -> Holders:
    """Ask lsof, which ends with 1 where nobody has one of the files open, and also where it could not look: then it
    says so. Only root sees every process.
    """
    try:
        answer = ask(host, ["lsof", "-Fpc", "--", *names], nothing=(1,), harmless=_OF_OTHERS)
        found = parse_lsof(answer.text)
    except CoreError as error:
        return Holders((), complete=False, unavailable=str(error))
    others = tuple(one for one in found if one.pid != os.getpid())
    return Holders(others, host.is_admin() and not answer.complaints, "; ".join(answer.complaints[:2]))
