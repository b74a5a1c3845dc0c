# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who looks after a service, one record for each: how the inventory names a service to it, its words, its log. Pure.

UNIT in a remedy stands for the name of the service to its manager.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from typing import NamedTuple

from ..errors import InputError
from ..powershell import literal

_UNIT_TYPES = ("service", "socket", "timer", "target", "path", "mount", "scope")
_UNIT_NAME = re.compile(r"[A-Za-z0-9:_.\\@-]+")
_LABEL = re.compile(r"(?:system/|(?:gui|user)/\d+/)?[^/\s\x00-\x1f]+")
_WINDOWS_NAME = re.compile(r"[^/\\\x00-\x1f]{1,256}")  # CreateService: both slashes are not allowed


def _require(condition: bool, name: str, value: object, expected: str) -> None:
    if not condition:
        raise InputError(name, value, expected)


def _unit_name(name: str, unit: str) -> str:
    full = unit if not unit or unit.rpartition(".")[2] in _UNIT_TYPES else f"{unit}.service"
    _require(not unit or _UNIT_NAME.fullmatch(full) is not None, name, unit, "the name of a unit, such as auth.service")
    return full


def _label(name: str, label: str) -> str:
    _require(not label or _LABEL.fullmatch(label) is not None, name, label, "a label, such as com.cryptobot.auth")
    return label


def _windows_name(name: str, service: str) -> str:
    fits = not service or _WINDOWS_NAME.fullmatch(service) is not None
    _require(fits, name, service, "the name of a service without slashes, at most 256 characters")
    return service


def _any_name(_name: str, service: str) -> str:
    return service


class Manager(NamedTuple):
    """One way to look after services: its ``name``, the ``option`` that names a service to it, what checks such a name.

    ``kind`` is what it calls a service, ``barred`` how it calls one that nothing can start. ``quote`` makes a name one
    word of a command line that an operator may copy. ``keep_log`` is how to let its log go back far enough.
    """

    name: str
    option: str
    kind: str
    check: Callable[[str, str], str] = _any_name
    barred: str = "masked"
    quote: Callable[[str], str] = shlex.quote
    keep_log: str = ""


SYSTEMD = Manager(
    "systemd",
    option="unit",
    kind="unit",
    check=_unit_name,
    keep_log="Run as root. Where the journal is too short: journalctl --disk-usage, then raise SystemMaxUse= in "
    "/etc/systemd/journald.conf, make /var/log/journal, and systemctl restart systemd-journald.",
)
LAUNCHD = Manager(
    "launchd",
    option="label",
    kind="launchd job",
    check=_label,
    barred="disabled in launchd",
    keep_log="Run this check more often than its window is long: each run remembers the counter.",
)
WINDOWS = Manager(
    "windows",
    option="service",
    kind="Windows service",
    check=_windows_name,
    barred="disabled",
    quote=literal,
    keep_log="Run as an administrator, elevated, or as one of the Event Log Readers; Get-WinEvent -ListLog System, "
    "Application must answer. Where a log is too short, or keeps its oldest events: wevtutil sl System /ms:134217728 "
    "/rt:false.",
)
SCRIPT = Manager("pid_file", option="pid_file", kind="script-started service")

# By platform. The inventory may give a name for each; a host takes that of its own.
MANAGERS: dict[str, Manager] = {"linux": SYSTEMD, "darwin": LAUNCHD, "windows": WINDOWS}
_BY_NAME = {manager.name: manager for manager in MANAGERS.values()}

# How to see what only the owner and the administrator see.
AS_ADMIN: dict[str, str] = {
    "linux": "Run as root.",
    "darwin": "Run as root.",
    "windows": "Run as an administrator, elevated.",
}


def manager_of(name: str) -> Manager:
    """Given who looks after a service, return that manager; a script where nobody does."""
    return _BY_NAME.get(name, SCRIPT)
