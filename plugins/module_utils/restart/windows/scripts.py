# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stopping and starting a script-started service of Windows: by its own command, and by the service of WMI."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from ...errors import ActionFailed
from ...host import Host
from ...powershell import ask
from ...processes.collect import process_table
from ...processes.model import Process
from ...services.declared import Service
from .queries import create

POLL = 1.0  # each look is a powershell.exe
OWN_PID_FILE = 3.0


def stop_script(host: Host, name: str, command: Sequence[str], tree: Sequence[Process], timeout: float) -> None:
    """Given the processes of a service, run its stop command and wait until none of them is left.

    Raise CoreError where the command fails, or where some are left after ``timeout`` seconds; none is killed.
    """
    begun = time.monotonic()
    host.run(list(command), timeout=max(timeout, 1.0))
    while True:
        now = process_table(host)
        left = [process.pid for process in tree if process.pid in now and now[process.pid].began == process.began]
        if not left:
            return
        if time.monotonic() - begun > timeout:
            raise ActionFailed(f"processes {left} of {name} are still there {timeout:.0f} s after its stop command")
        host.pause(POLL)


def start_script(
    host: Host, service: Service, is_named: Callable[[], bool], write_pid_file: Callable[[int], None], timeout: float
) -> None:
    """Start a service by its command and wait until its pid file names it; after a while one is written for it.

    Raise ActionFailed where the process cannot be made, or where no pid file appears in time.
    """
    answer = ask(host, {"create": create(service.command, service.chdir)})["create"]
    made = answer[0] if answer and isinstance(answer[0], dict) else {}
    code, pid = made.get("ReturnValue"), made.get("ProcessId")
    if code != 0 or not isinstance(pid, int) or pid <= 0:
        raise ActionFailed(f"{service.name} cannot be started: Win32_Process.Create gives {code}")
    begun = time.monotonic()
    while time.monotonic() - begun < timeout:
        if is_named():
            return
        if time.monotonic() - begun > OWN_PID_FILE:
            write_pid_file(pid)
            return
        host.pause(POLL)
    raise ActionFailed(f"{service.name} did not start: {service.pid_file} names no process after {timeout:.0f} s")
