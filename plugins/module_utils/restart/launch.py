# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Starting a script-started service the way it ran before: same account, folder and environment, on its own feet."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Optional

from ..clock import Clock
from ..errors import ActionFailed, CoreError, InputError, ToolFailed
from ..host import Host
from ..masking import Mask
from ..process import run_process
from ..processes.collect import read_process, uptime
from ..processes.model import ZOMBIE, Process
from ..publish import publish_file
from ..redact import tells_secret
from ..rights import NotSwitched, Rights
from ..services.declared import Service
from ..services.model import Observation
from ..services.pid_file import is_service, read_pid_file
from ..surroundings import Surroundings
from . import linux, macos
from .ending import Refused
from .model import Launch
from .output import fault_of_output, open_output, writing_in
from .proof import RunningProcess, doubt, doubt_for_root

if sys.platform != "win32":
    import pwd

POLL = 0.1
# How long a service has to write its own pid file before one is written for it.
OWN_PID_FILE = 3.0


# How it is observed how a running process was started.
OBSERVERS: dict[str, Callable[[Host, Process], RunningProcess]] = {
    "linux": linux.observe_process,
    "darwin": macos.observe_process,
}


def capture(host: Host, service: Service, main: Optional[Process], recorded: Mapping[str, Any]) -> Launch:
    """Given a service, its running main process if there is one, and what an interrupted run recorded, return how to
    start it. What is declared goes before what was seen, and that before what was recorded. Of a process that is not
    proved to be the service nothing is taken.
    """
    declared = _account(service) if service.user else None
    running = (
        OBSERVERS[host.platform](host, main) if main and host.platform in OBSERVERS else RunningProcess(Launch("/"))
    )
    if main and not declared:
        running = running._replace(began=_moment(host, main))
    why = doubt(host, service, running, declared[0] if declared else None) if main else ""
    observed = Launch("/") if why else running.launch
    folder = service.chdir or (observed.folder if main else str(recorded.get("folder") or "/"))
    kept = observed.environment if main else recorded.get("environment")
    base = kept or {"PATH": os.environ.get("PATH", os.defpath)}
    ids = declared or observed.ids or _recorded_ids(recorded)
    lost = "" if main else _lost(service, recorded)
    return Launch(folder, ids, {**base, **service.environment}, observed.unavailable, why, lost)


def _lost(service: Service, recorded: Mapping[str, Any]) -> str:
    """Return what a service that an interrupted run had stopped had in its environment and nobody knows any more: it
    may be what tells it to pretend to trade.
    """
    if not recorded:
        return ""
    if "environment" not in recorded:  # it could not be seen; what is declared of it makes up for it
        return "" if service.environment else "it ran with an environment that could not be seen"
    names = [name for name in recorded.get("withheld") or () if name not in service.environment]
    return f"it ran with {', '.join(names)}, which was not kept" if names else ""


def fault_of_start(service: Service, launch: Launch) -> str:
    """Return why a service could not be started again, as far as that can be seen before it is stopped; or empty."""
    fault = _surroundings(launch).fault_of_folder()
    if fault:
        gone = "it runs in a folder that was removed, and " if launch.folder.endswith(" (deleted)") else ""
        cure = f"declare services[{service.name}].chdir"
        return f"{gone}it could not be started in {launch.folder}: {fault}; {cure}"
    return fault_of_output(service.output, launch.ids) if service.output else ""


def _moment(host: Host, process: Process) -> Optional[float]:
    """Return when a process began, in seconds since the epoch; None: unknown."""
    try:
        return Clock(host.now(), uptime(host)).moment(process.began)
    except CoreError:
        return None


def require_proof(host: Host, observed: Observation) -> None:
    """Raise Refused where it is not proved at this moment that what would be ended is the script-started service, or
    where its stop command would not be run: since the plan was made files may have been written anew.
    """
    if observed.pid_file is None or host.platform not in OBSERVERS:
        return
    if observed.alive is None:
        raise Refused(f"{observed.name} is not ended: {observed.pid_file.unavailable or 'its process cannot be seen'}")
    launch = capture(host, observed.service, observed.main, {}) if observed.alive and observed.main else None
    if launch and launch.doubt:
        raise Refused(f"process {observed.pid_file.pid} is not ended: {launch.doubt}")
    why = doubt_of_stop(host, observed, launch)
    if why:
        raise Refused(why)


def doubt_of_stop(host: Host, observed: Observation, launch: Optional[Launch] = None) -> str:
    """Given a service as it is, and how it runs where that was captured at this moment, return why its stop command
    would not be run; empty: it would, or none is needed.
    """
    main, service = observed.main, observed.service
    if (
        not service.stop_command
        or observed.pid_file is None
        or host.platform not in OBSERVERS
        or not (observed.alive and main)
    ):
        return ""
    return _doubt_of_command(host, service, launch or capture(host, service, main, {}))


def _doubt_of_command(host: Host, service: Service, launch: Launch) -> str:
    why = launch.doubt or launch.unavailable or _doubt_as_root(host, service, launch)
    return f"the stop_command of {service.name} is not run: {why}" if why else ""


def _doubt_as_root(host: Host, service: Service, launch: Launch) -> str:
    if os.geteuid() != 0 or (launch.ids and launch.ids[0] != 0):
        return ""
    if launch.ids is None:
        return f"nothing tells as whom it runs: declare services[{service.name}].user"
    return doubt_for_root(host, service.stop_command, launch.folder, launch.environment)


def _recorded_ids(recorded: Mapping[str, Any]) -> Optional[tuple[int, int, tuple[int, ...]]]:
    ids = recorded.get("ids")
    return (int(ids[0]), int(ids[1]), tuple(int(group) for group in ids[2])) if ids else None


def _account(service: Service) -> tuple[int, int, tuple[int, ...]]:
    try:
        entry = pwd.getpwnam(service.user)
    except KeyError:
        raise InputError(f"services[{service.name}].user", service.user, "an account of this host") from None
    return entry.pw_uid, entry.pw_gid, tuple(os.getgrouplist(service.user, entry.pw_gid))


def run_stop_command(host: Host, service: Service, main: Process, timeout: float) -> None:
    """Let a service's own command end it, as the service runs: same account, folder and environment. Its files are
    often that account's, so root never runs them for another; for a service of root's only root may write them.

    Raise CoreError where the command fails, or is not run; the text says why.
    """
    launch = capture(host, service, main, {})
    why = _doubt_of_command(host, service, launch)
    if why:
        raise ActionFailed(why)
    bound = min(max(timeout, 1.0), host.remaining())
    done = run_process(service.stop_command, timeout=bound, surroundings=_surroundings(launch))
    if done.rc:
        secrets = [value for name, value in launch.environment.items() if tells_secret(name, value)]
        raise ToolFailed(done.argv, done.rc, Mask(secrets).hide(done.stderr or done.stdout))


def start_detached(host: Host, service: Service, launch: Launch, timeout: float) -> None:
    """Start a service by its command and wait until its pid file names it.

    Raise ActionFailed where the command fails, or where no pid file appears in time.
    """
    if not service.command:
        raise ActionFailed(f"{service.name} cannot be started: services[{service.name}].command is not declared")
    if launch.lost:
        cure = f"declare services[{service.name}].environment, or start it by hand"
        raise ActionFailed(f"{service.name} is not started: {launch.lost}: {cure}")
    if launch.ids is None and os.geteuid() == 0:  # never as root because nothing tells otherwise
        cure = f"declare services[{service.name}].user"
        raise ActionFailed(f"{service.name} cannot be started: nothing tells as whom it ran: {cure}")
    before = read_pid_file(host, service.pid_file).pid
    try:
        child = _spawn(service, launch)
    except (OSError, ValueError) as error:  # ValueError: a name or word that no program can be given
        raise ActionFailed(f"{service.name} cannot be started: {error}") from error
    _await_pid_file(host, service, launch, child, before, timeout)


def _spawn(service: Service, launch: Launch) -> subprocess.Popen[bytes]:
    output = open_output(service.output, launch.ids) if service.output else subprocess.DEVNULL
    try:
        with _surroundings(launch).of_process() as given:
            return subprocess.Popen(
                list(service.command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # it must not end with the connection that this module came over
                **given,
            )
    finally:
        if output != subprocess.DEVNULL:
            os.close(output)


def _surroundings(launch: Launch) -> Surroundings:
    return Surroundings(Rights(*launch.ids) if launch.ids else None, launch.folder, launch.environment)


def _await_pid_file(
    host: Host, service: Service, launch: Launch, child: subprocess.Popen[bytes], before: int, timeout: float
) -> None:
    begun = time.monotonic()
    while time.monotonic() - begun < timeout:
        if is_named(host, service, before):
            return None
        code = child.poll()
        if code:
            raise ActionFailed(f"{service.name} did not start: its command ended with exit code {code}")
        if code is None and time.monotonic() - begun > OWN_PID_FILE:
            return write_pid_file(service, launch, child.pid)
        host.pause(POLL)
    raise ActionFailed(f"{service.name} did not start: {service.pid_file} names no process after {timeout:.0f} s")


def is_named(host: Host, service: Service, before: int) -> bool:
    """Return whether the pid file names a process that is the service and is not the one that was stopped."""
    pid_file = read_pid_file(host, service.pid_file)
    process = read_process(host, pid_file.pid) if pid_file.pid and pid_file.pid != before else None
    if process is None or process.state == ZOMBIE:
        return False
    return is_service(service, process)


def write_pid_file(service: Service, launch: Launch, pid: int) -> None:
    """Write the pid file of a service that writes none, for the account of the service. Raise CoreError."""
    path = Path(service.pid_file)
    try:
        with writing_in(str(path.parent), launch.ids) as as_ourselves:
            publish_file(path, f"{pid}\n".encode(), 0o644)
            if launch.ids and as_ourselves and os.geteuid() == 0:  # so that the service can remove it when it ends
                os.chown(path, launch.ids[0], launch.ids[1], follow_symlinks=False)
    except (OSError, NotSwitched) as error:
        raise CoreError(f"the pid file {path} of {service.name} cannot be written: {error}") from error
