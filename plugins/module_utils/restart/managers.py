# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who looks after a service, and so how it is stopped and started: systemd, launchd, Windows, or nobody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Optional, Protocol

from ..errors import ActionFailed
from ..host import Host
from ..services.declared import Service
from ..services.model import Observation
from .ending import by_command, end_tree
from .launch import OBSERVERS, capture, run_stop_command, start_detached
from .linux import Systemd
from .macos import Launchd
from .model import Launch, Prepared
from .windows import WindowsScripts, WindowsServices


class ServiceManager(Protocol):
    """What is asked of whoever looks after a service."""

    def obstacle(self, host: Host, observed: Observation, way: Any, ties: Prepared) -> str:
        """Given a service as seen, how it would be started and what the system knows of its services, return why it
        could not be stopped and started again; empty: nothing of this manager's stands against it.
        """

    def observe(self, host: Host, observed: Observation, recorded: Mapping[str, Any]) -> Any:
        """Given a service as seen, and what an interrupted run recorded of it, return how it is started again: a Launch
        or LaunchdJob, None where its manager need not be told.
        """

    def stop(self, host: Host, observed: Observation, command: Sequence[str], timeout: float) -> None:
        """Stop a service within so many seconds; ``command`` is the declared way to stop a script. Raise CoreError."""

    def start(self, host: Host, service: Service, way: Any, timeout: float) -> None:
        """Start a service within so many seconds; ``way`` is what ``observe`` returned. Raise CoreError."""


class SystemManager(ServiceManager, Protocol):
    """A manager that also knows who depends on whom."""

    def prepare(self, host: Host, services: Sequence[Service]) -> Prepared:
        """Given declared services, return what the system knows of them."""


class Scripts:
    """Nobody: script-started services of POSIX systems, known by their pid files."""

    def obstacle(self, host: Host, observed: Observation, way: Any, ties: Prepared) -> str:
        """Return why it could not be started as it ran; what is declared of its environment makes up for it."""
        if not observed.alive or not isinstance(way, Launch) or not way.unavailable or observed.service.environment:
            return ""
        why = f"{way.unavailable}; declare services[{observed.name}].environment"
        return f"{observed.name} could not be started again: {why}"

    def observe(self, host: Host, observed: Observation, recorded: Mapping[str, Any]) -> Optional[Launch]:
        """Return how a service is started again: as it runs, or as was recorded."""
        if observed.service.manager != "pid_file" or host.platform not in OBSERVERS:
            return None
        return capture(host, observed.service, observed.main if observed.alive else None, recorded)

    def stop(self, host: Host, observed: Observation, command: Sequence[str], timeout: float) -> None:
        """End a service by its command, if it has one, and by signals. Raise CoreError."""
        if observed.main is None:
            return
        if command:
            with by_command():
                run_stop_command(host, observed.service, observed.main, timeout)
        end_tree(host, observed.name, observed.main, observed.processes, timeout)

    def start(self, host: Host, service: Service, way: Any, timeout: float) -> None:
        """Start a service by its command. Raise CoreError."""
        if not isinstance(way, Launch):
            raise ActionFailed(f"{service.name} cannot be started: it is not known how it ran")
        start_detached(host, service, way, timeout)


SYSTEMD, LAUNCHD, WINDOWS = Systemd(), Launchd(), WindowsServices()
# The manager of each platform, and managers by Service.manager; who is in neither is a script.
SYSTEM: dict[str, SystemManager] = {"linux": SYSTEMD, "darwin": LAUNCHD, "windows": WINDOWS}
_MANAGERS: dict[str, ServiceManager] = {"systemd": SYSTEMD, "launchd": LAUNCHD, "windows": WINDOWS}
_SCRIPTS, _WINDOWS_SCRIPTS = Scripts(), WindowsScripts()


def manager_of(host: Host, service: Service) -> ServiceManager:
    """Return who looks after a service."""
    nobody: ServiceManager = _WINDOWS_SCRIPTS if host.platform == "windows" else _SCRIPTS
    return _MANAGERS.get(service.manager, nobody)


def stop(host: Host, observed: Observation, timeout: float, command: Sequence[str] = ()) -> None:
    """Given a service as it is at this moment, stop it; ``command`` is the declared way to stop a script.

    Raise CoreError where that takes over ``timeout`` seconds.
    """
    manager_of(host, observed.service).stop(host, observed, command, timeout)


def start(host: Host, service: Service, way: Any, timeout: float) -> None:
    """Start a service; ``way`` is how, a Launch or LaunchdJob, where its manager needs to be told.

    Raise CoreError where it does not start in ``timeout`` seconds.
    """
    manager_of(host, service).start(host, service, way, timeout)
