# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who tells which process took a connection, on the platforms where anything does."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from ..host import Host
from .ends import Ends
from .linux.taken import taken_by, waits_for

Taken = Callable[[Host, Collection[Ends], Iterable[int]], dict[Ends, tuple[int, ...]]]


def _taken_on_macos(host: Host, ends: Collection[Ends], pids: Iterable[int]) -> dict[Ends, tuple[int, ...]]:
    from .macos.gather import taken_by as of_lsof

    return of_lsof(host, ends, pids)


# Windows knows an owner of a connection, but of a socket that several processes share only one of them.
TAKEN: dict[str, Taken] = {"linux": taken_by, "darwin": _taken_on_macos}
WAITS: dict[str, Callable[[Host, int, Collection[int]], bool]] = {"linux": waits_for}
