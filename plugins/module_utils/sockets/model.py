# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sockets of a host as records, which all platforms share. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Optional

from ..finding import EMPTY


class Socket(NamedTuple):
    """A socket that waits for peers.

    ``proto`` is tcp or udp, ``family`` 4 or 6, ``address`` the numeric address (``0.0.0.0`` and ``::`` are all of
    them), ``v6only`` whether an IPv6 socket refuses IPv4 peers (None: could not be learned, or an IPv4 socket).
    ``uid`` and ``user`` made the socket (-1 and empty where that is not known; Windows has no numbers for accounts, and
    names the account of the process). ``pids`` are the processes that hold it, smallest first; ``exe`` (its path, or
    its name where the path is hidden), ``unit`` and ``services`` are those of the first. ``unit`` is what the system's
    service manager calls it: the systemd unit, the launchd label, or the Windows service; where one process hosts
    several Windows services, ``services`` has them all and ``unit`` is empty. Without ``pids`` nothing is known of
    processes. ``inode`` is 0 where the platform has none. ``device`` is the interface that the
    socket is bound to (SO_BINDTODEVICE, or the scope of a link-local address), or empty.
    """

    proto: str
    family: int
    address: str
    port: int
    inode: int
    uid: int
    v6only: Optional[bool] = None
    pids: tuple[int, ...] = ()
    exe: str = ""
    user: str = ""
    unit: str = ""
    services: tuple[str, ...] = ()
    device: str = ""


class SocketTable(NamedTuple):
    """The listening sockets of a host. ``unavailable`` says why the owners of some could not be seen, or is empty.

    ``unread`` says by protocol why sockets of it may be missing; ``unavailable`` then names these reasons too.
    """

    sockets: tuple[Socket, ...]
    unavailable: str = ""
    unread: Mapping[str, str] = EMPTY


class Ends(NamedTuple):
    """A TCP connection by its two ends: addresses as text, an IPv4 address always as such."""

    server: str
    server_port: int
    client: str
    client_port: int


def plain(address: str) -> str:
    """Return an address without the form that IPv6 sockets give to IPv4 peers, and without an interface."""
    return address[7:] if address.lower().startswith("::ffff:") and "." in address else address.partition("%")[0]
