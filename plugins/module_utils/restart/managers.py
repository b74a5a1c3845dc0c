# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stopping and starting one service, by whoever looks after it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Optional

from ..errors import ActionFailed
from ..host import Host
from ..services.declared import Service
from ..services.observed import Observed
from .ending import end_tree
from .launch import Launch, start_detached

_SYSTEMCTL = ("systemctl", "--no-ask-password")


def reload_systemd(host: Host) -> None:
    """Let systemd read the unit files anew. Raise CoreError."""
    host.run([*_SYSTEMCTL, "daemon-reload"], timeout=90)


def _stop_unit(host: Host, seen: Observed, timeout: float) -> None:
    host.run([*_SYSTEMCTL, "stop", "--", seen.service.unit], timeout=timeout)


def _start_unit(host: Host, service: Service, launch: Optional[Launch], timeout: float) -> None:
    host.run([*_SYSTEMCTL, "start", "--", service.unit], timeout=timeout)


def _stop_script(host: Host, seen: Observed, timeout: float) -> None:
    if seen.main is not None:
        end_tree(host, seen.name, seen.main, seen.processes, timeout)


def _start_script(host: Host, service: Service, launch: Optional[Launch], timeout: float) -> None:
    if launch is None:
        raise ActionFailed(f"{service.name} cannot be started: it is not known how it ran")
    start_detached(host, service, launch, timeout)


# Keyed by Service.manager; launchd and the Windows service manager get theirs here.
STOP_BY: dict[str, Callable[[Host, Observed, float], None]] = {"systemd": _stop_unit, "pid_file": _stop_script}
START_BY: dict[str, Callable[[Host, Service, Optional[Launch], float], None]] = {
    "systemd": _start_unit,
    "pid_file": _start_script,
}


def stop(host: Host, seen: Observed, timeout: float) -> None:
    """Given a service as it is at this moment, stop it. Raise CoreError where that takes over ``timeout`` seconds."""
    STOP_BY[seen.service.manager](host, seen, timeout)


def start(host: Host, service: Service, launch: Optional[Launch], timeout: float) -> None:
    """Start a service. Raise CoreError where it does not start in ``timeout`` seconds."""
    START_BY[service.manager](host, service, launch, timeout)
