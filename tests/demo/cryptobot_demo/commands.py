# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``manage.py`` can do to a demo as a whole: up, down, status, clean."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Optional

from . import processes
from .catalog import SERVICES
from .faults import end_listeners, heal
from .layout import install
from .ports import free_base_port, holder, is_free
from .root import Demo, DemoError, make_demo, open_demo


def up(
    root: Path, *, base_port: Optional[int] = None, seed: int = 1, size: str = "normal", quiet: bool = False
) -> list[str]:
    """Given a root folder, install there what is absent, undo planted faults, start what does not run.

    Return what was done, line by line.
    """
    moved = _stop_if_moved(root, base_port)
    demo = make_demo(root, base_port, quiet=quiet)
    said = [*moved]
    if install(demo.install_dir, seed=seed, size=size):
        said.append(f"installed the demo Cryptobot into {demo.install_dir}")
    said.extend(f"{name}: healed" for name in heal(demo))
    demo, left = _where_ports_are_free(demo, chosen=base_port is not None)
    said.extend(left)
    for name in SERVICES:
        started = processes.start(demo, name)
        said.append(f"{name}: {'started' if started else 'already running'} on port {demo.ports[name]}")
    return said


def _stop_if_moved(root: Path, base_port: Optional[int]) -> list[str]:
    """Stop the services where another base port is asked for: otherwise they would be lost sight of."""
    try:
        demo = open_demo(root)
    except DemoError:
        return []
    return stop_all(demo) if base_port not in (None, demo.base_port) else []


def _where_ports_are_free(demo: Demo, *, chosen: bool) -> tuple[Demo, list[str]]:
    """Given a demo, return it where its services find their ports free, and what is to be said of that.

    Raise DemoError, naming who holds a port, where the port was ``chosen`` or some of the services run already.
    """
    running = [name for name in SERVICES if processes.running_pid(demo, name) is not None]
    taken = [port for name, port in demo.ports.items() if name not in running and not is_free(port)]
    if not taken:
        return demo, []
    trouble = f"port {taken[0]} is taken by {holder(taken[0])}"
    if chosen or running:
        raise DemoError(f"{trouble}: end it, or choose other ports (make demo PORT=19000, or --base-port 19000)")
    moved = make_demo(demo.root, free_base_port(), quiet=demo.quiet)
    return moved, [f"{trouble}: the demo takes the ports from {moved.base_port} on"]


def stop_all(demo: Demo) -> list[str]:
    """Given a demo, stop its services in reverse start order and say what was done."""
    return [
        f"{name}: {'stopped' if processes.stop(demo, name) else 'was not running'}" for name in reversed(list(SERVICES))
    ]


def status(demo: Demo) -> tuple[list[str], bool]:
    """Given a demo, return one line per service, and whether all of them run and answer 200."""
    states = {name: (processes.running_pid(demo, name), processes.probe(demo, name)) for name in SERVICES}
    lines = [
        f"{name:<9} {'running' if pid else 'stopped'}  port {demo.ports[name]}  pid {pid or '-'}  "
        f"{SERVICES[name].probe} answers {code or 'nothing'}"
        for name, (pid, code) in states.items()
    ]
    return lines, all(pid and code == 200 for pid, code in states.values())


def clean(root: Path) -> list[str]:
    """Given a root folder, stop everything in it and remove it.  Raise DemoError where it is not a demo."""
    demo = open_demo(root)
    end_listeners(demo)
    said = stop_all(demo)
    shutil.rmtree(demo.root)
    return [*said, f"removed {demo.root}"]
