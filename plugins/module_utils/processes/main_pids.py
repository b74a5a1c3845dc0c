# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which processes the system's service manager looks after itself: it is asked to end them, nobody signals them."""

from __future__ import annotations

from ..errors import ActionFailed, CoreError, SourceMissing, ToolMissing
from ..host import Host
from .macos import LABELS, parse_labels

_SHOW = ("systemctl", "show", "--no-pager", "-p", "Id,MainPID,ControlPID", "--", "*.service")
_BOOTED = "/run/systemd/system"  # sd_booted(3): it is there exactly where systemd is the first process


def read_main_pids(host: Host) -> dict[int, str]:
    """Return what the service manager calls each main process, by pid; empty where this host has no such manager.

    Raise CoreError where it has one that does not answer: then nobody knows whose a process is.
    """
    if host.platform == "linux":
        return _of_systemd(host)
    return parse_labels(host.run(LABELS).stdout) if host.platform == "darwin" else {}


def _of_systemd(host: Host) -> dict[int, str]:
    try:
        return parse_main_pids(host.run(_SHOW).stdout)
    except ToolMissing:
        return {}
    except CoreError as error:
        if _is_booted(host):
            raise ActionFailed(f"systemd does not say which processes are its own: {error}") from error
        return {}


def _is_booted(host: Host) -> bool:
    try:
        host.entries(_BOOTED)
    except SourceMissing:
        return False
    except CoreError:
        return True
    return True


def parse_main_pids(text: str) -> dict[int, str]:
    """Given the blocks of ``systemctl show -p Id,MainPID,ControlPID``, return the unit by each of its pids."""
    found: dict[int, str] = {}
    for block in text.split("\n\n"):
        values = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        for name in ("MainPID", "ControlPID"):
            if values.get(name, "0").isdigit() and int(values.get(name, "0")):
                found[int(values[name])] = values.get("Id", "a unit")
    return found
