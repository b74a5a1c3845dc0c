# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a rule gets: one cluster as it was seen, what the run before remembered of it, and the bounds. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Optional, Union

from ..finding import UNKNOWN, Check, Finding
from ..registry import Outcome, finding_of
from ..thresholds import Bounds
from .declared import PGBACKREST
from .model import Backup, Observation, Repository, ServerState, Unavailable

NAMED = 5  # of a list in a message
FULL = {
    "pgbackrest": (
        "runuser -u ACCOUNT -- pgbackrest --config=CONFIG --stanza=STANZA --type=full backup: from its end on every "
        "time can be restored to again."
    ),
    "basebackup": "Take a new set into BASE (docs/pitr.md): from its end on every time can be restored to again.",
}


class Memory(NamedTuple):
    """What an earlier run saw: failures and position of the server, how many timelines had a history."""

    failed: Optional[int] = None
    position: Optional[int] = None
    system_id: str = ""
    timelines: Optional[int] = None


class Context(NamedTuple):
    """One cluster with all that it is judged by."""

    observation: Observation
    limits: Mapping[str, Bounds]
    before: Memory
    now: float

    @property
    def name(self) -> str:
        """The cluster's name."""
        return self.observation.cluster.name

    @property
    def engine(self) -> str:
        """What takes its backups."""
        return self.observation.cluster.engine

    def bounds(self, option: str, _subject: str) -> Bounds:
        """Return the bounds of an option."""
        return self.limits[option]

    def finding(self, check: Check, outcome: Outcome) -> Finding:
        """Return an outcome as a finding of the cluster, with the remedy of its engine."""
        found = finding_of(check, outcome, self.name, self.engine)
        return found if not found.remedy else _filled(found, self.observation)

    def server(self) -> Iterator[Union[Outcome, ServerState]]:
        """Yield the server, or what there is to say where it does not answer."""
        server = self.observation.server
        if isinstance(server, Unavailable):
            yield Outcome(UNKNOWN, f"the server does not answer: {server.reason}")
        else:
            yield server

    def repositories(self) -> Iterator[Union[Outcome, tuple[str, Repository]]]:
        """Yield each repository with the subject by which it is spoken of, or what there is to say instead."""
        found = self.observation.repositories
        if isinstance(found, Unavailable):
            yield Outcome(UNKNOWN, f"the repository cannot be looked at: {found.reason}")
            return
        for repository in found:
            yield (self.name if len(found) == 1 else f"{self.name} repo{repository.key}"), repository

    def newest(self, repository: Repository, *kinds: str) -> Optional[Backup]:
        """Return the newest backup of some kinds."""
        own = [backup for backup in repository.backups if backup.kind in kinds]
        return max(own, key=lambda backup: backup.ended, default=None)


def _filled(finding: Finding, observation: Observation) -> Finding:
    """Return a finding whose remedy names this cluster's own stanza, account and folders."""
    cluster = observation.cluster
    names = {
        "STANZA": cluster.stanza,
        "CONFIG": cluster.config,
        "ACCOUNT": cluster.account or "the server's account",
        "ARCHIVE": cluster.archive_dir,
        "BASE": cluster.base_dir,
    }
    remedy = finding.remedy
    for name, value in names.items() if cluster.engine == PGBACKREST or cluster.archive_dir else ():
        remedy = remedy.replace(name, value)
    return Finding(**{**vars(finding), "remedy": remedy})


def read_memory(given: Any) -> Memory:
    """Given what was remembered of a cluster, return it; what is damaged is left out."""
    row = given if isinstance(given, dict) else {}

    def whole(name: str) -> Optional[int]:
        value = row.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    return Memory(whole("failed"), whole("position"), str(row.get("system_id") or ""), whole("timelines"))


def memory_of(observation: Observation, before: Memory) -> Memory:
    """Return what is remembered of a cluster after this run; what could not be seen stays as it was."""
    server, found = observation.server, observation.repositories
    if isinstance(server, ServerState):
        before = before._replace(failed=server.archiver.failed, position=server.position, system_id=server.system_id)
    counts = [histories(repository) for repository in found] if not isinstance(found, Unavailable) else []
    known = [number for number in counts if number is not None]
    return before._replace(timelines=max(known)) if known else before


def histories(repository: Repository) -> Optional[int]:
    """Return how many timelines of a repository have a history; None where its WAL cannot be seen."""
    return None if isinstance(repository.archive, Unavailable) else len(repository.archive.histories)
