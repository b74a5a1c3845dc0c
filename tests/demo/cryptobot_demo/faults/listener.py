# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A process that listens where it should not."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from .. import processes
from ..root import DemoError


def start_listener(notes: Path, address: str, port: int, *, inside: Path) -> int:
    """Given an address and a port, start a web server of an empty folder there and return its pid.

    It works ``inside`` the installation, as a forgotten debug server would: an audit that looks at Cryptobot's own
    processes only must see it.
    """
    empty = notes / "empty"
    empty.mkdir()
    command = [sys.executable, "-m", "http.server", str(port), "--bind", address, "--directory", str(empty)]
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd=inside,
    )
    (notes / "listener.json").write_text(json.dumps({"pid": process.pid, "command": command}), encoding="utf-8")
    _wait_for_listener(process, port)
    return process.pid


def _wait_for_listener(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + processes.START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if _answers_like_ours(port):
            return
        time.sleep(0.02)
    raise DemoError(f"no process could be made to listen on port {port}: is it taken?")


def _answers_like_ours(port: int) -> bool:
    """Given a port, return whether Python's own web server answers there, and not who had the port before."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=2) as answer:
            return str(answer.headers["Server"]).startswith("SimpleHTTP")
    except OSError:
        return False


def end_listener(notes: Path) -> None:
    """Given a fault's notes, end the listener that they name, if that process is still the one that was started."""
    record = notes / "listener.json"
    if not record.exists():
        return
    listener = json.loads(record.read_text(encoding="utf-8"))
    if processes.command_line(listener["pid"])[1:] == listener["command"][1:]:
        processes.end_process(listener["pid"])
