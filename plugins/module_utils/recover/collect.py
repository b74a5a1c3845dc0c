# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What there is on the host: signs of an installation, servers that answer, packages, accounts. Reads only."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Optional

from ..backup.declared import Source
from ..backup.model import SourceCopy
from ..backup.sources.redis.client import connected, information
from ..backup.sources.redis.client import server_of as redis_of
from ..errors import CoreError
from ..host import Host
from ..restart.linux import collect_nodes
from ..restore.databases import oids_of
from ..restore.declared import Request
from ..restore.redis import KNOWN
from .recorded import RELEASE, release_of

POSTGRESQL = ("postgresql.service",)
# A distribution lays files there itself, so that one is there tells nothing; but the units there are a person's.
OF_THE_SYSTEM, OF_PEOPLE = "/etc/", "/etc/systemd/system/"
LOCAL = ("", "localhost", "127.0.0.1", "::1")
_INSTALLED = ("dpkg-query", "-W", "-f", "${Package}\\t${db:Status-Abbrev}\\n")


class Here(NamedTuple):
    """What there is. ``lives`` are the signs of an installation, as sentences; ``waiting`` says by source why a server
    does not answer; ``servers`` are the units of servers that are there. ``packages`` is None where nobody can tell.
    """

    lives: tuple[str, ...] = ()
    waiting: Mapping[str, str] = {}
    servers: tuple[str, ...] = ()
    packages: Optional[frozenset[str]] = None
    release: str = ""


def collect_here(request: Request, entries: Sequence[SourceCopy], host: Host) -> Here:
    """Look at the host, with the sources of the set that is restored. Raise CoreError where systemd does not answer."""
    lives = list(_files(request.backup.sources))
    waiting: dict[str, str] = {}
    for entry in entries:
        source = request.source(entry.name)
        if source is None or entry.type not in _ASK:
            continue
        try:
            lives += _ASK[entry.type](entry, source, request, host)
        except CoreError as error:
            waiting[entry.name] = str(error)
    kinds = {entry.type for entry in entries if is_local(request.source(entry.name))}
    return Here(tuple(lives), waiting, _servers(kinds, host), _packages(host), _release(host))


def is_local(source: Optional[Source]) -> bool:
    """Return whether the server of a source is meant to be on this host."""
    return source is not None and str(source.server.get("login_host") or "") in LOCAL


def _files(sources: Sequence[Source]) -> Iterator[str]:
    """Yield what lies where files and SQLite databases belong."""
    for path in (path for source in sources if source.type in ("files", "sqlite") for path in source.paths):
        laid = path.startswith(OF_THE_SYSTEM) and not path.startswith(OF_PEOPLE)
        if not laid and os.path.lexists(path) and not _is_empty(path):
            yield f"{path} is there"


def _is_empty(path: str) -> bool:
    try:
        return os.path.isdir(path) and not os.listdir(path)
    except OSError:
        return False


def _databases(entry: SourceCopy, source: Source, request: Request, host: Host) -> list[str]:
    there = set(oids_of(source.name, request, host)) & {*entry.facts["databases"]} - {"postgres"}
    return [f"the database {name} is there" for name in sorted(there)]


def _keys(_entry: SourceCopy, source: Source, _request: Request, host: Host) -> list[str]:
    with connected(redis_of(source.server), host) as conversation:
        info = information(conversation)
        there = any(name.startswith("db") and name[2:].isdigit() for name in info)
        return [f"{conversation.server} has keys"] if there else []


_ASK: dict[str, Callable[[SourceCopy, Source, Request, Host], list[str]]] = {"postgresql": _databases, "redis": _keys}


def _servers(kinds: set[str], host: Host) -> tuple[str, ...]:
    """Return the units of the servers that sources of these kinds need, where the host has them."""
    wanted = {kind: names for kind, names in (("postgresql", POSTGRESQL), ("redis", KNOWN)) if kind in kinds}
    nodes = collect_nodes(host, [name for names in wanted.values() for name in names])
    found = [next((name for name in names if name in nodes and nodes[name].found), "") for names in wanted.values()]
    return tuple(name for name in found if name)


def _packages(host: Host) -> Optional[frozenset[str]]:
    try:
        rows = [line.split("\t") for line in host.run(_INSTALLED).stdout.splitlines()]
    except CoreError:
        return None  # another kind of distribution: what is there already its package manager knows
    return frozenset(row[0] for row in rows if len(row) == 2 and row[1].startswith("ii"))


def _release(host: Host) -> str:
    try:
        return release_of(host.read(RELEASE))
    except CoreError:
        return ""


def has_account(name: str) -> bool:
    """Return whether there is an account of a name."""
    return _has(pwd.getpwnam, name)


def has_group(name: str) -> bool:
    """Return whether there is a group of a name."""
    return _has(grp.getgrnam, name)


def free_uid(number: Optional[int]) -> Optional[int]:
    """Return the number where nobody has it, else None. 0 is always root's."""
    return None if number is None or _has(pwd.getpwuid, number) else number


def free_gid(number: Optional[int]) -> Optional[int]:
    """Return the number where no group has it, else None."""
    return None if number is None or _has(grp.getgrgid, number) else number


def _has(ask: Callable[[Any], object], what: object) -> bool:
    try:
        ask(what)
    except (KeyError, OverflowError, ValueError):
        return False
    return True
