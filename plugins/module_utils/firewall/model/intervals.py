# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sets of numbers (addresses, ports) as sorted boundaries, so that a rule of 50,000 addresses costs a slice.

``Intervals`` is a flat tuple ``(first, end, first, end, ...)``, strictly rising, ``end`` exclusive. A number is in the
set where an odd count of boundaries is at or below it.
"""

from __future__ import annotations

import ipaddress
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from typing import Optional

Intervals = tuple[int, ...]
NOTHING: Intervals = ()
BITS = {4: 32, 6: 128}
TOP = 1 << BITS[6]  # above every number that a packet field holds
EVERYTHING: Intervals = (0, TOP)
FEW = 64  # so many numbers are looked at one by one
_LARGER = 8  # so many times larger a set is cut at the bounds of the other, instead of going through both


def spanning(first: int, last: int) -> Intervals:
    """Given the first and the last number, return the set of all from one to the other."""
    return (first, last + 1)


def merge(parts: Iterable[Intervals]) -> Intervals:
    """Given any number of sets, return their union. The time grows with all but the largest one."""
    sets = [part for part in parts if part]
    if len(sets) < 2:
        return sets[0] if sets else NOTHING
    *others, largest = sorted(sets, key=len)
    if sum(map(len, others)) * _LARGER < len(largest):
        return complement(intersect(complement(merge(others)), complement(largest)))
    spans = sorted(span for part in sets for span in zip(part[::2], part[1::2]))
    union: list[int] = []
    for first, end in spans:
        if union and first <= union[-1]:
            union[-1] = max(union[-1], end)
        else:
            union += (first, end)
    return tuple(union)


def _clip(numbers: Intervals, first: int, end: int) -> Intervals:
    low, high = bisect_right(numbers, first), bisect_left(numbers, end)
    head = (first,) if low & 1 else ()
    tail = (end,) if high & 1 else ()
    return head + numbers[low:high] + tail


def intersect(one: Intervals, other: Intervals) -> Intervals:
    """Given two sets, return what both hold. The time grows with the smaller one."""
    if one == other:
        return one
    smaller, larger = (one, other) if len(one) <= len(other) else (other, one)
    if len(smaller) == 2:
        return _clip(larger, *smaller)
    common: list[int] = []
    for first, end in zip(smaller[::2], smaller[1::2]):
        common += _clip(larger, first, end)
    return tuple(common)


def complement(numbers: Intervals) -> Intervals:
    """Given a set, return every number that is not in it."""
    low = numbers[1:] if numbers[:1] == (0,) else (0, *numbers)
    return low[:-1] if low[-1:] == (TOP,) else (*low, TOP)


def subtract(numbers: Intervals, without: Intervals) -> Intervals:
    """Given a set and what to take away, return the rest."""
    return intersect(numbers, complement(without)) if without else numbers


def rest_of(numbers: Intervals, part: Intervals) -> Intervals:
    """Given a set and a part of it, return the rest: every boundary of both but the common ones."""
    if min(len(numbers), len(part)) * _LARGER < max(len(numbers), len(part)):
        return subtract(numbers, part)
    return tuple(sorted(set(numbers).symmetric_difference(part))) if part else numbers


def contains(numbers: Intervals, number: int) -> bool:
    """Return whether the number is in the set."""
    return bool(bisect_right(numbers, number) & 1)


def count(numbers: Intervals) -> int:
    """Return how many numbers the set holds."""
    return sum(numbers[1::2]) - sum(numbers[::2])


def under_mask(numbers: Intervals, mask: int, bits: int) -> Optional[Intervals]:
    """Given a set, return every number of so many bits that lies in it once the mask is put over it.

    None where the mask is not that of a network: then they lie scattered.
    """
    size = (1 << bits) - mask
    if mask < 0 or size & (size - 1) or size <= 0:
        return None
    spans = [(-(-numbers[at] // size) * size, -(-numbers[at + 1] // size) * size) for at in range(0, len(numbers), 2)]
    return merge((max(first, 0), min(end, 1 << bits)) for first, end in spans if first < min(end, 1 << bits))


def few(numbers: Intervals) -> list[int]:
    """Given a set, return its numbers one by one, or none where they are too many for that."""
    if count(numbers) > FEW:
        return []
    return [number for at in range(0, len(numbers), 2) for number in range(numbers[at], numbers[at + 1])]


def network(text: str) -> tuple[int, Intervals]:
    """Given an address or network (``10.0.0.0/8``, ``::1``), return its family and its addresses. Raise ValueError."""
    net = ipaddress.ip_network(text)
    return net.version, spanning(int(net.network_address), int(net.broadcast_address))


def numbers_in(text: str) -> Optional[dict[int, Intervals]]:
    """Given an address, network or range (``10.0.0.1 - 10.0.0.9``), return its numbers by family; None: it is none."""
    first, dash, last = (part.strip() for part in re.sub(r"%[^/-]*", "", text).partition("-"))
    try:
        if not dash:
            family, numbers = network(str(ipaddress.ip_interface(first).network))
            return {family: numbers}
        low, high = ipaddress.ip_address(first), ipaddress.ip_address(last)
    except ValueError:
        return None
    right = low.version == high.version and int(low) <= int(high)
    return {low.version: spanning(int(low), int(high))} if right else None


def networks(family: int, numbers: Intervals, limit: int = 4) -> list[str]:
    """Given a set of addresses, return it as networks for a reader; beyond ``limit`` of them only how many follow."""
    kind = ipaddress.IPv4Address if family == 4 else ipaddress.IPv6Address
    named: list[str] = []
    for at in range(0, len(numbers), 2):
        for net in ipaddress.summarize_address_range(kind(numbers[at]), kind(numbers[at + 1] - 1)):
            if len(named) == limit:
                return [*named, f"and {len(numbers) // 2 - at // 2} further ranges"]
            named.append(str(net))
    return named
