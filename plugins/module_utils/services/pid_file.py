# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pid files of script-started services: reading one, and telling the service from a stranger that got its pid."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Optional

from ..errors import SourceDenied, SourceMissing
from ..host import Host
from ..processes.parse import Process
from .declared import Service
from .observed import PidFile

# The kernel counts a process's begin in hundredths of a second, file systems the time of a file in up to two seconds.
CLOCK_SLACK = 2.0


def read_pid_file(host: Host, path: str) -> PidFile:
    """Given the path of a pid file, return what it says."""
    try:
        text = _text(host.read_bytes(path, 64)).strip()
        written = host.modified(path)
    except SourceMissing:
        return PidFile(path, problem=f"the pid file {path} does not exist")
    except SourceDenied as error:
        return PidFile(path, problem=str(error), denied=True)
    if re.fullmatch(r"[1-9]\d{0,9}", text) is None:
        return PidFile(path, 0, written, f"the pid file {path} holds {text[:40]!r}, expected a process id")
    return PidFile(path, int(text), written)


def _text(content: bytes) -> str:
    """Windows PowerShell writes UTF-16 where output is redirected into a file."""
    return content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", errors="replace")


def is_service(service: Service, pid_file: PidFile, process: Process, boot_time: float) -> bool:
    """Given a process with the pid of the pid file, return whether it is the service.

    Where ``process`` is declared its pattern decides. Else the process is the service if its command line is the
    declared command, or if it was there when the pid file was written: whoever got the pid later began later.
    """
    if service.process:
        return re.search(service.process, process.title) is not None
    if runs_command(process.command, service.command):
        return True
    return boot_time + process.began <= pid_file.written + CLOCK_SLACK


def runs_command(actual: Sequence[str], declared: Sequence[str]) -> bool:
    """Return whether a command line is the declared one, perhaps behind an interpreter that the kernel put in front.

    macOS shows a command line without its quotes: words that hold spaces are then compared in pieces.
    """
    return _ends_with(actual, declared) or _ends_with(actual, " ".join(declared).split())


def _ends_with(actual: Sequence[str], declared: Sequence[str]) -> bool:
    if not declared or len(actual) < len(declared):
        return False
    tail = actual[len(actual) - len(declared) :]
    return _program(tail[0]) == _program(declared[0]) and list(tail[1:]) == list(declared[1:])


def _program(word: str) -> str:
    """Return the name of a program without folder, and without what only Windows writes."""
    name = word.replace("\\", "/").rpartition("/")[2]
    return name[:-4].casefold() if name.casefold().endswith(".exe") else name


def whose(
    service: Service, pid_file: PidFile, process: Optional[Process], boot_time: float
) -> tuple[Optional[Process], Optional[Process]]:
    """Return the main process of the service, or the stranger that has its pid; the other one is None."""
    if process is None:
        return None, None
    return (process, None) if is_service(service, pid_file, process, boot_time) else (None, process)
