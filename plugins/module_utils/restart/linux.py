# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What systemd knows of its units, how it is told to stop and start them, and how a process runs on a Linux host.

Stopping a unit stops, in the same job, whatever requires it (Requires=, Requisite=, BindsTo=), is part of it (PartOf=)
or is named by its PropagatesStopTo=, and whatever those take along, also through units that are not active. See
systemd.unit(5).
"""

from __future__ import annotations

import json
import os
import re
import stat
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ..asking import ask
from ..errors import ActionFailed, CoreError
from ..host import Host
from ..processes.collect import read_process
from ..processes.linux import parse_accounts
from ..processes.model import Process
from ..reading import reading
from ..services.declared import Service
from ..services.model import Observation
from .model import Launch, Prepared
from .order import united
from .proof import RunningProcess

POLL = 0.25
MARGIN = 10.0
STARTABLE = (".service", ".socket")  # what else is stopped along is put back at the end
_SYSTEMCTL = ("systemctl", "--no-ask-password")
_FOLLOWERS = ("RequiredBy", "RequisiteOf", "BoundBy", "ConsistsOf", "PropagatesStopTo")
_PROPERTIES = (
    f"Id,Names,LoadState,ActiveState,SubState,UnitFileState,InvocationID,Job,TriggeredBy,TimeoutStopUSec,"
    f"TimeoutStartUSec,{','.join(_FOLLOWERS)}"
)
# What a start of a unit starts as well, and what it fails without.
_PULLS = ("Requires", "BindsTo", "Wants", "Upholds", "Requisite")
_LIST = ("systemctl", "list-units", "--all", "--no-pager", "--plain", "--no-legend", "--full")
ACTIVE = ("active", "reloading", "activating")
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0, "month": 2629800.0}


class Node(NamedTuple):
    """One unit. ``followers`` are the units that a stop of this one stops as well; ``invocation`` is the id of its last
    start (empty: systemd has forgotten it), ``job`` whether systemd is about to change it.

    ``patience`` is how many seconds its end and its start may take; infinite where nothing bounds them.
    """

    id: str
    names: tuple[str, ...]
    state: str
    sub: str = ""
    found: bool = True
    file_state: str = ""
    invocation: str = ""
    job: bool = False
    triggered: bool = False
    followers: tuple[str, ...] = ()
    patience: float = 0.0

    @property
    def active(self) -> bool:
        """Whether it is up, or being started."""
        return self.state in ACTIVE


def collect_nodes(host: Host, names: Iterable[str]) -> dict[str, Node]:
    """Given names of units, return the units by each of their names. Raise CoreError."""
    wanted = sorted(set(names))
    if not wanted:
        return {}
    nodes = parse_nodes(host.run(["systemctl", "show", "--no-pager", "-p", _PROPERTIES, "--", *wanted]).stdout)
    return {name: node for node in nodes for name in (node.id, *node.names)}


def parse_nodes(text: str) -> list[Node]:
    """Given what ``systemctl show`` printed, return its units; a block that names none is left out."""
    blocks = (dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in text.split("\n\n"))
    return [_node(block) for block in blocks if block.get("Id")]


def _node(block: Mapping[str, str]) -> Node:
    return Node(
        id=block["Id"],
        names=tuple(block.get("Names", "").split()) or (block["Id"],),
        state=block.get("ActiveState", ""),
        sub=block.get("SubState", ""),
        found=block.get("LoadState") != "not-found",
        file_state=block.get("UnitFileState", ""),
        invocation=block.get("InvocationID", ""),
        job=block.get("Job", "") not in ("", "0"),
        triggered=bool(block.get("TriggeredBy")),
        followers=tuple(dict.fromkeys(" ".join(block.get(name, "") for name in _FOLLOWERS).split())),
        # A stop may take its time twice: for the end that it asks for, and for that of what is killed then.
        patience=2 * seconds_of(block.get("TimeoutStopUSec", "")) + seconds_of(block.get("TimeoutStartUSec", "")),
    )


def seconds_of(text: str) -> float:
    """Given a span as systemd writes it (``1min 30s``, ``500ms``, ``infinity``), return seconds; 0 where it is none."""
    if text == "infinity":
        return float("inf")
    pieces = re.findall(r"([\d.]+)(us|ms|s|min|h|d|w|month)\b", text)
    return sum(float(number) * _SECONDS[unit] for number, unit in pieces)


def reach(host: Host, names: Iterable[str]) -> dict[str, Node]:
    """Given names of units, return them and all that is stopped along with any of them, by each of their names."""
    nodes: dict[str, Node] = {}
    asked: set[str] = set()
    waiting = set(names)
    while waiting:
        asked |= waiting
        nodes.update(collect_nodes(host, waiting))
        waiting = {follower for node in nodes.values() for follower in node.followers} - asked
    return nodes


def started_with(host: Host, unit: str) -> frozenset[str]:
    """Given the name of a unit, return the names of it and of all that a start of it starts or needs, active or not.

    Raise CoreError.
    """
    found: set[str] = set()
    waiting = {unit}
    while waiting:
        found |= waiting
        argv = ["systemctl", "show", "--no-pager", "-p", f"Names,{','.join(_PULLS)}", "--", *sorted(waiting)]
        rows = [line.split("=", 1) for line in host.run(argv).stdout.splitlines() if "=" in line]
        found |= {name for key, names in rows if key == "Names" for name in names.split()}
        waiting = {name for key, names in rows if key in _PULLS for name in names.split()} - found
    return frozenset(found)


def stopped_with(nodes: Mapping[str, Node], name: str) -> set[str]:
    """Given units and the name of one, return the ids of all that is stopped along with it, without itself."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        node = nodes.get(waiting.pop())
        if node is not None and node.id not in found:
            found.add(node.id)
            waiting.extend(node.followers)
    return found - {nodes[name].id} if name in nodes else set()


def list_active(host: Host) -> frozenset[str]:
    """Return the ids of all units of the host that are active. Raise CoreError."""
    text = host.run([*_LIST, f"--state={','.join(ACTIVE)}"]).stdout
    return frozenset(line.split()[0] for line in text.splitlines() if line.strip())


def last_invocation(host: Host, unit: str, since: float) -> str:
    """Return the id of the last start of a unit since a moment (epoch) as systemd itself logged it; empty: not known.

    systemd forgets a unit that is stopped and that nothing refers to; the journal does not.
    """
    fields = "--output-fields=INVOCATION_ID"
    argv = ["journalctl", "-q", "--no-pager", "-o", "json", fields, "-n", "1", f"--since=@{since:.0f}"]
    try:
        lines = ask(host, [*argv, "_PID=1", f"UNIT={unit}"], nothing=(1,)).text.splitlines()
        entry = json.loads(lines[-1]) if lines else {}
    except (CoreError, ValueError):
        return ""
    return str(entry.get("INVOCATION_ID") or "") if isinstance(entry, dict) else ""


def strays(host: Host, units: Collection[str]) -> list[str]:
    """Given units that are about to be stopped, return what else runs and would be stopped along. Raise CoreError."""
    nodes = reach(host, units)
    meant = {nodes[unit].id for unit in units if unit in nodes}
    along = {other for unit in units for other in stopped_with(nodes, unit)} - meant
    return sorted(other for other in along if nodes[other].active and other.endswith((".service", ".socket")))


def observe_process(host: Host, process: Process) -> RunningProcess:
    """Given a running process, return how it runs. It may become another program while it is looked at: what it is
    and whose rights it has must be the same before and after.
    """
    pid = process.pid
    try:
        accounts, exe = parse_accounts(host.read(f"/proc/{pid}/status")), host.link(f"/proc/{pid}/exe")
        pairs = host.read(f"/proc/{pid}/environ").split("\0")
        folder, set_id = host.link(f"/proc/{pid}/cwd"), _is_set_id(f"/proc/{pid}/exe")
        again = parse_accounts(host.read(f"/proc/{pid}/status")), host.link(f"/proc/{pid}/exe")
        now = read_process(host, pid)
    except CoreError as error:
        return RunningProcess(Launch("/"), unavailable=f"how it runs cannot be seen: {error}")
    if again != (accounts, exe) or now is None or now.began != process.began:
        return RunningProcess(Launch("/"), unavailable="it became another program while it was looked at; run it again")
    environment = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
    ids = (accounts.uids[1], accounts.gids[1], accounts.groups)
    return RunningProcess(Launch(folder, ids, environment), accounts, exe, set_id)


def _is_set_id(path: str) -> bool:
    with reading(path):
        return bool(os.stat(path).st_mode & (stat.S_ISUID | stat.S_ISGID))


class Systemd:
    """systemd of a Linux host, which looks after units."""

    def prepare(self, host: Host, services: Sequence[Service]) -> Prepared:
        """Given declared services, return them with the units that systemd stops together with them, declared or not.

        A unit that requires another is stopped with it and not started again: whoever stops must know it.
        """
        units = [service.unit for service in services if service.manager == "systemd"]
        try:
            nodes = reach(host, units)
        except CoreError as error:  # then its units cannot be looked at either, so nothing is stopped
            why = f"what systemd would stop along is not known: {error}"
            return Prepared(list(services), unknown=why)
        names = {node.id: service.name for service in services for node in _node_of(nodes, service)}
        more = {node.id for node in nodes.values() if node.active and node.id.endswith(STARTABLE)} - set(names)
        known = [*services, *(Service(unit, unit=unit) for unit in sorted(more))]
        names.update({unit: unit for unit in more})
        along = {name: _followers(nodes, names, unit) for unit, name in names.items()}
        return Prepared(united(known, along), along)

    def obstacle(self, host: Host, observed: Observation, way: Any, ties: Prepared) -> str:
        """Return why a service could not be stopped and started again; empty: it could."""
        return ties.unknown

    def observe(self, host: Host, observed: Observation, recorded: Mapping[str, Any]) -> None:
        """Return how a service is started again: systemd knows it."""

    def stop(self, host: Host, observed: Observation, command: Sequence[str], timeout: float) -> None:
        """Stop a unit. Raise CoreError."""
        host.run([*_SYSTEMCTL, "stop", "--", observed.service.unit], timeout=timeout)

    def start(self, host: Host, service: Service, way: Any, timeout: float) -> None:
        """Start a unit. Raise CoreError."""
        host.run([*_SYSTEMCTL, "start", "--", service.unit], timeout=timeout)

    def reload(self, host: Host) -> None:
        """Let systemd read the unit files anew. Raise CoreError."""
        host.run([*_SYSTEMCTL, "daemon-reload"], timeout=90)

    def start_queued(self, host: Host, unit: str, longest: float) -> None:
        """Start a unit that may still be ending: systemd queues the start behind the stop. Wait as long as both may
        take by the unit's own bounds, ``longest`` seconds where it has none. Raise CoreError.
        """
        host.run([*_SYSTEMCTL, "start", "--no-block", "--", unit])
        patience = next((node.patience for node in collect_nodes(host, [unit]).values()), 0.0)
        bound = longest if patience == float("inf") else patience + MARGIN
        host.extend(bound + MARGIN)
        begun = time.monotonic()
        while True:
            host.pause(POLL)
            nodes = list(collect_nodes(host, [unit]).values())
            if nodes and not nodes[0].job and nodes[0].state not in ("activating", "deactivating"):
                return
            if time.monotonic() - begun > bound:
                raise ActionFailed(
                    f"{unit} is {nodes[0].state if nodes else 'not known'} {bound:.0f} s after its start"
                )

    def start_along(self, host: Host, unit: str, timeout: float) -> None:
        """Start a unit that was stopped along. A target is made active alone: it would start more than was stopped."""
        alone = ["--job-mode=ignore-dependencies"] if unit.endswith((".target", ".slice")) else []
        host.run([*_SYSTEMCTL, "start", *alone, "--", unit], timeout=timeout)


def _node_of(nodes: Mapping[str, Node], service: Service) -> Sequence[Node]:
    node = nodes.get(service.unit) if service.manager == "systemd" else None
    return [node] if node is not None else []


def _followers(nodes: Mapping[str, Node], names: Mapping[str, str], unit: str) -> tuple[str, ...]:
    along = {names[other] for other in stopped_with(nodes, unit) if other in names}
    return tuple(sorted(along - {names[unit]}))
