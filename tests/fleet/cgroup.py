# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One cgroup per host and per build: it holds every process of it, also those whose parent was killed."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from .errors import FleetError

OURS = "cryptobot-fleet"
MOUNTINFO = Path("/proc/self/mountinfo")
KILL_SECONDS = 20.0

# A shell puts itself into the cgroups (the first words, up to --) and becomes the command.
ENTER = 'while [ "$1" != -- ]; do echo $$ > "$1/cgroup.procs" || exit 125; shift; done; shift; exec "$@"'


def hierarchies(mountinfo: str) -> list[Path]:
    """Given the text of /proc/self/mountinfo, return the cgroup v2 mount and the v1 one that belongs to systemd."""
    found = []
    for line in mountinfo.splitlines():
        before, _unused, after = line.partition(" - ")
        kind, _source, options, *_unused = [*after.split(), "", "", ""]
        if kind == "cgroup2" or (kind == "cgroup" and "name=systemd" in options.split(",")):
            found.append(Path(before.split()[4]))

    return found


def tops() -> list[Path]:
    """Return our own folder in each hierarchy."""
    return [mounted / OURS for mounted in hierarchies(MOUNTINFO.read_text())]


def folders(*names: str) -> list[Path]:
    """Given the names of fleet and host, return the host's folder in each hierarchy."""
    return [top.joinpath(*names) for top in tops()]


def entering(argv: Sequence[object], *names: str) -> list[str]:
    """Make the cgroup and return a command that enters it and becomes ARGV. Raise FleetError where none can be made."""
    made = folders(*names)
    if not made:
        raise FleetError("no cgroup hierarchy is mounted")
    for folder in made:
        folder.mkdir(parents=True, exist_ok=True)

    return ["sh", "-c", ENTER, "enter", *map(str, made), "--", *map(str, argv)]


def pids(*names: str) -> set[int]:
    """Return the processes in the cgroup and below it."""
    found: set[int] = set()
    for folder in folders(*names):
        for processes in folder.rglob("cgroup.procs"):
            found |= _read_pids(processes)

    return found


def _read_pids(processes: Path) -> set[int]:
    try:
        return {int(word) for word in processes.read_text().split()} - {0}
    except OSError:  # the cgroup went away, or it is a threaded one that lists no processes
        return set()


def kill(*names: str) -> None:
    """Kill every process in the cgroup until none is left. Raise FleetError when some outlive it."""
    end = time.monotonic() + KILL_SECONDS
    while time.monotonic() < end:
        left = pids(*names)
        if not left:
            return
        for pid in left:
            _kill_process(pid)
        time.sleep(0.02)
    raise FleetError(f"{'/'.join(names)}: processes {sorted(left)} outlive SIGKILL")


def _kill_process(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def remove(*names: str) -> None:
    """Remove the emptied cgroup, the innermost folders first."""
    for top in folders(*names):
        for folder, _unused, _unused in os.walk(top, topdown=False):
            _remove_folder(Path(folder))


def _remove_folder(folder: Path) -> None:
    for _unused in range(50):  # the kernel needs a moment after the last process
        try:
            return folder.rmdir()
        except FileNotFoundError:
            return None
        except OSError:
            time.sleep(0.02)
    raise FleetError(f"cannot remove the cgroup {folder}")
