# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A TCP connection by its two ends. Pure."""

from __future__ import annotations

from typing import NamedTuple


class Ends(NamedTuple):
    """A TCP connection by its two ends: addresses as text, an IPv4 address always as such."""

    server: str
    server_port: int
    client: str
    client_port: int


def plain(address: str) -> str:
    """Return an address without the form that IPv6 sockets give to IPv4 peers, and without an interface."""
    return address[7:] if address.lower().startswith("::ffff:") and "." in address else address.partition("%")[0]
