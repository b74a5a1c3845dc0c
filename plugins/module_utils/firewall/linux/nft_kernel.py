# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the kernel says of its nf_tables over netlink, for hosts without nft: only which tables there are.

An empty answer proves that there are none, and so does a kernel that knows no nf_tables: it says EINVAL to what its
nfnetlink has no subsystem for (tried), and has no such netlink family at all where nfnetlink is not built.
Messages: linux/netfilter/nf_tables.h and nfnetlink.h.
"""

from __future__ import annotations

import errno
import struct

from ...errors import SourceDenied
from ...netlink import HEADER, NLMSG_ERROR, messages

NETLINK_NETFILTER = 12
_SUBSYSTEM, _NEW_TABLE, _GET_TABLE, _NAME = 10 << 8, 0, 1, 1
_REQUEST_DUMP = 0x301  # NLM_F_REQUEST | NLM_F_DUMP
_NFGENMSG, _ATTRIBUTE, _ERROR = struct.Struct("=BBH"), struct.Struct("=HH"), struct.Struct("=i")
_FAMILIES = {1: "inet", 2: "ip", 3: "arp", 5: "netdev", 7: "bridge", 10: "ip6"}

TABLES_REQUEST = HEADER.pack(
    HEADER.size + _NFGENMSG.size, _SUBSYSTEM | _GET_TABLE, _REQUEST_DUMP, 1, 0
) + _NFGENMSG.pack(0, 0, 0)


def parse_tables(dump: bytes) -> list[tuple[str, str]]:
    """Given the kernel's answer, return family and name of each table. Raise SourceDenied where it is an error."""
    tables = []
    for kind, payload in messages(dump):
        code = -_ERROR.unpack_from(payload)[0] if kind == NLMSG_ERROR else 0
        if code not in (0, errno.EINVAL):
            raise SourceDenied("the list of nf_tables tables", f"the kernel says error {code}")
        if kind == _SUBSYSTEM | _NEW_TABLE:
            tables.append((_FAMILIES.get(payload[0], str(payload[0])), _name(payload[_NFGENMSG.size :])))
    return tables


def proves_absence(error: Exception) -> bool:
    """Given why the kernel could not be asked, return whether it cannot have nf_tables."""
    return getattr(error.__cause__, "errno", 0) == errno.EPROTONOSUPPORT


def _name(attributes: bytes) -> str:
    """Given the attributes of a table, return its name."""
    place = 0
    while place + _ATTRIBUTE.size <= len(attributes):
        length, kind = _ATTRIBUTE.unpack_from(attributes, place)
        if kind == _NAME:
            return attributes[place + _ATTRIBUTE.size : place + length].rstrip(b"\0").decode(errors="replace")
        place += max((length + 3) & ~3, _ATTRIBUTE.size)
    return ""
