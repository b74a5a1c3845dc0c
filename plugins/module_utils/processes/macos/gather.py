# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asking ps of macOS for all processes."""

from __future__ import annotations

from ...errors import CoreError
from ...host import Host
from ...sockets.macos.gather import LABELS, PROGRAMS
from ...sockets.macos.parse import parse_labels, parse_programs
from ..parse import Census, Details
from .parse import parse_census

PROCESSES = ("ps", "-axww", "-o", "pid=,ppid=,pgid=,uid=,state=,rss=,time=,lstart=,args=")


def gather_macos(host: Host) -> Census:
    """Return the processes of a macOS host. Raise CoreError where ps does not list them.

    Open files are not counted, and threads neither: macOS shows no limit of open files of another process.
    """
    rows, began = parse_census(host.run(PROCESSES).stdout, _programs(host), _labels(host))
    processes = {process.pid: process for process, _details in rows}
    details = {process.pid: detail for process, detail in rows}
    return Census(
        max(0.0, host.now() - began), _boot_id(host, began), processes, lambda pid: details.get(pid, Details())
    )


def _programs(host: Host) -> dict[int, str]:
    try:
        return parse_programs(host.run(PROGRAMS).stdout)
    except CoreError:  # then nothing tells whether a program was replaced; everything else is known
        return {}


def _labels(host: Host) -> dict[int, str]:
    try:
        return parse_labels(host.run(LABELS).stdout)
    except CoreError:  # whoever needs launchd asks it by name, and says that it does not answer
        return {}


def _boot_id(host: Host, began: float) -> str:
    try:
        return host.boot_id() or f"begun {began:.0f}"
    except CoreError:
        return f"begun {began:.0f}"
