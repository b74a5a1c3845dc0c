# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""pgBackRest's own words: ``info``, ``repo-ls``, its configuration and its version. parse_* is pure, the rest asks.

The exit code of ``info`` says nothing: without a stanza it is 0 with a status code of 1 in the answer (tried, 2.45).
"""

from __future__ import annotations

import configparser
import re
from collections.abc import Mapping
from typing import Any, Optional, Union

from ..errors import CoreError, ParseError
from ..host import Host
from .commands import parse_json, pgbackrest, run_as
from .declared import Cluster
from .model import Backup, Config, Repository, Unavailable
from .wal import Archive, Fork, Segment, parse_history, parse_name

MAX_HISTORIES = 50
CUT = 1.0  # its times are whole seconds, cut: what ended or was archived then did so before the next second
DEFAULTS = {
    "repo1-path": "/var/lib/pgbackrest",
    "log-path": "/var/log/pgbackrest",
    "spool-path": "/var/spool/pgbackrest",
    "lock-path": "/tmp/pgbackrest",  # noqa: S108 - pgBackRest's own default
}
_FILE = re.compile(r"(?:[0-9A-F]{16}/)?([0-9A-F]{24})-[0-9a-f]{40}(?:\.\w+)?")
_PARTIAL = re.compile(r"(?:[0-9A-F]{16}/)?([0-9A-F]{24})\.partial(?:-[0-9a-f]{40})?(?:\.\w+)?")
_HISTORY_FILE = re.compile(r"([0-9A-F]{8})\.history")
_SECRET = re.compile(r"(?:pass|key|token|secret)", re.IGNORECASE)


def read_version(host: Host, cluster: Cluster) -> tuple[int, ...]:
    """Return pgBackRest's version. Raise CoreError."""
    text = run_as(host, cluster, ["pgbackrest", "version"]).stdout
    found = re.search(r"(\d+(?:\.\d+)+)", text)
    if found is None:
        raise ParseError("pgbackrest version", 1, text, "expected a version")
    return tuple(int(part) for part in found[1].split("."))


def read_repositories(host: Host, cluster: Cluster, size: int) -> tuple[Repository, ...]:
    """Given the size of a segment, return all repositories of a stanza. Raise CoreError."""
    done = run_as(host, cluster, pgbackrest(cluster, "info", "--output=json"))
    found = parse_info(done.stdout, cluster.stanza)
    return tuple(repository._replace(archive=_archive(host, cluster, repository, size)) for repository in found)


def parse_info(text: str, stanza: str) -> tuple[Repository, ...]:
    """Given what ``info --output=json`` printed, return the repositories of a stanza, without their WAL.

    Raise ParseError.
    """
    stanzas = parse_json("pgbackrest info", text)
    try:
        own = next((each for each in stanzas if each["name"] == stanza), None)
        if own is None:
            return (Repository(1, 1, "it has no such stanza", (), Unavailable("there is no stanza")),)
        return tuple(_repository(own, each) for each in own["repo"])
    except (KeyError, TypeError, ValueError) as error:
        raise ParseError("pgbackrest info", 1, text, f"not of the known form ({error!r})") from error


def _repository(stanza: Mapping[str, Any], repo: Mapping[str, Any]) -> Repository:
    key = int(repo["key"])
    dbs = [each for each in stanza.get("db", ()) if each.get("repo-key", 1) == key]
    newest = max(dbs, key=lambda each: int(each["id"]), default=None)
    backups = tuple(
        _backup(each)
        for each in stanza.get("backup", ())
        if each["database"].get("repo-key", 1) == key and (newest is None or each["database"]["id"] == newest["id"])
    )
    return Repository(
        key,
        int(repo["status"]["code"]),
        str(repo["status"]["message"]),
        backups,
        Unavailable("its WAL was not looked at"),
        str(newest["system-id"]) if newest else "",
        f"{newest['version']}-{newest['id']}" if newest else "",
    )


def _backup(row: Mapping[str, Any]) -> Backup:
    wal, error = row.get("archive") or {}, row.get("error")
    return Backup(
        str(row["label"]),
        str(row["type"]),
        None if error is None else bool(error),
        float(row["timestamp"]["start"]),
        float(row["timestamp"]["stop"]) + CUT,
        str(wal.get("start") or ""),
        str(wal.get("stop") or ""),
        int((row.get("info") or {}).get("size") or 0),
    )


def _archive(host: Host, cluster: Cluster, repository: Repository, size: int) -> Union[Archive, Unavailable]:
    if not repository.archive_id:
        return Unavailable("the repository has no archive of this stanza")
    folder, where = f"archive/{cluster.stanza}/{repository.archive_id}", f"--repo={repository.key}"
    try:
        done = run_as(
            host, cluster, pgbackrest(cluster, where, "repo-ls", folder, "--recurse", "--output=json", stanza=False)
        )
        archive, histories = parse_listing(done.stdout, size)
        known = {each: _history(host, cluster, f"{folder}/{each:08X}.history", where) for each in histories}
    except CoreError as error:
        return Unavailable(str(error))
    return archive._replace(histories={each: forks for each, forks in known.items() if forks is not None})


def parse_listing(text: str, size: int) -> tuple[Archive, list[int]]:
    """Given what ``repo-ls --recurse --output=json`` printed of an archive, return its WAL, and the timelines of
    which there is a history file. Raise ParseError.
    """
    listed = parse_json("pgbackrest repo-ls", text)
    if not isinstance(listed, dict):
        raise ParseError("pgbackrest repo-ls", 1, text, "expected an object")
    segments: dict[Segment, float] = {}
    partial: set[Segment] = set()
    histories: list[int] = []
    for path, row in listed.items():
        whole, part, history = _FILE.fullmatch(path), _PARTIAL.fullmatch(path), _HISTORY_FILE.fullmatch(path)
        if whole and (segment := parse_name(whole[1], size)):
            segments[segment] = float(row.get("time") or 0) + CUT
        elif part and (segment := parse_name(part[1], size)):
            partial.add(segment)
        elif history:
            histories.append(int(history[1], 16))
    return Archive(segments, {}, size, frozenset(partial)), sorted(histories)[-MAX_HISTORIES:]


def _history(host: Host, cluster: Cluster, path: str, where: str) -> Optional[tuple[Fork, ...]]:
    """Return what a history file says; None where it cannot be read, so that nobody follows it."""
    try:
        done = run_as(host, cluster, pgbackrest(cluster, where, "repo-get", path, stanza=False))
    except CoreError:
        return None
    return parse_history(done.stdout) or None


def parse_config(text: str, stanza: str) -> tuple[dict[str, str], bool]:
    """Given a configuration, return the options that hold for a stanza, without secrets, and whether it has any.

    Raise ParseError.
    """
    parser = configparser.ConfigParser(interpolation=None, strict=False, delimiters=("=",), comment_prefixes=("#",))
    try:
        parser.read_string(text)
    except configparser.Error as error:
        raise ParseError("the configuration of pgBackRest", 1, "", type(error).__name__) from error
    found = dict(DEFAULTS)
    secret = False
    for section in ("global", *(each for each in parser.sections() if each.startswith("global:")), stanza):
        for name, value in parser[section].items() if section in parser else ():
            if _SECRET.search(name):
                secret = True
            else:
                found[name] = value
    return found, secret


def read_config(host: Host, cluster: Cluster) -> Config:
    """Return what the configuration says. Raise CoreError."""
    text = host.read_declared(cluster.config, 1 << 20).decode(errors="replace")
    options, secret = parse_config(text, cluster.stanza)
    return Config(options, secret)


def local_paths(options: Mapping[str, str]) -> list[str]:
    """Given the options of a configuration, return the folders that are on this host: repositories first."""
    keys = sorted({name.partition("-")[0] for name in options if re.match(r"repo\d+-", name)})
    repositories = [
        options[f"{key}-path"]
        for key in keys
        if f"{key}-path" in options
        and f"{key}-host" not in options
        and options.get(f"{key}-type", "posix") in ("posix", "cifs")
    ]
    return [*repositories, *(options[name] for name in ("log-path", "spool-path", "lock-path"))]


def repository_paths(options: Mapping[str, str]) -> list[str]:
    """Return only those of the repositories."""
    return local_paths(options)[:-3]
