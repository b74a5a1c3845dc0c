# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Words in rules of pf: addresses, ports, flags and interfaces as numbers and names of the model. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Optional

from ...finding import EMPTY
from ..model.intervals import Intervals, complement, network, spanning
from ..model.packet import LOOPBACK, SYN

TCP_FLAGS = {"F": 0x01, "S": SYN, "R": 0x04, "P": 0x08, "A": 0x10, "U": 0x20, "E": 0x40, "W": 0x80}
_TOP_PORT = 65535
ByFamily = Mapping[int, Intervals]


class PfNames(NamedTuple):
    """What names in rules stand for: tables by name, addresses and networks by interface, ports by service."""

    tables: Mapping[str, ByFamily] = EMPTY
    addresses: Mapping[str, ByFamily] = EMPTY
    networks: Mapping[str, ByFamily] = EMPTY
    services: Mapping[str, int] = EMPTY


NO_NAMES = PfNames()


def flag_bits(letters: str) -> int:
    """Given letters of TCP flags, return their bits."""
    return sum(TCP_FLAGS[letter] for letter in set(letters))


def _span(first: int, last: int) -> Intervals:
    return spanning(first, last) if first <= last else ()


OPERATORS = ("=", "!=", "<", "<=", ">", ">=")
BETWEEN = ("><", "<>")
_RANGES: dict[tuple[str, int], Callable[..., Intervals]] = {
    ("=", 1): lambda port: spanning(port, port),
    ("!=", 1): lambda port: complement(spanning(port, port)),
    ("<", 1): lambda port: _span(0, port - 1),
    ("<=", 1): lambda port: _span(0, port),
    (">", 1): lambda port: _span(port + 1, _TOP_PORT),
    (">=", 1): lambda port: _span(port, _TOP_PORT),
    (":", 2): _span,
    ("><", 2): lambda first, last: _span(first + 1, last - 1),
    ("<>", 2): lambda first, last: complement(_span(first, last)) if first <= last else complement(()),
}


def port_numbers(words: Sequence[str], services: Mapping[str, int]) -> Optional[Intervals]:
    """Given the words behind ``port`` (= 22, 8000:8004, 1 >< 5, > 1023), return the ports. None: not understood."""
    sign = next((word for word in words if word in OPERATORS + BETWEEN), "=")
    parts = [part for word in words if word != sign for part in word.split(":")]
    ports = [services.get(part, int(part) if part.isdecimal() else -1) for part in parts]
    if not ports or not all(0 <= port <= _TOP_PORT for port in ports):
        return None
    if len(ports) == 2 and ":" in words[0]:
        sign = ":"
    reading = _RANGES.get((sign, len(ports)))
    return reading(*ports) if reading else None


def interface_name(name: str) -> str:
    """Given the name of an interface as pf knows it, return it for a test: a name without number is its group."""
    if name in ("lo0", "lo"):
        return LOOPBACK
    return name if name[-1:].isdigit() else f"{name}*"


def address_numbers(word: str) -> Optional[ByFamily]:
    """Given an address, network or range (``10.0.0.1 - 10.0.0.9``), return its numbers; None where it is none."""
    first, dash, last = word.partition(" - ")
    try:
        if not dash:
            family, numbers = network(re.sub(r"%[^/]*", "", word))
            return {family: numbers}
        low, high = ipaddress.ip_address(first), ipaddress.ip_address(last)
    except ValueError:
        return None
    return (
        {low.version: spanning(int(low), int(high))} if low.version == high.version and int(low) <= int(high) else None
    )
