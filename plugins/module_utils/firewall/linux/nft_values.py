# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The values that nftables' JSON compares a packet's fields with: constants, ranges, prefixes, sets by name.

Format: libnftables-json(5). Whatever is of another form raises NotModelled, and the test becomes a ``Doubt``.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..model.intervals import EVERYTHING, Intervals, merge, spanning
from ..model.ruleset import Values

_STATEFUL_FREE = {
    "val",
    "timeout",
    "expires",
    "comment",
    "counter",
}  # an element with a limit of its own is not modelled

Convert = Callable[[Any], int]
Row = tuple[Values, ...]


class NotModelled(Exception):
    """An expression that this model has no words for."""


def to_address(value: Any) -> int:
    """Given an address as text, return it as a number. Raise ValueError."""
    return int(ipaddress.ip_address(value))


def to_number(value: Any) -> int:
    """Given a number, or one as text in any base (``0x10``), return it. Raise ValueError."""
    return int(value, 0) if isinstance(value, str) else int(value)


def named(names: Mapping[str, int]) -> Convert:
    """Given the numbers that names stand for, return what turns such a name, or a number, into the number."""
    return lambda value: names[value] if value in names else to_number(value)


def read_values(convert: Convert, value: Any) -> Intervals:
    """Given the conversion of a field and what it is compared with, return the numbers. Raise NotModelled."""
    try:
        return _numbers(convert, value)
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise NotModelled(str(error)) from error


def _numbers(convert: Convert, value: Any) -> Intervals:
    if value == "*":
        return EVERYTHING
    if isinstance(value, list):
        return merge(_numbers(convert, part) for part in value)
    if not isinstance(value, dict):
        number = convert(value)
        return spanning(number, number)
    if "prefix" in value:
        net = ipaddress.ip_network((value["prefix"]["addr"], value["prefix"]["len"]))
        return spanning(int(net.network_address), int(net.broadcast_address))
    if "range" in value:
        return spanning(convert(value["range"][0]), convert(value["range"][1]))
    raise NotModelled(f"a value made of {', '.join(value)}")


def elements_of(value: Any) -> list[Any]:
    """Given an element list of a set, return its keys without timeouts, counters and comments. Raise NotModelled."""
    return [_key_of(element) for element in value]


def _key_of(element: Any) -> Any:
    if not (isinstance(element, dict) and "elem" in element):
        return element
    if not _STATEFUL_FREE.issuperset(element["elem"]):
        raise NotModelled("a set element with a limit of its own")
    return element["elem"]["val"]


def read_rows(fields: tuple[tuple[str, Convert], ...], elements: Iterable[Any]) -> tuple[Row, ...]:
    """Given the fields that are compared together and the elements of a set, return the rows of a Match.

    Elements of a single field make one row, however many they are. Raise NotModelled.
    """
    if len(fields) == 1:
        return ((_column(fields[0], elements),),)
    return tuple(_row(fields, element) for element in elements)


def _column(field: tuple[str, Convert], elements: Iterable[Any]) -> Values:
    name, convert = field
    if name == "iif":
        return frozenset(str(element) for element in elements)
    return merge(read_values(convert, element) for element in elements)


def _row(fields: tuple[tuple[str, Convert], ...], element: Any) -> Row:
    if element == "*":
        return tuple(frozenset("*") if name == "iif" else EVERYTHING for name, _convert in fields)
    parts = element.get("concat") if isinstance(element, dict) else None
    if parts is None or len(parts) != len(fields):
        raise NotModelled("a set element with other fields than its set")
    return tuple(_column(field, [part]) for field, part in zip(fields, parts))
