# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the record of an interrupted restart still says what should run: it has an age, a boot, and of each service
which run of it was stopped. As soon as somebody else has started, stopped or disabled a service, that counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import CoreError, SourceDenied, SourceMissing
from ..host import Host
from ..services.model import Observation, Snapshot
from ..units import human_seconds
from .linux import Node, collect_nodes, last_invocation, started_with
from .record import STARTED, STARTING, STOPPING, Record

# A weekly run may still repair what the one before it left; what has been down for longer, somebody has seen.
MAX_AGE = 8 * 86400.0
SLACK = 60.0  # a clock may be set a little
DOUBT = "nothing tells whether somebody has started or stopped it since"


def mark_of(observed: Observation, nodes: Mapping[str, Node]) -> dict[str, Any]:
    """Given a service that runs, return what tells this run of it from a later one."""
    node = nodes.get(observed.service.unit)
    if node is not None:
        return {"invocation": node.invocation, "file_state": node.file_state}
    if observed.unit is not None:
        return {"file_state": observed.unit.file_state}
    return {"pid": observed.main.pid if observed.main else 0}


def voids(host: Host, record: Record, snapshot: Snapshot) -> dict[str, str]:
    """Return the services of a record that it says nothing about any more, each with the reason."""
    whole = _too_old(record, snapshot)
    observed = {one.name: one for one in snapshot.services if one.name in record.running}
    try:
        nodes = collect_nodes(host, [s.service.unit for s in observed.values() if s.service.manager == "systemd"])
    except CoreError:
        nodes = {}
    every = {name: whole or _void(host, record, one, nodes) for name, one in observed.items()}
    found = {name: why for name, why in every.items() if why}
    return {**found, **_tied(host, observed, found)}


def _tied(host: Host, observed: Mapping[str, Observation], found: Mapping[str, str]) -> dict[str, str]:
    """Return what does not run and whose start would, by systemd's own graph, start what is left stopped, or fail."""
    down = {name: one.service.unit for name, one in observed.items() if one.alive is False and one.service.unit}
    left = {name: unit for name, unit in down.items() if name in found and observed[name].service.manager == "systemd"}
    others = [n for n in down if left and n not in found and observed[n].service.manager == "systemd"]
    return {name: why for name, why in ((name, _why_tied(host, down[name], left, found)) for name in others) if why}


def _why_tied(host: Host, unit: str, left: Mapping[str, str], found: Mapping[str, str]) -> str:
    try:
        along = started_with(host, unit)
    except CoreError as error:
        return f"what its start would start along is not known: {error}"
    pulled = [name for name in left if left[name] in along]
    return f"it cannot start without {pulled[0]}, which is left stopped: {found[pulled[0]]}" if pulled else ""


def _too_old(record: Record, snapshot: Snapshot) -> str:
    age = snapshot.now - record.since
    if not record.boot_id or record.boot_id != snapshot.boot_id:
        return "the host was started anew since, and with it what starts at boot"
    if age < -SLACK:
        return f"the record of that restart is dated {human_seconds(-age)} ahead, so its age is not known"
    return f"that restart was {human_seconds(age)} ago" if age > MAX_AGE else ""


def _void(host: Host, record: Record, observed: Observation, nodes: Mapping[str, Node]) -> str:
    phase = record.phase(observed.name)
    if observed.alive is None:
        return ""
    if observed.alive:
        return "" if phase == STOPPING else "it runs"
    if phase == STARTED:
        return "it ran again then, so somebody else has stopped it"
    if phase not in (STOPPING, STARTING):
        return "that restart had not stopped it, so somebody else has"
    if not record.marks.get(observed.name):
        return DOUBT
    return (
        _void_script(host, record, observed)
        if observed.service.manager == "pid_file"
        else _void_unit(host, record, observed, nodes)
    )


def _void_unit(host: Host, record: Record, observed: Observation, nodes: Mapping[str, Node]) -> str:
    mark, node = record.marks[observed.name], nodes.get(observed.service.unit)
    state = node.file_state if node else observed.unit.file_state if observed.unit else mark.get("file_state")
    # What launchd has taken out is told by its plist, in other words than what it holds: only a disabling counts there.
    if state != mark.get("file_state") and (observed.service.manager != "launchd" or state == "disabled"):
        return f"it was {mark.get('file_state') or 'without a setting'} then and is {state or 'without one'} now"
    if observed.service.manager == "launchd":
        return (
            "somebody has given it to launchd again since"
            if observed.unit and observed.unit.sub != "not-loaded"
            else ""
        )
    if node is None:
        return "" if observed.service.manager == "windows" else DOUBT
    if record.phase(observed.name) == STARTING and (node.state == "failed" or node.sub == "auto-restart"):
        return ""  # that start of it failed; a stop by hand leaves it inactive
    last = node.invocation or last_invocation(host, node.id, record.since)
    if not last or not mark.get("invocation"):
        return DOUBT
    return "" if last == mark["invocation"] else "somebody has started it since"


def _void_script(host: Host, record: Record, observed: Observation) -> str:
    """A start writes the pid file anew; one that its service has removed was removed while that was being stopped."""
    pid_file, pid = observed.pid_file, record.marks[observed.name].get("pid")
    if pid_file is None or (pid_file.written and not pid_file.pid):
        return DOUBT
    if pid_file.pid:
        return "" if pid_file.pid == pid else "its pid file was written since"
    try:
        changed = host.modified(pid_file.path.replace("\\", "/").rpartition("/")[0] or "/")
    except (SourceMissing, SourceDenied):
        return DOUBT
    return "" if changed <= record.until(observed.name) else DOUBT
