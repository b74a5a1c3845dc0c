# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looking at one cluster: what its server says, what the repository holds, what lies on the disks. Nothing is changed.

The server is asked first: what it says was archived by then has to be in the repository that is looked at afterwards.
"""

from __future__ import annotations

import importlib
import os
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Optional, TypeVar, Union

from ..errors import CoreError, ToolFailed
from ..host import Host
from . import pgbackrest, plain
from .commands import UTC, ask, parse_commits, program, run_as
from .declared import PGBACKREST, Cluster
from .model import (
    Archiver,
    Config,
    Exposure,
    Observation,
    Repository,
    Room,
    ServerState,
    Strangers,
    Unavailable,
    Waiting,
)
from .wal import MIB16, Window, name_of, parse_position, position_text

SETTINGS = (
    "archive_mode", "archive_command", "archive_library", "archive_timeout", "wal_level", "wal_segment_size",
    "data_directory", "fsync", "full_page_writes", "data_checksums", "restore_command", "recovery_target_timeline",
)  # fmt: skip
_SETTINGS = ", ".join(f"'{name}'" for name in SETTINGS)
SERVER = f"""
SELECT json_build_object(
  'now', extract(epoch FROM clock_timestamp()),
  'version', current_setting('server_version_num')::int,
  'recovery', pg_is_in_recovery(),
  'position', CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END,
  'timeline', CASE WHEN pg_is_in_recovery() THEN (SELECT timeline_id FROM pg_control_checkpoint())::text
              ELSE substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END,
  'system_id', (SELECT system_identifier::text FROM pg_control_system()),
  'settings', (SELECT json_object_agg(name, setting) FROM pg_settings WHERE name IN ({_SETTINGS})),
  'archiver', (SELECT json_build_object('last_wal', last_archived_wal, 'failed_wal', last_failed_wal,
      'last_time', extract(epoch FROM last_archived_time), 'failed_time', extract(epoch FROM last_failed_time),
      'failed', failed_count) FROM pg_stat_archiver))
"""  # noqa: S608 - of constants
WAITING = """
SELECT json_build_object('ready', count(*), 'oldest', extract(epoch FROM min(modification)))
  FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'
"""
WORKERS = 1000  # records of transactions that are read to find the first commit among them
MOST_FILES, MOST_SECONDS, NAMED = 300_000, 20.0, 10
Value = TypeVar("Value")


def attempt(question: Callable[[], Value]) -> Union[Value, Unavailable]:
    """Return what a question is answered, or why it is not."""
    try:
        return question()
    except CoreError as error:
        return Unavailable(str(error))


def collect(host: Host, cluster: Cluster, *, verify: bool = False) -> Observation:
    """Return one cluster as it is seen now."""
    server = attempt(lambda: parse_server(ask(host, cluster, SERVER)))
    waiting = attempt(lambda: parse_waiting(ask(host, cluster, WAITING)))
    size = server.size if isinstance(server, ServerState) else MIB16
    backrest = cluster.engine == PGBACKREST
    config = attempt(lambda: _config(host, cluster)) if backrest else None
    repositories: Union[tuple[Repository, ...], Unavailable] = attempt(
        lambda: (
            pgbackrest.read_repositories(host, cluster, size)
            if backrest
            else (plain.read_repository(host, cluster, size),)
        )
    )
    paths = _paths(cluster, config)
    return Observation(
        cluster,
        server,
        waiting,
        attempt(lambda: pgbackrest.read_version(host, cluster)) if backrest else (),
        repositories,
        config,
        _rooms(server, paths, config),
        attempt(lambda: strangers(paths, cluster.account, host)) if paths else None,
        attempt(lambda: exposure(host, cluster, server, repositories)),
        restorable(host, cluster, server, repositories),
        _verified(host, cluster, server, repositories) if verify and not backrest else None,
    )


def parse_server(answer: Any) -> ServerState:
    """Given the server's answer to SERVER, return it as a record. Raise CoreError."""
    try:
        archiver = answer["archiver"]
        return ServerState(
            float(answer["now"]),
            int(answer["version"]),
            bool(answer["recovery"]),
            parse_position(str(answer["position"] or "0/0")),
            int(str(answer["timeline"]), 10 if answer["recovery"] else 16),
            int(answer["settings"]["wal_segment_size"]),
            str(answer["system_id"]),
            {str(name): str(value) for name, value in answer["settings"].items()},
            Archiver(
                str(archiver["last_wal"] or ""),
                _number(archiver["last_time"]),
                str(archiver["failed_wal"] or ""),
                _number(archiver["failed_time"]),
                int(archiver["failed"]),
            ),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise CoreError(f"the server's answer is not of the known form ({error!r})") from error


def parse_waiting(answer: Any) -> Waiting:
    """Given the server's answer to WAITING, return it as a record. Raise CoreError."""
    try:
        return Waiting(int(answer["ready"]), _number(answer["oldest"]))
    except (KeyError, TypeError, ValueError) as error:
        raise CoreError(f"the server's answer is not of the known form ({error!r})") from error


def _number(value: Any) -> Optional[float]:
    return None if value is None else float(value)


def _config(host: Host, cluster: Cluster) -> Config:
    config = pgbackrest.read_config(host, cluster)
    try:
        status = os.stat(cluster.config)
    except OSError as error:
        raise CoreError(f"{cluster.config} cannot be looked at: {error.strerror}") from error
    return config._replace(mode=stat.S_IMODE(status.st_mode), owner=host.account(status.st_uid))


def _paths(cluster: Cluster, config: Union[Config, Unavailable, None]) -> list[str]:
    """Return the folders of this host that hold the repository and what belongs to it."""
    if cluster.engine != PGBACKREST:
        return [cluster.archive_dir, cluster.base_dir]
    return pgbackrest.local_paths(config.options) if isinstance(config, Config) else []


def _rooms(
    server: Union[ServerState, Unavailable], paths: Sequence[str], config: Union[Config, Unavailable, None]
) -> dict[str, Union[Room, Unavailable]]:
    """Return the file systems on which a lack of room stops archiving or the server itself."""
    own = pgbackrest.repository_paths(config.options) if isinstance(config, Config) else list(paths)
    asked = {"pg_wal": server.wal_dir} if isinstance(server, ServerState) else {}
    asked.update({f"repository {path}": path for path in own})
    return {name: attempt(lambda path=path: _room(path)) for name, path in asked.items()}  # type: ignore[misc]


def _room(path: str) -> Room:
    try:
        status = os.statvfs(path)
    except OSError as error:
        raise CoreError(f"{path} cannot be looked at: {error.strerror}") from error
    return Room(path, status.f_bavail * status.f_frsize, status.f_blocks * status.f_frsize)


def strangers(paths: Sequence[str], account: str, host: Host) -> Strangers:
    """Given folders and the account that must be able to write them, return whose files are another's."""
    uid = _uid(account) if account and host.is_admin() else os.geteuid()
    found: list[str] = []
    looked, until = 0, time.monotonic() + MOST_SECONDS
    for path, owner in _walk(paths):
        looked += 1
        if owner != uid:
            found.append(path)
        if looked >= MOST_FILES or time.monotonic() > until:
            return Strangers(tuple(found[:NAMED]), len(found), looked, whole=False)
    return Strangers(tuple(found[:NAMED]), len(found), looked, whole=True)


def _uid(account: str) -> int:
    try:
        return int(importlib.import_module("pwd").getpwnam(account).pw_uid)
    except (ImportError, KeyError):
        raise CoreError(f"system_user is {account!r}, expected an account of this host") from None


def _walk(paths: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Yield all that lies below folders, those near the top first, with the uid of its owner; no link is followed."""
    queue = list(paths)
    while queue:
        folder = queue.pop(0)
        try:
            with os.scandir(folder) as listed:
                entries = list(listed)
        except FileNotFoundError:
            continue  # pgBackRest makes its lock and spool folders when it needs them
        except OSError as error:
            raise CoreError(f"{folder} cannot be listed: {error.strerror}") from error
        for entry in entries:
            try:
                owner = entry.stat(follow_symlinks=False).st_uid
            except FileNotFoundError:
                continue
            yield entry.path, owner
            if entry.is_dir(follow_symlinks=False):
                queue.append(entry.path)


def archived(server: ServerState, repositories: Sequence[Repository]) -> Optional[Window]:
    """Return the window of the server's timeline that reaches furthest, in whichever repository."""
    own = [repository.newest_window(server.timeline) for repository in repositories]
    return max((each for each in own if each), key=lambda window: window.last.number, default=None)


def exposure(
    host: Host,
    cluster: Cluster,
    server: Union[ServerState, Unavailable],
    repositories: Union[Sequence[Repository], Unavailable],
) -> Exposure:
    """Return what would be lost with this host: the first commit that is not in the archive, read in the server's WAL.

    Raise CoreError where there is nothing to tell it by.
    """
    if isinstance(server, Unavailable):
        raise CoreError(f"the server does not answer: {server.reason}")
    if isinstance(repositories, Unavailable):
        raise CoreError(f"the repository cannot be seen: {repositories.reason}")
    if server.recovery:
        raise CoreError("the server is a standby: its primary archives")
    window = archived(server, repositories)
    if window is None:
        raise CoreError(f"no backup can be restored to timeline {server.timeline}: all would be lost")
    begin = (window.last.number + 1) * server.size
    behind = max(0, server.position - begin)
    if not behind:
        return Exposure(None, exact=True, bytes=0, archived=window.last)
    try:
        first = first_commit(host, cluster, server, begin)
    except CoreError as error:
        return Exposure(window.until, exact=False, bytes=behind, archived=window.last, why=str(error))
    return Exposure(first, exact=True, bytes=behind, archived=window.last)


def first_commit(host: Host, cluster: Cluster, server: ServerState, begin: int) -> Optional[float]:
    """Given a position, return when the first transaction behind it was committed; None: none was. Raise CoreError."""
    done = run_as(
        host,
        cluster,
        [
            program(cluster, "pg_waldump", server.major), "--path", server.wal_dir, "--timeline", str(server.timeline),
            "--start", position_text(begin), "--end", position_text(server.position),
            "--rmgr", "Transaction", "--limit", str(WORKERS),
        ],
        env=UTC,
        expect=(0, 1),
    )  # fmt: skip
    commits = parse_commits(done.stdout)
    if commits:
        return commits[0]
    # at the very end of the WAL there is no whole record: that is no failure to read it
    if done.rc and not any(words in done.stderr for words in ("invalid record length", "invalid magic number")):
        raise ToolFailed(done.argv[-3:], done.rc, done.stderr)
    if len(done.stdout.splitlines()) >= WORKERS:
        raise CoreError(f"no commit among the first {WORKERS} records of transactions")
    return None


def restorable(
    host: Host,
    cluster: Cluster,
    server: Union[ServerState, Unavailable],
    repositories: Union[Sequence[Repository], Unavailable],
) -> Optional[float]:
    """Return when the last commit was made that is in the archive; None where its segment is not on this host any more.

    A restore to a time ends only where a commit after that time is in the WAL: so this is the latest time to ask for.
    """
    if isinstance(server, Unavailable) or isinstance(repositories, Unavailable) or server.recovery:
        return None
    window = archived(server, repositories)
    if window is None:
        return None
    path = os.path.join(server.wal_dir, name_of(window.last, server.size))
    done = attempt(
        lambda: run_as(
            host,
            cluster,
            [program(cluster, "pg_waldump", server.major), path, "--rmgr", "Transaction"],
            env=UTC,
            expect=(0, 1),
        )
    )
    commits = [] if isinstance(done, Unavailable) else parse_commits(done.stdout)
    return commits[-1] if commits else None


def _verified(
    host: Host,
    cluster: Cluster,
    server: Union[ServerState, Unavailable],
    repositories: Union[Sequence[Repository], Unavailable],
) -> Union[str, Unavailable]:
    if isinstance(repositories, Unavailable) or not repositories[0].backups:
        return Unavailable("there is no set")
    major = server.major if isinstance(server, ServerState) else 0
    label = repositories[0].backups[-1].label
    return attempt(lambda: plain.verify(host, cluster, label, major))
