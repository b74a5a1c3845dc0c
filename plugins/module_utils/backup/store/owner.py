# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who makes the set in a folder that grows, and whether it may be swept.

Several hosts, or several runs with state folders of their own, may share a backup folder. So the folder is made under
another name, gets its owner, and only then the name under which it grows. No marker is not death: the file may be on
its way through a network's cache. A leftover is swept only where this very host made it, the process is gone (another
boot, no such process, or a younger one of the same pid), and SWEEP_AFTER has passed since all its time was used up.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ...errors import CoreError
from ...host import Host
from ...publish import PARTIAL
from ..model import DEAD, GROWING, UNCLEAR, WAITING, Leftover
from ..names import DELETING, NEW, OWNER
from ..times import to_iso

SWEEP_AFTER = 6 * 3600.0  # seconds


def _linux_id(host: Host) -> str:
    return host.read("/etc/machine-id").strip()


def _macos_id(host: Host) -> str:
    lines = host.run(["ioreg", "-rd1", "-c", "IOPlatformExpertDevice"]).stdout.splitlines()
    return next((line.strip() for line in lines if "IOPlatformUUID" in line), "")


def _windows_id(host: Host) -> str:
    key = r"HKLM\SOFTWARE\Microsoft\Cryptography"
    return host.run(["reg", "query", key, "/v", "MachineGuid"]).stdout.split()[-1:][0]


MACHINE_IDS: dict[str, Callable[[Host], str]] = {"linux": _linux_id, "darwin": _macos_id, "windows": _windows_id}


def identity(host: Host) -> str:
    """Return a short text that is this host's own: two of one name, or two machines of one image, differ in it."""
    try:
        machine_id = MACHINE_IDS[host.platform](host)
    except (CoreError, IndexError):
        machine_id = ""
    return hashlib.sha256(f"{host.name()}\0{machine_id}".encode("utf-8", "surrogateescape")).hexdigest()[:12]


def processes(host: Host) -> str:
    """Return which processes this one sees: a container's pids say nothing outside of it. Empty where all see all."""
    try:
        return host.link("/proc/self/ns/pid") if host.platform == "linux" else ""
    except CoreError:
        return ""


def owner_document(host: Host) -> bytes:
    """Return what names this process as the maker of a set."""
    owner = {
        "host": host.name(),
        "identity": identity(host),
        "processes": processes(host),
        "pid": os.getpid(),
        "began": host.process_began(os.getpid()),
        "boot_id": host.boot_id(),
        "since": host.now(),
        "until": host.now() + host.budget,
    }
    return json.dumps(owner).encode("ascii")


def new_name(set_id: str, host: Host) -> str:
    """Return what the folder of a set is called until it has its owner."""
    return f"{set_id}.{identity(host)}{NEW}"


def leftover(folder: Path, host: Host) -> Leftover:
    """Given a folder that is no set and has a name of those that become one or were one, return what it is."""
    if folder.name.endswith(DELETING):
        return Leftover(folder.name, "deleting", DEAD, "a set that was being removed")
    kind = "new" if folder.name.endswith(NEW) else "partial"
    try:
        owner = json.loads(host.read(str(folder / OWNER)))
        state, words = state_of(owner, host)
    except (CoreError, KeyError, TypeError, ValueError):
        state, words = _nameless(folder, host)
    return Leftover(folder.name, kind, state, words)


def _nameless(folder: Path, host: Host) -> tuple[str, str]:
    """Return what a folder without a readable owner is: only the name of a new one says which host made it."""
    if not folder.name.endswith(f".{identity(host)}{NEW}"):
        return UNCLEAR, "it names no owner, so nobody can tell whether one is alive"
    try:
        quiet = host.modified(str(folder)) + SWEEP_AFTER
    except CoreError:
        return GROWING, "a set that is just being begun"  # it has got its owner and its name meanwhile
    if host.now() <= quiet:
        return WAITING, f"it was not given an owner; it is swept by a run after {to_iso(quiet)}"
    return DEAD, "it was never given an owner"


def state_of(owner: Mapping[str, Any], host: Host) -> tuple[str, str]:
    """Given who made something, return what it is by now, in words too. Raise KeyError, TypeError or ValueError."""
    who = f"pid {int(owner['pid'])} on {owner['host']}"
    quiet = float(owner["until"]) + SWEEP_AFTER
    if owner["identity"] != identity(host) or not _visible_here(owner, host):
        late = host.now() > quiet
        return (UNCLEAR, f"{who} should have ended long ago; it is that host's to sweep") if late else (GROWING, who)
    if owner["boot_id"] == host.boot_id() and host.process_began(int(owner["pid"])) == owner["began"]:
        return GROWING, who
    if host.now() <= quiet:
        return WAITING, f"{who} is gone; it is swept by a run after {to_iso(quiet)}"
    return DEAD, f"{who} is gone"


def is_gone(owner: Mapping[str, Any], host: Host) -> bool:
    """Given who made something, return whether that process is known to have ended. Raise KeyError or ValueError."""
    if owner["identity"] != identity(host) or not _visible_here(owner, host):
        return False
    return bool(owner["boot_id"] != host.boot_id() or host.process_began(int(owner["pid"])) != owner["began"])


def _visible_here(owner: Mapping[str, Any], host: Host) -> bool:
    """Return whether a pid means here what it meant there: in the same set of processes, or after another boot."""
    return bool(owner["processes"] == processes(host) or owner["boot_id"] != host.boot_id())


def is_unfinished(name: str, is_id: Callable[[str], bool]) -> bool:
    """Return whether a name is that of a set that grows, begins or is being removed."""
    return any(name.endswith(end) and is_id(name[: -len(end)].partition(".")[0]) for end in (PARTIAL, NEW, DELETING))
