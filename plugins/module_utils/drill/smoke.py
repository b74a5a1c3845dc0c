# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Trying the restored application: services are started from the copy, on ports of their own, and have to be well."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..backup.scratch import end_processes, marked, note_process
from ..errors import ActionFailed, CoreError
from ..host import Host
from .declared import Smoke

PATH = "/usr/local/bin:/usr/bin:/bin"


def try_services(services: Sequence[Smoke], folder: Path, root: Path, host: Host) -> list[str]:
    """Start each service from the copy in ``root`` and wait until it is well; return what was found.

    All of them are ended afterwards. Raise ActionFailed where one is not well in its time, or its port is taken.
    """
    try:
        return [_try(service, folder, root, host) for service in services]
    finally:
        end_processes(folder, host)


def _try(service: Smoke, folder: Path, root: Path, host: Host) -> str:
    url = f"http://127.0.0.1:{service.port}{service.path}"
    if _answers(url, host):
        raise ActionFailed(f"port {service.port} is taken already, so {service.name} would not be what answers there")
    process = _start(service, folder, root, host)
    begun = time.monotonic()
    while (spent := time.monotonic() - begun) < service.seconds:
        if process.poll() is not None:
            raise ActionFailed(f"{service.name} ended with exit code {process.returncode} instead of being well")
        status = _answers(url, host)
        if status == 200:
            return f"{service.name} was well after {spent:.1f} s"
        host.pause(0.2)
    raise ActionFailed(f"{service.name} was not well at {url} within {service.seconds:g} s")


def _start(service: Smoke, folder: Path, root: Path, host: Host) -> subprocess.Popen[bytes]:
    if host.is_admin() and not service.user:
        raise ActionFailed(f"{service.name} would run as root: declare its user")
    command = [word.replace("{root}", str(root)) for word in service.command]
    environment = {name: value.replace("{root}", str(root)) for name, value in service.environment.items()}
    become: dict[str, Any] = {}
    if host.is_admin():
        become = {"user": service.user, "group": service.user, "extra_groups": []}
    with open(folder / f"{service.name}.log", "wb") as log:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={"PATH": PATH, **environment, **marked(folder)},
                cwd=os.path.abspath(os.sep),
                start_new_session=True,
                **become,
            )
        except (OSError, ValueError, subprocess.SubprocessError, KeyError) as error:
            raise ActionFailed(f"{service.name} could not be started: {error}") from error
    note_process(folder, process.pid, host)
    return process


def _answers(url: str, host: Host) -> int:
    try:
        return host.http(url, timeout=3.0).status
    except CoreError:
        return 0
