# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""db_vacuum: collect of every declared database, plan, and in a run do what was planned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Union

from ..errors import CoreError
from ..finding import SKIPPED, Result
from ..host import Host
from ..lock import host_lock
from ..memory import recall, remember
from ..registry import Rules
from ..restores import require_none_under_way
from .declared import VacuumSettings, parse_settings
from .postgres import run as postgres
from .postgres.context import ServerContext
from .rules_common import REACHABLE
from .rules_common import RULES as BOTH
from .sqlite import run as sqlite
from .sqlite.context import FileContext

RULES = Rules(BOTH, postgres.RULES, sqlite.RULES)
MEMORY = "database"
Context = Union[ServerContext, FileContext]
ENGINES: Mapping[str, Any] = {"postgresql": postgres, "sqlite": sqlite}


def run(params: dict[str, Any], host: Host, check_mode: bool = False) -> Result:
    """Given the module's options, return what was found and what was done, or would be in check mode.

    Raise InputError for wrong options, DriverMissing without psycopg2, LockHeld while another run works on the host.
    """
    settings = parse_settings(params)
    require_none_under_way(settings.state_dir, "no database is vacuumed")
    begun = host.now()
    memory = recall(settings.state_dir, MEMORY)
    contexts = _prepare_all(settings, host, memory)
    acting = not settings.plan_only and not check_mode
    if acting and any(context.steps for context in contexts):
        contexts = _vacuum_all(contexts, settings, host, begun + settings.window_s)
    result = _merged([ENGINES[context.entry.engine].report(context, host) for context in contexts] or [_nothing(host)])
    result.changed = result.changed or (
        check_mode and not settings.plan_only and any(context.steps for context in contexts)
    )
    if acting:
        result.data["remembered"] = _remember(contexts, settings, host, memory)
    return result


def _prepare_all(settings: VacuumSettings, host: Host, memory: Mapping[str, Any]) -> list[Context]:
    """Prepare each database; each plans into what the ones before it leave of the window."""
    contexts: list[Context] = []
    left = settings.window_s
    for entry in settings.databases:
        contexts.append(ENGINES[entry.engine].prepare(entry, settings, host, _part(memory, entry.name), max(0.0, left)))
        left -= contexts[-1].predicted_s
    return contexts


def _part(memory: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = memory.get(name)
    return part if isinstance(part, dict) else {}


def _vacuum_all(contexts: list[Context], settings: VacuumSettings, host: Host, deadline: float) -> list[Context]:
    with host_lock(settings.state_dir, "W1.3 db_vacuum", host) as heartbeat:
        return [ENGINES[context.entry.engine].vacuum(context, host, deadline, heartbeat) for context in contexts]


def _remember(contexts: list[Context], settings: VacuumSettings, host: Host, memory: Mapping[str, Any]) -> bool:
    parts = {
        name: ENGINES[context.entry.engine].memory_of(context, _part(memory, name), host)
        for name, context in ((context.entry.name, context) for context in contexts)
    }
    try:
        return remember(settings.state_dir, MEMORY, {**memory, **parts})
    except CoreError:
        return False


def _nothing(host: Host) -> Result:
    return Result([REACHABLE.finding(SKIPPED, host.name(), "no database is declared", remedy="")])


def _merged(results: list[Result]) -> Result:
    """Given one result for each database, return the result of the run."""
    return Result(
        findings=[finding for result in results for finding in result.findings],
        metrics=[metric for result in results for metric in result.metrics],
        actions=[action for result in results for action in result.actions],
        data={
            "databases": [result.data for result in results if result.data],
            "freed_bytes": sum(int(result.data.get("freed_bytes") or 0) for result in results),
        },
        changed=any(result.changed for result in results),
        failure="; ".join(result.failure for result in results if result.failure),
    )
