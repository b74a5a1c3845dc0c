# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is seen before anything is done: the place for the copy, who could change it, the live cluster, the last commit.

Nothing here is changed; a segment that is looked into is fetched into a folder that goes again at once.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional

from .. import trusted
from ..host import Host
from ..pitr.collect import attempt
from ..pitr.commands import UTC, parse_commits, parse_json, pgbackrest, program, run_as
from ..pitr.declared import PGBACKREST
from ..pitr.model import Observation, ServerState, Unavailable
from ..pitr.wal import Segment, name_of
from .copy import free_port
from .declared import Wanted
from .plan import Choice, Destination

MARKER = "pitr.json"
SEARCHED = 16  # segments at the end of the archive that are searched for the last commit


def read_marker(request: Wanted, host: Host) -> dict[str, Any]:
    """Return what this module wrote of the copy in the folder; empty where it wrote nothing that can be believed."""
    if _faults(request, host):
        return {}
    try:
        descriptor = os.open(os.path.join(request.dir, MARKER), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as stream:
            status = os.fstat(descriptor)
            mine = status.st_uid == os.geteuid() and not status.st_mode & 0o022
            found = json.loads(stream.read(trusted.MAX_FILE)) if mine else None
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def major_of(observation: Observation, choice: Choice, request: Wanted) -> int:
    """Return the major version of the backup."""
    if request.cluster.engine != PGBACKREST:
        return int(Path(request.cluster.base_dir, choice.backup.label, "PG_VERSION").read_text("ascii"))
    found = [] if isinstance(observation.repositories, Unavailable) else observation.repositories
    return next((int(each.archive_id.partition("-")[0].partition(".")[0]) for each in found if each.archive_id), 0)


def survey(host: Host, request: Wanted, observation: Observation, choice: Choice) -> Destination:
    """Return what was seen of the place."""
    major = major_of(observation, choice, request)
    parent = _existing(os.path.dirname(request.dir))
    live = _live(request, observation)
    return Destination(
        there=_there(request.dir),
        faults=_faults(request, host),
        free=_free(parent),
        live_dir=live,
        same_disk=not live or len({_device(each) for each in (parent, os.path.dirname(live), live)}) == 1,
        dump_there=bool(request.dump_file) and os.path.lexists(request.dump_file),
        port_taken=free_port(request.port) is None,
        last_commit=last_commit(host, request, choice, major) if request.target == "time" else None,
        major=major,
        tablespaces=_tablespaces(host, request, choice),
    )


def _there(folder: str) -> str:
    """Return what is in the folder already; empty where nothing is."""
    if os.path.islink(folder):
        return "it is a link"
    try:
        return ", ".join(sorted(os.listdir(folder))[:5])
    except FileNotFoundError:
        return ""
    except OSError as error:
        return str(error.strerror)


def _faults(request: Wanted, host: Host) -> tuple[str, ...]:
    """Return who else could change the folder: the server's account may own what is above it, nobody else."""
    own = frozenset[int]()
    if request.cluster.account and host.is_admin():
        try:
            own = frozenset({importlib.import_module("pwd").getpwnam(request.cluster.account).pw_uid})
        except KeyError:
            return (f"there is no account {request.cluster.account}",)
    parent = os.path.dirname(request.dir)
    found = trusted.faults(parent, trusted.Others(accounts=own))
    # where everybody may make names and nobody may take another's away (/tmp), our own folder is safe
    return tuple(fault.words for fault in found if not fault.mode & 0o1000)


def _existing(path: str) -> str:
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return path


def _free(path: str) -> int:
    status = os.statvfs(path)
    return status.f_bavail * status.f_frsize


def _device(path: str) -> Optional[int]:
    try:
        return os.stat(path).st_dev
    except OSError:
        return None


def _live(request: Wanted, observation: Observation) -> str:
    """Return the data folder of the live cluster, resolved: a link to it stays where it is."""
    named = request.live_dir
    if not named and isinstance(observation.server, ServerState):
        named = observation.server.settings.get("data_directory", "")
    return os.path.realpath(named) if named else ""


def _tablespaces(host: Host, request: Wanted, choice: Choice) -> Mapping[str, str]:
    """Return the tablespaces of a backup, by name. Raise CoreError."""
    if request.cluster.engine != PGBACKREST:
        folder = os.path.join(request.cluster.base_dir, choice.backup.label, "pg_tblspc")
        return {name: os.path.join(folder, name) for name in os.listdir(folder)}
    words = pgbackrest(
        request.cluster, f"--repo={choice.repository}", f"--set={choice.backup.label}", "info", "--output=json"
    )
    answer = parse_json("pgbackrest info --set", run_as(host, request.cluster, words).stdout)
    rows = [row for stanza in answer for backup in stanza.get("backup", ()) for row in backup.get("tablespace") or ()]
    return {str(row.get("name")): str(row.get("destination")) for row in rows}


def last_commit(host: Host, request: Wanted, choice: Choice, major: int) -> Optional[float]:
    """Return when the last commit was made that is in the WAL of a choice; None where that cannot be told.

    Replay up to a time needs a commit behind it, or it ends as a failure.
    """
    last = choice.window.last
    for number in range(last.number, max(-1, last.number - SEARCHED), -1):
        name = name_of(Segment(last.timeline, number), choice.size)
        found = attempt(lambda name=name: _commits(host, request, choice, name, major))  # type: ignore[misc]
        if isinstance(found, Unavailable):
            return None
        if found:
            return float(found[-1])
    return None


def _commits(host: Host, request: Wanted, choice: Choice, name: str, major: int) -> list[float]:
    if request.cluster.engine != PGBACKREST:
        return _dumped(host, request, os.path.join(request.cluster.archive_dir, name), major)
    folder = tempfile.mkdtemp(prefix="cryptobot-pitr-")
    try:
        if request.cluster.account and host.is_admin():
            entry = importlib.import_module("pwd").getpwnam(request.cluster.account)
            os.chown(folder, entry.pw_uid, entry.pw_gid)
        path = os.path.join(folder, name)
        run_as(
            host, request.cluster, pgbackrest(request.cluster, f"--repo={choice.repository}", "archive-get", name, path)
        )
        return _dumped(host, request, path, major)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _dumped(host: Host, request: Wanted, path: str, major: int) -> list[float]:
    argv = [program(request.cluster, "pg_waldump", major), path, "--rmgr", "Transaction"]
    return parse_commits(run_as(host, request.cluster, argv, env=UTC, expect=(0, 1)).stdout)


def size_of(folder: str) -> int:
    """Return the bytes of all files below a folder."""
    return sum(os.lstat(os.path.join(top, name)).st_size for top, _folders, names in os.walk(folder) for name in names)
