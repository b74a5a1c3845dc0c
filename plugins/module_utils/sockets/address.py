# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Addresses as the tools of Windows and macOS write them, made one spelling. Pure."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

WILDCARD = {4: "0.0.0.0", 6: "::"}  # noqa: S104 - compared with, never bound to
_SCOPE_IN_ADDRESS = 0xFFFF << 96  # the second group of a link-local address, where BSD kernels keep the interface


def plain_address(text: str) -> tuple[int, str]:
    """Given a numeric address, perhaps with an interface (``fe80::1%en0``, ``fe80:4::1``), return family and address.

    The interface is left out: a link-local address is compared without it on Linux as well. Raise ValueError.
    """
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv4Address):
        return 4, str(address)
    if address.is_link_local:
        address = IPv6Address(int(address) & ~_SCOPE_IN_ADDRESS)
    # Python 3.13 writes these so by itself, older ones as ::ffff:7f00:1.
    return 6, f"::ffff:{address.ipv4_mapped}" if address.ipv4_mapped else str(address)
