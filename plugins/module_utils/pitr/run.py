# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""pitr_check: whether the physical backups of the clusters here, and the WAL behind them, would bring a time back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Optional

from ..finding import SKIPPED, UNKNOWN, Metric, Result
from ..host import Host
from ..memory import recall, remember
from ..registry import Outcome, Rules, finding_of
from .collect import collect
from .commands import utc
from .context import Context, Memory, memory_of, read_memory
from .declared import read_settings
from .model import Exposure, Observation, Repository, ServerState, Unavailable
from .rules_archive import RULES as ARCHIVE
from .rules_archiving import NOT_DECLARED, rpo
from .rules_archiving import RULES as ARCHIVING
from .rules_repository import RULES as REPOSITORY
from .wal import Archive, Window, name_of

NAME = "pitr"
RULES = Rules(ARCHIVING, ARCHIVE, REPOSITORY)
SYSTEMS = ("linux", "darwin")


def run(params: dict[str, Any], host: Host, check_mode: bool = False) -> Result:
    """Given the options of pitr_check, return what is found. It changes nothing; what it remembers of failures and
    timelines is written only outside check mode. Raise InputError.
    """
    settings = read_settings(params)
    if not settings.clusters or host.platform not in SYSTEMS:
        return Result([finding_of(NOT_DECLARED, _not_looked_at(host.platform, bool(settings.clusters)), host.name())])
    memory = recall(params["state_dir"], NAME)
    rows = memory.get("clusters") if isinstance(memory.get("clusters"), dict) else {}
    before = {each.name: read_memory((rows or {}).get(each.name)) for each in settings.clusters}
    observed = [collect(host, each, verify=settings.verify) for each in settings.clusters]
    contexts = [Context(each, settings.bounds, before[each.cluster.name], _now(each, host)) for each in observed]
    after = {each.cluster.name: memory_of(each, before[each.cluster.name]) for each in observed}
    kept = not check_mode and _kept(params["state_dir"], after)
    data = {"clusters": [as_data(context) for context in contexts], "remembered": kept}
    findings = [finding for context in contexts for finding in RULES.judge(context)]
    return Result(findings, [metric for context in contexts for metric in metrics(context)], data={NAME: data})


def _not_looked_at(platform: str, declared: bool) -> Outcome:
    if platform in SYSTEMS or not declared:
        return Outcome(SKIPPED, "no cluster is declared in cryptobot_pitr")
    return Outcome(UNKNOWN, f"the physical backups of a {platform} host cannot be looked at by this release", remedy="")


def _now(observation: Observation, host: Host) -> float:
    """All ages are told on the server's clock, by which commits are timed too, where it answers."""
    return observation.server.now if isinstance(observation.server, ServerState) else host.now()


def _kept(state_dir: str, after: dict[str, Memory]) -> bool:
    return remember(state_dir, NAME, {"clusters": {name: row._asdict() for name, row in after.items()}})


def as_data(context: Context) -> dict[str, Any]:
    """Return one cluster as plain JSON values."""
    observation = context.observation
    server, found = observation.server, observation.repositories
    return {
        "name": context.name,
        "engine": context.engine,
        "version": server.major if isinstance(server, ServerState) else None,
        "timeline": server.timeline if isinstance(server, ServerState) else None,
        "running": isinstance(server, ServerState),
        "archive_mode": server.settings.get("archive_mode") if isinstance(server, ServerState) else None,
        "data_directory": server.settings.get("data_directory") if isinstance(server, ServerState) else None,
        "rpo_seconds": _rpo(observation, context.now),
        "last_commit_archived": None if observation.restorable is None else utc(observation.restorable),
        "repositories": [] if isinstance(found, Unavailable) else [_repository(each, context.now) for each in found],
    }


def _rpo(observation: Observation, now: float) -> Optional[float]:
    exposure = observation.exposure
    return round(rpo(exposure, now), 3) if isinstance(exposure, Exposure) else None


def _repository(repository: Repository, now: float) -> dict[str, Any]:
    size = repository.archive.size if isinstance(repository.archive, Archive) else 0
    return {
        "key": repository.key,
        "code": repository.code,
        "status": repository.message,
        "age_seconds": _age(repository, now, "full", "diff", "incr"),
        "full_age_seconds": _age(repository, now, "full"),
        "backups": [
            {
                "label": backup.label,
                "type": backup.kind,
                "ended": utc(backup.ended),
                "error": backup.error,
                "size": backup.size,
            }
            for backup in repository.backups
        ],
        "segments": None if isinstance(repository.archive, Unavailable) else len(repository.archive.segments),
        "restorable": [_window(window, size) for window in repository.windows()],
    }


def _age(repository: Repository, now: float, *kinds: str) -> Optional[float]:
    ended = [backup.ended for backup in repository.backups if backup.kind in kinds]
    return round(now - max(ended), 1) if ended else None


def _window(window: Window, size: int) -> dict[str, Any]:
    return {
        "timeline": window.timeline,
        "set": window.label,
        "since": utc(window.since),
        "until": utc(window.until),
        "last": name_of(window.last, size),
        "complete": window.complete,
    }


def metrics(context: Context) -> Iterator[Metric]:
    """Yield the numbers of one cluster; what could not be seen has none."""
    labels = {"cluster": context.name}
    seconds = _rpo(context.observation, context.now)
    if seconds is not None:
        yield Metric("cryptobot_pitr_rpo_seconds", seconds, "seconds", labels)
    waiting, found = context.observation.waiting, context.observation.repositories
    if not isinstance(waiting, Unavailable):
        yield Metric("cryptobot_pitr_wal_waiting", waiting.ready, "", labels)
    for repository in () if isinstance(found, Unavailable) else found:
        own = {**labels, "repository": str(repository.key)}
        yield Metric("cryptobot_pitr_gaps", len(repository.gaps()), "", own)
        newest = max((backup.ended for backup in repository.backups), default=None)
        if newest is not None:
            yield Metric("cryptobot_pitr_backup_age_seconds", round(context.now - newest, 1), "seconds", own)
