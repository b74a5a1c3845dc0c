# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a command; a failure names the command and the last line it said."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from .errors import FleetError


def last_lines(text: str, count: int = 3) -> str:
    """Given the output of a command, return its last non-empty lines joined into one."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]

    return " | ".join(lines[-count:])


def run(argv: Sequence[object], stdin: str | None = None) -> str:
    """Given a command, return its standard output. Raise FleetError when it fails."""
    words = [str(word) for word in argv]
    done = subprocess.run(words, input=stdin or "", capture_output=True, text=True, errors="replace", check=False)
    if done.returncode != 0:
        raise FleetError(f"{' '.join(words)}: exit {done.returncode}: {last_lines(done.stderr or done.stdout)}")

    return done.stdout


def succeeds(argv: Sequence[object]) -> bool:
    """Given a command, return whether it ended with 0; its output is dropped."""
    words = [str(word) for word in argv]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=False)

    return done.returncode == 0


def run_logged(argv: Sequence[object], log: Path) -> None:
    """Given a long command, append what it prints to the log. Raise FleetError with the log's end when it fails."""
    words = [str(word) for word in argv]
    with log.open("ab") as sink:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, check=False)
    if done.returncode != 0:
        said = last_lines(log.read_text(errors="replace"))
        raise FleetError(f"{words[0]}: exit {done.returncode}: {said}")
