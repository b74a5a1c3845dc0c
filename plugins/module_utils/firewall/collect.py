# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is collected on which system, chosen once."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import PureWindowsPath
from typing import NamedTuple

from ..host import Host
from .linux import collect as linux
from .linux.parse import parse as parse_linux
from .scope import AS_WRITTEN, Names, Places
from .snapshot import Snapshot


class Collector(NamedTuple):
    """How a system is looked at: its snapshot, and the paths that the processes given by pid work in; and its names.

    ``listens`` is what always listens there, if anything does: where no socket is seen, sight failed.
    """

    collect: Callable[[Host, Collection[int]], tuple[Snapshot, Places]]
    names: Names = AS_WRITTEN
    listens: str = ""


def _linux(host: Host, pids: Collection[int]) -> tuple[Snapshot, Places]:
    return parse_linux(linux.collect(host)), linux.collect_places(host, pids)


# Imported on its platform only: the core travels as source, and compiling what is not used would cost each run.
def _windows(host: Host, pids: Collection[int]) -> tuple[Snapshot, Places]:
    from .windows import collect as windows
    from .windows.parse import parse as parse_windows

    answers = windows.collect(host, pids)
    return parse_windows(answers), windows.places(answers)


def _macos(host: Host, pids: Collection[int]) -> tuple[Snapshot, Places]:
    from .macos import collect as macos
    from .macos.parse import parse as parse_macos

    return parse_macos(macos.collect(host)), macos.collect_places(host, pids)


def _label_and_its_ends(label: str) -> tuple[str, ...]:
    """Given a launchd label, return it and what is behind its dots: ``com.cryptobot.auth`` is a cryptobot unit too."""
    parts = label.split(".")
    return tuple(".".join(parts[at:]) for at in range(len(parts)))


COLLECTORS = {
    "linux": Collector(_linux),
    "windows": Collector(
        _windows,
        Names(PureWindowsPath, str.lower, user=lambda account: account.rpartition("\\")[2]),
        "RpcSs on port 135",
    ),
    "darwin": Collector(_macos, Names(unit=_label_and_its_ends), "mDNSResponder"),
}
