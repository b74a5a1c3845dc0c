# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stopping and starting one service, by whoever looks after it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from ..errors import ActionFailed, CoreError
from ..host import Host
from ..services.declared import Service
from ..services.model import Observation
from ..services.pid_file import read_pid_file
from .ending import CommandFailed, end_tree
from .interruption import Interrupted
from .launch import is_named, run_stop_command, start_detached, write_pid_file
from .linux.graph import read_nodes
from .macos.launchctl import boot_in, boot_out
from .model import Launch, LaunchdJob
from .windows.scripts import start_script, stop_script
from .windows.services import start_service, stop_service

POLL = 0.25
MARGIN = 10.0
_SYSTEMCTL = ("systemctl", "--no-ask-password")
Words = Sequence[str]


def reload_systemd(host: Host) -> None:
    """Let systemd read the unit files anew. Raise CoreError."""
    host.run([*_SYSTEMCTL, "daemon-reload"], timeout=90)


def _stop_unit(host: Host, seen: Observation, command: Words, timeout: float) -> None:
    host.run([*_SYSTEMCTL, "stop", "--", seen.service.unit], timeout=timeout)


def _start_unit(host: Host, service: Service, way: Any, timeout: float) -> None:
    host.run([*_SYSTEMCTL, "start", "--", service.unit], timeout=timeout)


def start_queued(host: Host, unit: str, longest: float) -> None:
    """Start a unit that may still be ending: systemd queues the start behind the stop. Wait as long as both may take
    by the unit's own bounds, ``longest`` seconds where it has none. Raise CoreError.
    """
    host.run([*_SYSTEMCTL, "start", "--no-block", "--", unit])
    patience = next((node.patience for node in read_nodes(host, [unit]).values()), 0.0)
    bound = longest if patience == float("inf") else patience + MARGIN
    host.extend(bound + MARGIN)
    begun = time.monotonic()
    while True:
        host.pause(POLL)
        nodes = list(read_nodes(host, [unit]).values())
        if nodes and not nodes[0].job and nodes[0].state not in ("activating", "deactivating"):
            return
        if time.monotonic() - begun > bound:
            raise ActionFailed(f"{unit} is {nodes[0].state if nodes else 'not known'} {bound:.0f} s after its start")


def start_along(host: Host, unit: str, timeout: float) -> None:
    """Start a unit that was stopped along. A target is made active alone: it would start more than was stopped."""
    alone = ["--job-mode=ignore-dependencies"] if unit.endswith((".target", ".slice")) else []
    host.run([*_SYSTEMCTL, "start", *alone, "--", unit], timeout=timeout)


def _stop_job(host: Host, seen: Observation, command: Words, timeout: float) -> None:
    if seen.unit is not None and seen.unit.target:  # else launchd does not know it: it is stopped
        boot_out(host, seen.unit.target, timeout)


def _start_job(host: Host, service: Service, way: Any, timeout: float) -> None:
    if not isinstance(way, LaunchdJob):
        raise ActionFailed(f"{service.name} cannot be started: it is not known which plist it is from")
    boot_in(host, way, timeout)


def _stop_service(host: Host, seen: Observation, command: Words, timeout: float) -> None:
    stop_service(host, seen.service.unit, timeout)


def _start_service(host: Host, service: Service, way: Any, timeout: float) -> None:
    start_service(host, service.unit, timeout)


@contextmanager
def _by_command() -> Iterator[None]:
    """Tell what goes wrong in a block that lets a stop command end a service as CommandFailed."""
    try:
        yield
    except Interrupted:
        raise
    except CoreError as error:
        raise CommandFailed(str(error)) from error


def _stop_script(host: Host, seen: Observation, command: Words, timeout: float) -> None:
    if seen.main is None:
        return
    if command:
        with _by_command():
            run_stop_command(host, seen.service, seen.main, timeout)
    end_tree(host, seen.name, seen.main, seen.processes, timeout)


def _start_script(host: Host, service: Service, way: Any, timeout: float) -> None:
    if not isinstance(way, Launch):
        raise ActionFailed(f"{service.name} cannot be started: it is not known how it ran")
    start_detached(host, service, way, timeout)


def _stop_windows_script(host: Host, seen: Observation, command: Words, timeout: float) -> None:
    if seen.main is None:
        return
    with _by_command():
        stop_script(host, seen.name, command, seen.processes, timeout)


def _start_windows_script(host: Host, service: Service, way: Any, timeout: float) -> None:
    before = read_pid_file(host, service.pid_file).pid
    named = partial(is_named, host, service, before)
    start_script(host, service, named, partial(write_pid_file, service, Launch(service.chdir)), timeout)


# Keyed by Service.manager, scripts of Windows apart.
STOP_BY: dict[str, Callable[[Host, Observation, Words, float], None]] = {
    "systemd": _stop_unit,
    "launchd": _stop_job,
    "windows": _stop_service,
    "pid_file": _stop_script,
    "pid_file on windows": _stop_windows_script,
}
START_BY: dict[str, Callable[[Host, Service, Any, float], None]] = {
    "systemd": _start_unit,
    "launchd": _start_job,
    "windows": _start_service,
    "pid_file": _start_script,
    "pid_file on windows": _start_windows_script,
}


def _way(host: Host, service: Service) -> str:
    own = f"{service.manager} on {host.platform}"
    return own if own in STOP_BY else service.manager


def stop(host: Host, seen: Observation, timeout: float, command: Words = ()) -> None:
    """Given a service as it is at this moment, stop it; ``command`` is the declared way to stop a script.

    Raise CoreError where that takes over ``timeout`` seconds.
    """
    STOP_BY[_way(host, seen.service)](host, seen, command, timeout)


def start(host: Host, service: Service, way: Any, timeout: float) -> None:
    """Start a service; ``way`` is how, a Launch or Job, where its manager needs to be told.

    Raise CoreError where it does not start in ``timeout`` seconds.
    """
    START_BY[_way(host, service)](host, service, way, timeout)
