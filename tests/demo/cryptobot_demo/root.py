# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo's root folder (``.demo``): where things are in it, and the marker that says it is ours to remove."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from .catalog import ports_from

MARKER = "cryptobot-demo.json"
DEFAULT_BASE_PORT = 18000


class DemoError(Exception):
    """Something that the person at the terminal must know; the message says what to do."""


@dataclass(frozen=True)
class Demo:
    """One demo: its root folder, the port of its first service, whether its services log nothing but the needful."""

    root: Path
    base_port: int
    quiet: bool = False

    @property
    def install_dir(self) -> Path:
        """The installation."""
        return self.root / "cryptobot"

    @property
    def database(self) -> Path:
        """The installation's SQLite file."""
        return self.install_dir / "database" / "cryptobot.db"

    @property
    def declared_faults(self) -> Path:
        """Thresholds that the inventory takes instead of its own; there is no such file unless a fault made it."""
        return self.root / "faults.json"

    @property
    def run_dir(self) -> Path:
        """Pid files, and what the services wrote to standard error."""
        return self.root / "run"

    @property
    def ports(self) -> dict[str, int]:
        """One port per service."""
        return ports_from(self.base_port)

    def pid_file(self, name: str) -> Path:
        """Given a service's name, return its pid file, named as the real start scripts name it."""
        return self.run_dir / f"cryptobot_{name}.pid"


def open_demo(root: Path) -> Demo:
    """Given a root folder, return its demo.  Raise DemoError where there is none."""
    marker = root.resolve() / MARKER
    if not marker.is_file():
        raise DemoError(f"{root} is not a demo: it has no {MARKER}; 'manage.py up --root {root}' makes one")
    settings = json.loads(marker.read_text(encoding="utf-8"))
    return Demo(root.resolve(), settings["base_port"], settings["quiet"])


def make_demo(root: Path, base_port: Optional[int], *, quiet: bool) -> Demo:
    """Given a root folder, return its demo, made where it is absent or empty.

    A base port that is given replaces the one of before.  Raise DemoError where the folder holds something else.
    """
    root = root.resolve()
    known = (root / MARKER).is_file()
    if not known and root.exists() and any(root.iterdir()):
        raise DemoError(f"{root} is not empty and has no {MARKER}: it is not a demo, choose another --root")
    before = open_demo(root).base_port if known else DEFAULT_BASE_PORT
    demo = Demo(root, base_port or before, quiet)
    demo.run_dir.mkdir(parents=True, exist_ok=True)
    _write_if_changed(root / MARKER, json.dumps({"base_port": demo.base_port, "quiet": quiet}) + "\n")
    return demo


def _write_if_changed(path: Path, text: str) -> None:
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
