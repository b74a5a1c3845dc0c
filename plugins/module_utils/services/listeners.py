# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who takes what is sent to a port: an answer counts only where it is the service's own process. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Optional

from ..sockets.model import Socket, SocketTable
from .declared import Probe
from .model import Observation

_INIT = 1
_LOOPBACK = {"localhost": ("127.0.0.1", "::1")}


def owns(observed: Observation, entry: Socket) -> bool:
    """Return whether a socket is the service's: one of its processes holds it, or systemd does in its stead."""
    unit = observed.unit
    in_its_stead = unit is not None and bool(unit.triggered_by) and _INIT in entry.pids
    return in_its_stead or not observed.pids.isdisjoint(entry.pids)


def takers(sockets: Sequence[Socket], address: str, port: int) -> list[Socket]:
    """Return the TCP sockets that take what is sent to an address: those bound to it, else those bound to all."""
    names = _LOOPBACK.get(address, (address,))
    listening = [entry for entry in sockets if entry.proto == "tcp" and entry.port == port]
    exact = [entry for entry in listening if entry.address in names]
    return exact or [entry for entry in listening if _takes_all(entry, names)]


def _takes_all(entry: Socket, names: Sequence[str]) -> bool:
    if entry.address == "::":
        return entry.v6only is not True or any(":" in name for name in names)
    return entry.address in ("0.0.0.0", "*") and not all(":" in name for name in names)  # noqa: S104 - compared with


def is_own_answer(
    observed: Observation, probe: Probe, table: Optional[SocketTable], unavailable: str, describe: Callable[[int], str]
) -> tuple[Optional[bool], str]:
    """Return whether it is the service that answers its probe; None where nothing tells; and why it is not.

    Where the inventory names a port for the probe that is none of the service's (a proxy), whoever is there answers.
    """
    if probe.port not in {port.port for port in observed.service.ports if port.proto == "tcp"}:
        return True, ""
    if observed.alive is None:
        return None, "it cannot be looked at"
    unread = table.unread.get("tcp", "") if table is not None else unavailable
    if table is None or unread:
        return None, unread
    found = takers(table.sockets, probe.host, probe.port)
    strangers = [entry for entry in found if entry.pids and not owns(observed, entry)]
    if strangers:
        return False, f"port {probe.port} is held by {describe(strangers[0].pids[0])}"
    if any(not entry.pids for entry in found):
        return None, f"nobody shows who holds port {probe.port}{': ' + table.unavailable if table.unavailable else ''}"
    return True, ""
