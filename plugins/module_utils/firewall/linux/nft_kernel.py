# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the kernel says of its nf_tables over netlink: which tables there are, and what nft hides of rules.

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
_SUBSYSTEM, _NEW_TABLE, _GET_TABLE, _GET_RULE, _NAME = 10 << 8, 0, 1, 7, 1
_REQUEST_DUMP = 0x301  # NLM_F_REQUEST | NLM_F_DUMP
_NFGENMSG, _ATTRIBUTE, _ERROR = struct.Struct("=BBH"), struct.Struct("=HH"), struct.Struct("=i")
_FAMILIES = {1: "inet", 2: "ip", 3: "arp", 5: "netdev", 7: "bridge", 10: "ip6"}

# The attribute by which an expression loads the type of the device a packet came by: NFTA_META_KEY, NFT_META_IIFTYPE.
_LOADS_DEVICE_TYPE = _ATTRIBUTE.pack(8, 2) + struct.pack(">I", 8)


def _request(kind: int) -> bytes:
    header = HEADER.pack(HEADER.size + _NFGENMSG.size, _SUBSYSTEM | kind, _REQUEST_DUMP, 1, 0)
    return header + _NFGENMSG.pack(0, 0, 0)


TABLES_REQUEST, RULES_REQUEST = _request(_GET_TABLE), _request(_GET_RULE)


def parse_tables(dump: bytes) -> list[tuple[str, str]]:
    """Given the kernel's answer, return family and name of each table. Raise SourceDenied where it is an error."""
    tables = []
    for kind, payload in messages(dump):
        _refused(kind, payload, "the list of nf_tables tables")
        if kind == _SUBSYSTEM | _NEW_TABLE:
            tables.append((_FAMILIES.get(payload[0], str(payload[0])), _name(payload[_NFGENMSG.size :])))
    return tables


def may_ask_for_frames(dump: bytes) -> bool:
    """Given the kernel's rules, return whether one may ask that a packet came in an Ethernet frame, which nft hides.

    Of ``ether type ip ip saddr 192.0.2.1`` it prints the second part alone, as JSON and as text (1.0.6, 1.1.3); what
    the host itself sends has no such frame. Raise SourceDenied where the answer is an error.
    """
    for kind, payload in messages(dump):  # an error may come after some of the rules
        _refused(kind, payload, "the rules of nf_tables")
    return _LOADS_DEVICE_TYPE in dump


def _refused(kind: int, payload: bytes, what: str) -> None:
    code = -_ERROR.unpack_from(payload)[0] if kind == NLMSG_ERROR else 0
    if code not in (0, errno.EINVAL):
        raise SourceDenied(what, f"the kernel says error {code}")


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
