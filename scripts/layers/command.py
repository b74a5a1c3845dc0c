# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run the command of a step: bounded in time, its output copied to a log and, if wanted, to the terminal."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Thread
from typing import IO

from table import CHECKOUT

LIMIT = 1800  # seconds for one step; the longest takes a few minutes
GRACE = 30  # seconds to end after a signal; then seconds that output may still come from what a command left behind


def run_command(argv: Sequence[str], log: Path, env: Mapping[str, str], *, shown: bool) -> tuple[int, str]:
    """Given a command, run it in the checkout; return its exit code and the last line that it printed.

    What a command leaves running may hold its output open: that is waited for a moment, not for ever.
    """
    process = subprocess.Popen(
        argv,
        cwd=CHECKOUT,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    last_line = [""]
    copying = Thread(target=copy, args=(process.stdout, log, last_line, shown), daemon=True)
    copying.start()
    code = wait(process)
    copying.join(GRACE)
    return code, last_line[0]


def copy(source: IO[str], log: Path, last_line: list[str], shown: bool) -> None:
    """Append the source's lines to the log and, if ``shown``, print them; keep the last one that says something."""
    with log.open("a", encoding="utf-8", buffering=1) as sink:
        for line in source:
            sink.write(line)
            if shown:
                print(line, end="", flush=True)
            last_line[0] = line.strip() or last_line[0]


def wait(process: subprocess.Popen[str]) -> int:
    """Given a running process, return its exit code. Past the limit it is ended, with the code of timeout(1), 124."""
    try:
        return process.wait(LIMIT)
    except subprocess.TimeoutExpired:
        process.terminate()
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    return 124
