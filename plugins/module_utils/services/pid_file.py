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
from ..processes.model import ZOMBIE, Process
from .declared import Service
from .model import PidFile


def read_pid_file(host: Host, path: str) -> PidFile:
    """Given the path of a pid file, return what it says."""
    try:
        text = _text(host.read_declared(path, 64)).strip()
        written = host.modified(path)
    except SourceMissing:
        return PidFile(path, unavailable=f"the pid file {path} does not exist")
    except SourceDenied as error:
        return PidFile(path, unavailable=str(error), denied=True)
    if re.fullmatch(r"[1-9][0-9]{0,9}", text) is None:  # what it holds instead may be a secret, so it is not quoted
        what = "something else" if text else "nothing"
        return PidFile(path, 0, written, f"the pid file {path} holds {what}, expected a process id")
    return PidFile(path, int(text), written)


def _text(content: bytes) -> str:
    """Windows PowerShell writes UTF-16 where output is redirected into a file."""
    return content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", errors="replace")


def is_service(service: Service, process: Process) -> bool:
    """Given a process with the pid of the pid file, return whether it is the service.

    Where ``process`` is declared its pattern decides, else the declared command, and both only of a process that can be
    a service. No time proves anything: a pid file may be touched, restored or written anew by anybody who may start the
    service. A zombie has lost its command line, it is nobody's to signal, and it does not run.
    """
    if process.pid <= 1 or not process.command:
        return process.state == ZOMBIE
    if service.process:
        return re.search(service.process, process.title) is not None
    return runs_command(process.command, service.command)


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


def whose(service: Service, process: Optional[Process]) -> tuple[Optional[Process], Optional[Process]]:
    """Return the main process of the service, or the stranger that has its pid; the other one is None."""
    if process is None:
        return None, None
    return (process, None) if is_service(service, process) else (None, process)


def without_proof(service: Service, pid_file: PidFile, process: Optional[Process], several: str = "") -> PidFile:
    """Return the pid file as one that tells nothing, where nothing declared could tell the service from a stranger, or
    where the process has the rights of ``several`` accounts: whoever starts such a program writes its command line.
    """
    if process is None or process.pid <= 1:
        return pid_file
    named = f"{pid_file.path} names pid {process.pid}, and"
    if not service.process and not service.command:
        text = f"{named} nothing that is declared tells whether that is the service"
        cure = "declare process (a pattern of its command line) or command"
        return pid_file._replace(denied=True, unavailable=f"{text}: {cure}")
    if several and is_service(service, process):
        text = f"{named} that has the rights of several accounts ({several}), so its command line proves nothing"
        return pid_file._replace(denied=True, unavailable=f"{text}: look who started it, and stop it by hand")
    return pid_file
