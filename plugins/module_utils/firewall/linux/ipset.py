# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sets of ``ipset save`` that iptables rules name with ``-m set`` (format: ipset(8))."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import NamedTuple

from ...errors import ParseError
from ..model.intervals import Intervals, spanning
from ..model.ruleset import PROTOCOLS

_KINDS = {"ip": "addr", "net": "addr", "port": "port"}


class IpSet(NamedTuple):
    """A set: what its dimensions are (``addr`` or ``port``; empty where one is not modelled), and its elements.

    An element holds numbers per dimension; a port also says its protocol, None for any.
    """

    dimensions: tuple[str, ...]
    elements: tuple[tuple[tuple[Intervals, int], ...], ...] = ()


IpSets = Mapping[str, IpSet]


def parse_ipsets(text: str) -> dict[str, IpSet]:
    """Given the output of ``ipset save``, return the sets by name. Raise ParseError."""
    kinds: dict[str, tuple[str, ...]] = {}
    elements: dict[str, list[tuple[tuple[Intervals, int], ...]]] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        try:
            if words[:1] == ["create"]:
                kinds[words[1]] = _dimensions(words[2])
                elements[words[1]] = []
            elif words[:1] == ["add"] and kinds[words[1]]:
                elements[words[1]].append(_element(kinds[words[1]], words[2]))
                kinds[words[1]] = () if "nomatch" in words[3:] else kinds[words[1]]
        except (IndexError, KeyError, ValueError) as error:
            raise ParseError("ipset save", number, line, f"a line of another form ({error!r})") from error
    return {name: IpSet(kind, tuple(elements[name])) for name, kind in kinds.items()}


def _dimensions(kind: str) -> tuple[str, ...]:
    """Given a set's type (``hash:ip,port``), return its dimensions, or none where one of them is not modelled."""
    parts = kind.split(":", 1)[1].split(",")
    return tuple(_KINDS[part] for part in parts) if all(part in _KINDS for part in parts) else ()


def _element(dimensions: tuple[str, ...], text: str) -> tuple[tuple[Intervals, int], ...]:
    parts = text.split(",")
    if len(parts) != len(dimensions):
        raise ValueError(f"{len(parts)} values, expected {len(dimensions)}")
    return tuple((_addresses(part), 0) if kind == "addr" else _ports(part) for kind, part in zip(dimensions, parts))


def _addresses(text: str) -> Intervals:
    first, _dash, last = text.partition("-")
    if last:
        return spanning(int(ipaddress.ip_address(first)), int(ipaddress.ip_address(last)))
    net = ipaddress.ip_network(first)
    return spanning(int(net.network_address), int(net.broadcast_address))


def _ports(text: str) -> tuple[Intervals, int]:
    proto, _colon, ports = text.rpartition(":")
    first, _dash, last = ports.partition("-")
    return spanning(int(first), int(last or first)), PROTOCOLS[proto] if proto else 0
