# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How launchd is told to stop and start a job, and how a process runs on macOS.

A job that is kept alive is started again as soon as it ends, so it is stopped by taking it out of launchd (bootout),
and started by putting it in again (bootstrap) and telling it to run (kickstart). See launchctl(1).

Of a process ps(1) shows account and environment, lsof(8) the folder. ps prints the environment behind the command
line, words parted by spaces: a value may hold spaces, so a new variable begins only where a name and an equals sign
follow one.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, Optional

from ..errors import ActionFailed, CoreError, ParseError
from ..host import Host
from ..processes.model import Accounts, Process
from ..services.declared import Service
from ..services.model import Observation
from .model import Launch, LaunchdJob, Prepared
from .proof import RunningProcess

if sys.platform != "win32":
    import pwd

POLL = 0.25
AGAIN = 1.0
NOT_THERE = 113  # "Could not find service": what `launchctl print` ends with
# What bootout ends with where the job is gone already (ESRCH), is still ending (EINPROGRESS), or any of both (EIO,
# https://github.com/DeterminateSystems/nix-installer/issues/1187): whether it is gone is looked at in any case.
BOOTED_OUT = (0, 3, 5, 36, NOT_THERE)
# What bootstrap ends with right after a bootout, while launchd still cleans up: EIO, EALREADY; a second later it works
# (https://github.com/openclaw/openclaw/issues/136453).
NOT_YET = (5, 37)
_VARIABLE = re.compile(r"(?:^| )(?=[A-Za-z_][A-Za-z0-9_]*=)")
_IDS = "uid=,gid=,ruid=,rgid=,svuid=,svgid="


def parse_ids(text: str) -> tuple[int, ...]:
    """Given what ps printed, return account and group by turns: effective, real, saved. Raise ParseError."""
    numbers = text.split()
    if len(numbers) != _IDS.count("=") or not all(re.fullmatch("[0-9]+", number) for number in numbers):
        raise ParseError(f"ps -o {_IDS}", 1, text, f"expected {_IDS.count('=')} numbers")
    return tuple(int(number) for number in numbers)


def parse_folder(text: str) -> str:
    """Given what ``lsof -d cwd -F n`` printed, return the folder. Raise ParseError."""
    folder: Optional[str] = next((line[1:] for line in text.splitlines() if line.startswith("n/")), None)
    if folder is None:
        raise ParseError("lsof -d cwd", 1, text, "expected the folder of the process")
    return folder


def parse_environment(plain: str, whole: str) -> dict[str, str]:
    """Given a command line as ps prints it, and the same with the environment behind it, return the environment."""
    command, both = plain.rstrip("\n"), whole.rstrip("\n")
    if not both.startswith(command):
        return {}
    pairs = [pair for pair in _VARIABLE.split(both[len(command) :].lstrip(" ")) if "=" in pair]
    return dict(pair.split("=", 1) for pair in pairs)


def observe_process(host: Host, process: Process) -> RunningProcess:
    """Given a running process, return how it runs, or why that is not known."""
    pid = process.pid
    try:
        ids = parse_ids(host.run(["ps", "-o", _IDS, "-p", str(pid)]).stdout)
        plain = host.run(["ps", "-ww", "-o", "command=", "-p", str(pid)]).stdout
        whole = host.run(["ps", "-E", "-ww", "-o", "command=", "-p", str(pid)]).stdout
        folder = parse_folder(host.run(["lsof", "-a", "-p", str(pid), "-d", "cwd", "-F", "n"]).stdout)
    except CoreError as error:
        text = f"how it runs cannot be seen: {error}"
        return RunningProcess(Launch("/", unavailable=text), unavailable=text)
    environment = parse_environment(plain, whole)
    unknown = "" if environment else "its environment cannot be seen"
    groups = _groups(ids[0], ids[1])
    launch = Launch(folder, (ids[0], ids[1], groups), environment, unknown)
    return RunningProcess(launch, Accounts(ids[::2], ids[1::2], groups), process.exe)


def _groups(uid: int, gid: int) -> tuple[int, ...]:
    try:
        return tuple(os.getgrouplist(pwd.getpwuid(uid).pw_name, gid))
    except KeyError:
        return (gid,)


def is_loaded(host: Host, target: str) -> bool:
    """Return whether launchd knows a job. Raise CoreError where it cannot be asked."""
    return host.run(["launchctl", "print", target], expect=(0, NOT_THERE)).rc == 0


def boot_out(host: Host, target: str, timeout: float) -> None:
    """Take a job out of launchd and wait until it is gone, at most ``timeout`` seconds. Raise CoreError."""
    host.run(["launchctl", "bootout", target], timeout=max(timeout, 1.0), expect=BOOTED_OUT)
    begun = time.monotonic()
    while is_loaded(host, target):
        if time.monotonic() - begun > timeout:
            raise ActionFailed(f"{target} is still there {timeout:.0f} s after it was told to end")
        host.pause(POLL)


def boot_in(host: Host, job: LaunchdJob, timeout: float) -> None:
    """Put a job into launchd, unless it is there, and run it. Raise CoreError. What is disabled is not enabled."""
    begun = time.monotonic()
    while not is_loaded(host, job.target):
        late = time.monotonic() - begun > timeout
        # 119, "Service is disabled", and all else is an error at once
        host.run(["launchctl", "bootstrap", job.domain, job.plist], expect=(0,) if late else (0, *NOT_YET))
        if is_loaded(host, job.target):
            break
        if late:
            raise ActionFailed(f"{job.target} is not there {timeout:.0f} s after launchd was given {job.plist}")
        host.pause(AGAIN)
    host.run(["launchctl", "kickstart", "-p", job.target], timeout=max(timeout, 1.0))


def job_of(observed: Observation, recorded: Mapping[str, str]) -> Optional[LaunchdJob]:
    """Given a service, and what an interrupted run recorded of it, return its job; None where nothing tells."""
    if observed.unit is not None and observed.unit.target and observed.unit.files:
        return LaunchdJob(observed.unit.target, observed.unit.files[0])
    if recorded.get("target") and recorded.get("plist"):
        return LaunchdJob(str(recorded["target"]), str(recorded["plist"]))
    return None


class Launchd:
    """launchd of macOS, which looks after jobs."""

    def prepare(self, host: Host, services: Sequence[Service]) -> Prepared:
        """Given declared services, return them as they are: launchd knows no order."""
        return Prepared(list(services))

    def obstacle(self, host: Host, observed: Observation, way: Any, ties: Prepared) -> str:
        """Return why a service could not be stopped and started again; empty: it could."""
        why = _job_obstacle(host, observed, way)
        return f"{observed.name} could not be started again: {why}" if observed.alive and why else ""

    def observe(self, host: Host, observed: Observation, recorded: Mapping[str, Any]) -> Optional[LaunchdJob]:
        """Return how a service is started again."""
        return job_of(observed, recorded)

    def stop(self, host: Host, observed: Observation, command: Sequence[str], timeout: float) -> None:
        """Take a job out of launchd. Raise CoreError."""
        if observed.unit is not None and observed.unit.target:  # else launchd does not know it: it is stopped
            boot_out(host, observed.unit.target, timeout)

    def start(self, host: Host, service: Service, way: Any, timeout: float) -> None:
        """Put a job into launchd and run it. Raise CoreError."""
        if not isinstance(way, LaunchdJob):
            raise ActionFailed(f"{service.name} cannot be started: it is not known which plist it is from")
        boot_in(host, way, timeout)


def _job_obstacle(host: Host, observed: Observation, way: object) -> str:
    if not isinstance(way, LaunchdJob):
        return "launchd does not tell the plist that it is from"
    if observed.unit is not None and observed.unit.file_state == "disabled":
        return "it is disabled, which is left as it is"
    try:
        host.modified(way.plist)
    except CoreError as error:
        return str(error)
    return ""
