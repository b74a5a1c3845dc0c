# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""After a restart every unit of the host that was active before is compared with now, whatever the plan was."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from ..errors import CoreError
from ..finding import DONE, FAILED, Action
from ..host import Host
from . import managers
from .linux import Node, collect_nodes, list_active, reach
from .model import START, Progress

START_TIMEOUT = 90.0
# Units that come and go with logins, devices and one-time jobs: that they are gone tells nothing of a restart.
_PASSING = (".scope", ".device", ".slice", ".timer", ".path")
_OF_LOGINS = ("session-", "user@", "user-runtime-dir@", "run-")


class Watch(NamedTuple):
    """What was active before the first step, and what the stops of the plan reach, by the ids of units."""

    units: tuple[str, ...] = ()
    active: frozenset[str] = frozenset()
    reached: frozenset[str] = frozenset()


def begin_watch(host: Host, units: Sequence[str]) -> Watch:
    """Given the units of systemd that will be stopped, return what is active before. Raise CoreError."""
    if not units:
        return Watch()
    return Watch(tuple(units), list_active(host), _reached(host, units))


def _reached(host: Host, units: Collection[str]) -> frozenset[str]:
    return frozenset(node.id for node in reach(host, units).values())


def put_back_along(host: Host, watch: Watch, progress: Progress) -> None:
    """Start whatever was active before and was stopped along, and note what else is not active any more."""
    try:
        gone = _gone(host, watch) if watch.units else []
        reached = watch.reached | _reached(host, watch.units) if gone else watch.reached
    except CoreError as error:
        progress.failures.append(f"what ran before cannot be compared with what runs now: {error}")
        return
    for node in gone:
        if node.id in reached:
            _put_back(host, node, progress)
        elif _counts(node):
            progress.gone.append(node.id)


def _gone(host: Host, watch: Watch) -> list[Node]:
    nodes = collect_nodes(host, watch.active - list_active(host))
    return sorted({node.id: node for node in nodes.values()}.values())


def _counts(node: Node) -> bool:
    passing = node.id.endswith(_PASSING) or node.id.startswith(_OF_LOGINS)
    return not passing and not node.triggered and not node.active


def _put_back(host: Host, node: Node, progress: Progress) -> None:
    if node.id in progress.named:
        return  # told already: it does not start
    fault = _start(host, node)
    if fault:
        progress.failures.append(f"{node.id} could not be started again: {fault}")
        progress.actions.append(Action(START, node.id, FAILED, fault))
        progress.not_running.append(node.id)
    else:
        progress.actions.append(Action(START, node.id, DONE, "it was stopped along with what it depends on"))


def _start(host: Host, node: Node) -> str:
    """Start a unit; return why it does not run, empty where it does."""
    try:
        managers.SYSTEMD.start_along(host, node.id, START_TIMEOUT)
        active = any(one.active for one in collect_nodes(host, [node.id]).values())
    except CoreError as error:
        return str(error)
    return "" if active else "it ended right after its start"
