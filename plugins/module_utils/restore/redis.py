# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Redis: its file, and its append-only folder where it keeps one, swapped while the server itself is held down.

A server that keeps an append-only file ignores the other file at its start and comes up without a key. So a folder of
its form is made whose base is the restored file: Redis 7 takes an RDB as the base. The server writes its file when it
ends, so it is ended before the swap; it is held down like a service, as the first to start and the last to end.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ..backup.declared import Source
from ..backup.model import SourceCopy
from ..backup.sources.owners import numbers_of
from ..backup.sources.redis.client import Conversation, connected, information, server_of
from ..backup.sources.redis.save import file_of
from ..errors import CoreError
from ..host import Host
from ..restart.linux import collect_nodes
from ..services.declared import Service
from .choose import RestoreRefused
from .declared import Request
from .model import Unit

KIND, APPEND_ONLY = "redis", "appendonly.aof"
KNOWN = ("redis-server.service", "redis.service", "valkey-server.service", "valkey.service")
BASE, MANIFEST = "{name}.1.base.rdb", "{name}.manifest"


class RedisPlace(NamedTuple):
    """A server's unit and file; ``folder`` is its append-only folder, empty where it keeps none, ``name`` what the
    files in that begin with.
    """

    unit: str
    path: str
    folder: str = ""
    name: str = APPEND_ONLY


def server_of_source(entry: SourceCopy, source: Source, host: Host) -> RedisPlace:
    """Return where a server has its data, as it says itself, or where it does not run as it was when it was backed up.

    Raise RestoreRefused where no unit of systemd is it.
    """
    try:
        with connected(server_of(source.server), host) as conversation:
            return _asked(conversation, source, host)
    except RestoreRefused:
        raise
    except CoreError:
        path = source.paths[0] if source.paths else str(entry.facts["path"])
        folder = os.path.join(os.path.dirname(path), "appendonlydir") if entry.facts["appendonly"] else ""
        return RedisPlace(_known_unit(entry.name, host), path, folder)


def _asked(conversation: Conversation, source: Source, host: Host) -> RedisPlace:
    path = file_of(conversation, source.paths[0] if source.paths else None, host.platform)
    info = information(conversation)
    unit = unit_of(info.get("process_id", ""), host)
    if not unit:
        raise _no_unit(source.name)
    if info.get("aof_enabled") != "1":
        return RedisPlace(unit, path)
    folder = os.path.join(_setting(conversation, "dir"), _setting(conversation, "appenddirname"))
    return RedisPlace(unit, path, folder, _setting(conversation, "appendfilename"))


def _setting(conversation: Conversation, name: str) -> str:
    answer = conversation.ask("CONFIG", "GET", name)
    if not isinstance(answer, list) or len(answer) != 2 or not answer[1]:
        raise RestoreRefused(
            f"{conversation.server} does not tell {name}: an append-only folder is swapped from Redis 7 on"
        )
    return str(answer[1])


def unit_of(pid: str, host: Host) -> str:
    """Return the unit of systemd that a process is of; empty where it is of none."""
    try:
        lines = host.read(f"/proc/{int(pid)}/cgroup").split()
    except (CoreError, ValueError):
        return ""
    names = [line.rstrip("/").rpartition("/")[2] for line in lines]
    return next((name for name in names if name.endswith(".service")), "")


def _known_unit(source: str, host: Host) -> str:
    try:
        nodes = collect_nodes(host, KNOWN)
    except CoreError:
        nodes = {}
    found = next((name for name in KNOWN if name in nodes and nodes[name].found), "")
    if not found:
        raise _no_unit(source)
    return found


def _no_unit(source: str) -> RestoreRefused:
    text = f"the server of the source {source} is no unit of systemd, so nothing can hold it down"
    return RestoreRefused(f"{text}: restore it by into, and put the file there while it is stopped")


def with_servers(request: Request, units: Sequence[str]) -> Request:
    """Return a request in which these units are held down, too: the first to start and the last to end."""
    declared = {service.unit: service.name for service in request.services if service.unit}
    new = tuple(Service(unit, unit=unit) for unit in units if unit not in declared)
    names = [*(declared[unit] for unit in units if unit in declared), *(service.name for service in new), *request.held]
    return request._replace(services=(*new, *request.services), held=tuple(dict.fromkeys(names)))


def settle(entry: SourceCopy, found: Path, units: Sequence[Unit]) -> None:
    """Put a restored file where its unit says, and make an append-only folder of it where there is a unit for one."""
    for unit in (each for each in units if os.path.basename(each.new).endswith(".aof")):
        _make_folder(Path(unit.new), found, entry, _name_of(unit))
    main = next(unit for unit in units if not os.path.basename(unit.new).endswith(".aof"))
    os.replace(found, main.new)


def _name_of(unit: Unit) -> str:
    """Return what the files of a folder that is there begin with, by its own manifest; else Redis' default."""
    folder = Path(unit.target)
    names = sorted(folder.glob("*.manifest")) if folder.is_dir() else []
    return names[0].name[: -len(".manifest")] if names else APPEND_ONLY


def _make_folder(folder: Path, rdb: Path, entry: SourceCopy, name: str) -> None:
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(mode=0o700)
    base, manifest = BASE.format(name=name), MANIFEST.format(name=name)
    shutil.copyfile(rdb, folder / base)
    (folder / manifest).write_text(f"file {base} seq 1 type b\n", "utf-8")
    for path, mode in ((folder / base, 0o640), (folder / manifest, 0o640), (folder, 0o750)):
        os.chmod(path, mode)
        if os.geteuid() == 0:
            os.chown(path, *numbers_of(entry.facts))


def fault_of(entry: SourceCopy, source: Source, host: Host) -> str:
    """Return what is wrong with a server that was started on what was restored; an empty text where nothing is.

    It starts without a word where it found no file, so its keys are looked for. Some may have expired.
    """
    expected = sum(int(count) for count in entry.facts["rows"].values())
    try:
        with connected(server_of(source.server), host) as conversation:
            info = information(conversation)
    except CoreError as error:
        return f"the server of {entry.name} does not answer: {error}"
    there = any(name.startswith("db") and name[2:].isdigit() for name in info)
    return "" if there or not expected else f"the server of {entry.name} has no key, the set has {expected}"
