# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The listening sockets of a host with their owners, and who took a connection: which platform tells it how."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from ..errors import CoreError
from ..host import Host
from .linux import collect_linux, taken_by, waits_for
from .model import Ends, SocketTable


# Imported on its platform only: the core travels as source, and compiling what is not used would cost each run.
def _collect_macos(host: Host) -> SocketTable:
    from .macos import collect_macos

    return collect_macos(host)


def _collect_windows(host: Host) -> SocketTable:
    from .windows import collect_windows

    return collect_windows(host)


COLLECTORS: dict[str, Callable[[Host], SocketTable]] = {
    "linux": collect_linux,
    "darwin": _collect_macos,
    "windows": _collect_windows,
}


def listening(host: Host) -> SocketTable:
    """Given a host, return its listening TCP and unconnected UDP sockets, by protocol, port, family and address.

    ``unavailable`` of the answer says why owners could not be seen, ``unread`` why sockets themselves could not. Raise
    CoreError where no sockets can be read at all, and ParseError where an answer is of another form than documented.
    """
    collect = COLLECTORS.get(host.platform)
    if collect is None:
        raise CoreError(f"the listening sockets of a {host.platform} host cannot be read by this release")
    table = collect(host)
    ordered = sorted(table.sockets, key=lambda entry: (entry.proto, entry.port, entry.family, entry.address))
    return table._replace(sockets=tuple(ordered))


Taken = Callable[[Host, Collection[Ends], Iterable[int]], dict[Ends, tuple[int, ...]]]


def _taken_on_macos(host: Host, ends: Collection[Ends], pids: Iterable[int]) -> dict[Ends, tuple[int, ...]]:
    from .macos import taken_by as of_lsof

    return of_lsof(host, ends, pids)


# Windows knows an owner of a connection, but of a socket that several processes share only one of them.
TAKEN: dict[str, Taken] = {"linux": taken_by, "darwin": _taken_on_macos}
WAITS: dict[str, Callable[[Host, int, Collection[int]], bool]] = {"linux": waits_for}
