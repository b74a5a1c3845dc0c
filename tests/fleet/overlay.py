# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Overlay mounts, and the safe removal of folders that may still hold mounts."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from . import shell
from .errors import FleetError

MOUNTINFO = Path("/proc/self/mountinfo")


def options(lowers: Sequence[Path], upper: Path, work: Path) -> str:
    """Given the read-only folders, lowest first, return the mount options (overlayfs wants the topmost first)."""
    stack = ":".join(str(folder) for folder in reversed(lowers))

    return f"lowerdir={stack},upperdir={upper},workdir={work}"


def mount(lowers: Sequence[Path], folder: Path) -> Path:
    """Given the read-only folders, mount them under FOLDER/root with changes in FOLDER/upper; return the root."""
    for name in ("upper", "work", "root"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    text = options(lowers, folder / "upper", folder / "work")
    shell.run(["mount", "-t", "overlay", "overlay", "-o", text, folder / "root"])

    return folder / "root"


def mount_points(mountinfo: str) -> list[Path]:
    """Given the text of /proc/self/mountinfo (proc(5): field 5, octal escapes), return the mount points in order."""
    fields = (line.split()[4] for line in mountinfo.splitlines() if line)

    return [Path(re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), field)) for field in fields]


def mounts_below(folder: Path, points: Iterable[Path]) -> list[Path]:
    """Given a folder, return the mount points at or under it, the innermost and latest first."""
    inside = [point for point in points if point == folder or folder in point.parents]

    return inside[::-1]


def unmount_below(folder: Path) -> None:
    """Unmount whatever is mounted at or under the folder. Raise FleetError when something stays mounted."""
    folder = folder.resolve()  # as the kernel writes it
    for point in mounts_below(folder, mount_points(MOUNTINFO.read_text())):
        # lazily, where a process of a killed build still holds it: the kernel drops it with that process
        if not shell.succeeds(["umount", point]):
            shell.succeeds(["umount", "-l", point])
    left = mounts_below(folder, mount_points(MOUNTINFO.read_text()))
    if left:
        raise FleetError(f"{left[0]} is still mounted; nothing under {folder} was removed")


def remove(folder: Path) -> None:
    """Remove a folder, never reaching through a mount: unmount first, and stop when that fails."""
    unmount_below(folder)
    if folder.exists():
        shutil.rmtree(folder)
