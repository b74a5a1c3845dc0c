# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Holding services down while what they work on is swapped, so that nothing else starts them either.

A mask does not hold a unit whose file lies in /etc/systemd/system. What does: a drop-in beside it that asserts that a
lock file of ours is not there. An assertion fails the start job, whoever asks for it: an operator, a timer, a socket, a
unit that requires it, the boot. Both are on the disk, so that a host that loses its power half way comes up without
them; the lock goes first and the drop-ins last. That it holds is proved by trying to start each unit.

A script-started service has nobody that would start it again: it is ended, and the look for who has files open comes
after.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Optional

from ..errors import ActionFailed, CoreError
from ..host import Host
from ..publish import fsync_path, publish_file
from ..restart import managers
from ..restart.collect import unnamed
from ..restart.gate import glance, pass_gate
from ..restart.launch import capture, require_proof
from ..restart.linux import ACTIVE, Node, collect_nodes
from ..restart.model import Launch, Progress
from ..restart.put_back import Watch, begin_watch, put_back_along
from ..restart.run import remember_begins
from ..services.collect import collect_snapshot
from ..services.declared import Service
from .declared import STARTED, Request

SYSTEMD = "systemd"
UNITS = Path("/etc/systemd/system")
DROP_IN, LOCK = "cryptobot-restore.conf", "restore.lock"
ENDED = ("inactive", "failed")
POLL, PROOF = 0.25, 20.0  # seconds
SUPPORTED = ("", "pid_file", SYSTEMD)


class Started(NamedTuple):
    """What came of starting the services: failures as sentences, and how long each took to be well, by name."""

    failures: tuple[str, ...]
    seconds: Mapping[str, float]


def obstacle(host: Host, services: Sequence[Service]) -> str:
    """Return why these services could not be held down or started again; empty: they could."""
    other = next((service for service in services if service.manager not in SUPPORTED), None)
    if other is not None:
        text = f"the service {other.name} is one of {other.manager}, which this release cannot hold down"
        return f"{text}: stop and disable the services, run it with services: [], and enable them again"
    if any(service.manager == SYSTEMD for service in services) and not host.is_admin():
        return "units of systemd are held down by root alone"
    snapshot = collect_snapshot(host, [each._replace(state=STARTED) for each in services], (), 0.0)
    doubts = unnamed(snapshot)
    return "; ".join(f"{name}: {why}" for name, why in doubts.items())


def ways_of(host: Host, services: Sequence[Service]) -> dict[str, Launch]:
    """Return how each script-started service is started again, as it runs now. It may hold secrets."""
    scripts = [glance(host, service) for service in services if service.manager == "pid_file"]
    return {one.name: capture(host, one.service, one.main if one.alive else None, {}) for one in scripts}


def survey(host: Host, services: Sequence[Service], state_dir: str, ways: Mapping[str, Launch]) -> dict[str, Any]:
    """Return what a hold-down of these services will have to undo, as plain values. Raise CoreError."""
    units = [service.unit for service in services if service.manager == SYSTEMD]
    known = {name: node for name, node in collect_nodes(host, units).items() if node.found} if units else {}
    held = [unit for unit in units if unit in known]
    starters = triggers(host, held) if held else []
    watch = begin_watch(host, [*held, *starters])
    return {
        "lock": str(Path(state_dir, LOCK)),
        "units": held,
        "triggers": starters,
        "watch": {"units": list(watch.units), "active": sorted(watch.active), "reached": sorted(watch.reached)},
        "scripts": {name: way.as_record() for name, way in ways.items()},
    }


def triggers(host: Host, units: Sequence[str]) -> list[str]:
    """Return the timers, sockets and paths that start some units. Raise CoreError."""
    text = host.run(["systemctl", "show", "--no-pager", "-p", "TriggeredBy", "--", *units]).stdout
    rows = [line.partition("=")[2] for line in text.splitlines()]
    return sorted({name for row in rows for name in row.split()})


def hold(host: Host, services: Sequence[Service], held: Mapping[str, Any], timeout: float) -> None:
    """End services, in the reverse of their order, and see to it that nothing starts their units.

    Raise CoreError where one does not end, or can be started all the same.
    """
    units = [*held["units"], *held["triggers"]]
    if units:
        lock_down(host, Path(held["lock"]), units)
        for trigger in held["triggers"]:
            _end_unit(host, trigger, timeout)
    for service in reversed(services):
        if service.manager == SYSTEMD:
            if service.unit in held["units"]:
                _end_unit(host, service.unit, timeout)
            continue
        observed = glance(host, service)
        if observed.alive:
            require_proof(host, observed)
            managers.stop(host, observed, timeout, service.stop_command)
    for unit in held["units"]:
        _prove_held(host, unit)


def lock_down(host: Host, lock: Path, units: Sequence[str]) -> None:
    """Write the lock and the drop-ins, and have systemd read them."""
    publish_file(lock, b"a restore of cryptobot.maintenance is under way\n")
    said = str(lock).replace("%", "%%")
    for unit in units:
        text = f"# A restore of cryptobot.maintenance is under way.\n[Unit]\nAssertPathExists=!{said}\n"
        publish_file(UNITS / f"{unit}.d" / DROP_IN, text.encode(), 0o644)
    managers.SYSTEMD.reload(host)


def _end_unit(host: Host, unit: str, timeout: float) -> None:
    """Stop a unit, again where somebody starts it at that moment: that cancels the stop. Raise ActionFailed."""
    begun = time.monotonic()
    while True:
        node = _node(host, unit)
        if node.state in ENDED:
            return
        if time.monotonic() - begun > timeout:
            raise ActionFailed(f"{unit} is still {node.state} ({node.sub}) {timeout:.0f} s after it was to end")
        if node.state != "deactivating":
            host.run(["systemctl", "--no-ask-password", "stop", "--no-block", "--", unit])
        host.pause(POLL)


def _node(host: Host, unit: str) -> Node:
    return next(iter(collect_nodes(host, [unit]).values()), Node(unit, (), "inactive", found=False))


def _prove_held(host: Host, unit: str) -> None:
    """Try to start a unit that must not start. Raise ActionFailed where it does, or where nobody can tell."""
    host.run(["systemctl", "--no-ask-password", "start", "--no-block", "--", unit], expect=None)
    begun = time.monotonic()
    while True:
        node = _node(host, unit)
        if node.state in ACTIVE:
            raise ActionFailed(f"{unit} could be started although it is held down ({node.state})")
        if not node.job:
            return
        if time.monotonic() - begun > PROOF:
            raise ActionFailed(f"whether {unit} is held down could not be told in {PROOF:.0f} s: its start is queued")
        host.pause(POLL)


def release(host: Host, held: Mapping[str, Any]) -> None:
    """Let the units start again. Nothing is started by this. It may be done twice."""
    if not held:
        return
    lock, found = Path(held["lock"]), False
    if lock.exists():
        lock.unlink()
        fsync_path(lock.parent)
    for unit in [*held["units"], *held["triggers"]]:
        path = UNITS / f"{unit}.d" / DROP_IN
        found = path.exists() or found
        path.unlink(missing_ok=True)
        if path.parent.is_dir() and not os.listdir(path.parent):
            path.parent.rmdir()
    if found:
        managers.SYSTEMD.reload(host)
        host.run(["systemctl", "reset-failed", "--", *held["units"], *held["triggers"]], expect=None)


def start(host: Host, request: Request, held: Mapping[str, Any], ways: Mapping[str, Launch]) -> Started:
    """Start the services that are meant to run, in their order, each until it is well; then what was stopped along.
    ``ways`` is how script-started ones ran; what a run that was killed wrote of them stands for it.

    One that does not start is a failure, and ends nothing: what comes after it is started as well.
    """
    progress = Progress()
    host.extend(request.gate.rollback_timeout)
    for service in request.to_hold:
        if service.state != STARTED:
            continue
        recorded = held.get("scripts", {}).get(service.name) or {}
        way = ways.get(service.name)
        if service.manager == "pid_file" and way is None:
            way = capture(host, service, None, recorded)
        fault = _start(host, service, way, request, progress)
        progress.failures += [f"{service.name} did not come back: {fault}"] if fault else []
    watch = {name: held.get("watch", {}).get(name, ()) for name in ("units", "active", "reached")}
    if watch["units"]:
        progress.named.update(held["units"])
        put_back_along(
            host, Watch(tuple(watch["units"]), frozenset(watch["active"]), frozenset(watch["reached"])), progress
        )
    remember_begins(request.state_dir, progress)
    seconds = {name: passage.seconds for name, passage in progress.passages.items()}
    return Started(tuple(progress.failures), seconds)


def _start(host: Host, service: Service, way: Optional[Launch], request: Request, progress: Progress) -> str:
    """Start a service and let it pass its gate; return why it is not well, or an empty text."""
    try:
        if not glance(host, service).alive:
            managers.start(host, service, way, request.gate.gate_timeout)
        passage = pass_gate(host, service, frozenset(), request.gate)
    except CoreError as error:
        return str(error)
    progress.passages[service.name] = passage
    return passage.fault
