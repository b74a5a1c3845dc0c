# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting and stopping of the demo's services.  A process is ours only if its command line says so."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Optional

from .catalog import SERVICES
from .pidfile import read_pid_file
from .root import Demo, DemoError

SERVICE_SCRIPT = Path(__file__).resolve().parent.parent / "service.py"
START_SECONDS = 15.0
STOP_SECONDS = 5.0


def command_of(demo: Demo, name: str) -> list[str]:
    """Given a service's name, return the command that starts it."""
    return [
        sys.executable,
        str(SERVICE_SCRIPT),
        name,
        "--install-dir",
        str(demo.install_dir),
        "--port",
        str(demo.ports[name]),
        "--pid-file",
        str(demo.pid_file(name)),
    ]


def command_line(pid: int) -> list[str]:
    """Given a process id, return its command line; empty where there is no such process or it is a zombie."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return _asked_of_ps(pid, "command").split() if not Path("/proc/self").exists() else []


def _asked_of_ps(pid: int, what: str) -> str:
    """The same for systems without ``/proc`` (macOS), as far as spaces allow."""
    shown = subprocess.run(["ps", "-o", f"{what}=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return shown.stdout.strip()


def running_pid(demo: Demo, name: str) -> Optional[int]:
    """Given a service's name, return its process id, or None where the pid file is absent, stale or another's."""
    pid = read_pid_file(demo.pid_file(name))
    if pid is None:
        return None
    # What follows the interpreter names script, service, installation, port and pid file.
    return pid if command_line(pid)[1:9] == command_of(demo, name)[1:] else None


def start(demo: Demo, name: str, *, answers: bool = True, **environment: str) -> bool:
    """Given a service's name, start it and wait until it answers, if it will; return False where it ran already.

    Raise DemoError with the service's own words where it ends or does not answer in time.
    """
    if running_pid(demo, name) is not None:
        return False
    errors = demo.run_dir / f"cryptobot_{name}.err"
    with errors.open("wb") as stderr:
        process = subprocess.Popen(
            command_of(demo, name) + ["--quiet"] * demo.quiet,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            start_new_session=True,
            cwd="/",
            env={**os.environ, **environment},
        )
    deadline = time.monotonic() + START_SECONDS
    while not (running_pid(demo, name) == process.pid and (probe(demo, name) or not answers)):
        if process.poll() is not None or time.monotonic() > deadline:
            raise DemoError(f"{name} did not start: {_last_words(demo, name)}")
        time.sleep(0.02)
    return True


def probe(demo: Demo, name: str) -> Optional[int]:
    """Given a service's name, return the HTTP status of its probe, or None where nothing answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{demo.ports[name]}{SERVICES[name].probe}", timeout=2) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None


def stop(demo: Demo, name: str) -> bool:
    """Given a service's name, end it (SIGTERM, then SIGKILL) and remove its pid file; False where none ran."""
    pid = running_pid(demo, name)
    if pid is not None:
        end_process(pid)
    demo.pid_file(name).unlink(missing_ok=True)
    return pid is not None


def children_of(pid: int) -> list[int]:
    """Given a process id, return those of its children: the workers of a service that has any."""
    shown = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    pairs = [line.split() for line in shown.splitlines()]
    return [int(child) for child, parent in pairs if int(parent) == pid]


def end_process(pid: int) -> None:
    """Given a process id that was verified to be ours, end it and wait until it is gone."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        if wait_gone(pid, STOP_SECONDS):
            return
    raise DemoError(f"process {pid} does not end")


def wait_gone(pid: int, seconds: float) -> bool:
    """Given a process id, wait until it has ended (a zombie has); return False where it takes longer.

    A process that ends loses its command line before its sockets, so only its state tells.
    """
    deadline = time.monotonic() + seconds
    while _state(pid) not in ("", "Z", "X"):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _state(pid: int) -> str:
    """Given a process id, return the letter of its state as in proc(5), or nothing where there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return _asked_of_ps(pid, "stat")[:1] if not Path("/proc/self").exists() else ""


def _last_words(demo: Demo, name: str) -> str:
    errors = (demo.run_dir / f"cryptobot_{name}.err").read_text(encoding="utf-8", errors="replace").strip()
    log = demo.install_dir / "logs" / f"{name}_service.log"
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-1:] if log.exists() else []
    return errors or "\n".join(lines) or "it said nothing"
