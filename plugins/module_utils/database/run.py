# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""db_vacuum: look at every declared database, plan, and in a run do what was planned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Union

from ..errors import CoreError
from ..finding import SKIPPED, Result
from ..host import Host
from ..lock import host_lock
from ..memory import recall, remember
from ..registry import Rules
from .postgres import run as postgres
from .postgres.look import Look as ServerLook
from .rules_common import REACHABLE
from .rules_common import RULES as BOTH
from .settings import Settings, parse_settings
from .sqlite import run as sqlite
from .sqlite.look import Look as FileLook

RULES = Rules(BOTH, postgres.RULES, sqlite.RULES)
MEMORY = "database"
Look = Union[ServerLook, FileLook]
ENGINES: Mapping[str, Any] = {"postgresql": postgres, "sqlite": sqlite}


def run(params: dict[str, Any], host: Host, check_mode: bool = False) -> Result:
    """Given the module's options, return what was found and what was done, or would be in check mode.

    Raise InputError for wrong options, DriverMissing without psycopg2, LockHeld while another run works on the host.
    """
    settings = parse_settings(params)
    begun = host.now()
    memory = recall(settings.state_dir, MEMORY)
    looks = _look_at_all(settings, host, memory)
    acting = not settings.plan_only and not check_mode
    if acting and any(look.steps for look in looks):
        looks = _take_all(looks, settings, host, begun + settings.window_s)
    result = _merged([ENGINES[look.entry.engine].tell(look, host) for look in looks] or [_nothing(host)])
    result.changed = result.changed or (check_mode and not settings.plan_only and any(look.steps for look in looks))
    if acting:
        result.data["remembered"] = _remember(looks, settings, host, memory)
    return result


def _look_at_all(settings: Settings, host: Host, memory: Mapping[str, Any]) -> list[Look]:
    """Look at each database; each plans into what the ones before it leave of the window."""
    looks: list[Look] = []
    left = settings.window_s
    for entry in settings.databases:
        looks.append(ENGINES[entry.engine].look(entry, settings, host, _part(memory, entry.name), max(0.0, left)))
        left -= looks[-1].predicted_s
    return looks


def _part(memory: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = memory.get(name)
    return part if isinstance(part, dict) else {}


def _take_all(looks: list[Look], settings: Settings, host: Host, deadline: float) -> list[Look]:
    with host_lock(settings.state_dir, "W1.3 db_vacuum", host) as beat:
        return [ENGINES[look.entry.engine].take(look, host, deadline, beat) for look in looks]


def _remember(looks: list[Look], settings: Settings, host: Host, memory: Mapping[str, Any]) -> bool:
    parts = {
        look.entry.name: ENGINES[look.entry.engine].lesson(look, _part(memory, look.entry.name), host) for look in looks
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
