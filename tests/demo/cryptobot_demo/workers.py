# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several workers behind one parent, as ``uvicorn --workers`` has them: the parent lives whatever becomes of them.

The parent binds the port, the workers listen on it: where they all die at once the port is closed while systemd still
shows a running service that it never had to restart.
"""

from __future__ import annotations

import os
import signal
import time
import traceback
from pathlib import Path
from typing import Callable

from .logs import SERVER
from .stop import Stop

RESPAWN_SECONDS = 0.5
BROKEN_IMPORT = """\
Traceback (most recent call last):
  File "strategy/main.py", line 12, in <module>
    from strategy.routers import strategies
ImportError: cannot import name 'strategies' from 'strategy.routers' (strategy/routers/__init__.py)
"""


def import_switch(install_dir: Path, name: str) -> Path:
    """Return the file that makes each worker of a service die of an import error as soon as it starts."""
    return install_dir / "run" / f"{name}.import-error"


def supervise(count: int, work: Callable[[int], None], stop: Stop) -> None:
    """Given how many workers and what each does, keep that many alive until ``stop`` is set, then end them."""
    workers = {start_worker(number, work): number for number in range(count)}
    while not stop.is_set():
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid:
            number = workers.pop(pid)
            SERVER.info("Child process [%d] died with status %d", pid, status)
            if not stop.wait(RESPAWN_SECONDS):
                workers[start_worker(number, work)] = number
        else:
            stop.wait(0.05)
    for pid in workers:
        os.kill(pid, signal.SIGTERM)
    for pid in workers:
        os.waitpid(pid, 0)


def start_worker(number: int, work: Callable[[int], None]) -> int:
    """Given a worker's number and what it does, start it and return its process id."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        work(number)
        code = 0
    except BaseException:  # noqa: BLE001 - whatever ends a worker is shown, and ends nothing else
        traceback.print_exc()
    finally:
        os._exit(code)


def die_of_import_error(switch: Path) -> None:
    """Given the switch, end this worker as a missing name ends the real one, where it is there."""
    if switch.exists():
        time.sleep(0.1)  # the real one imports for a moment before it fails
        SERVER.error(BROKEN_IMPORT.rstrip())
        os._exit(1)
