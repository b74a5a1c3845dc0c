# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What nftables' JSON compares a packet's fields with: constants, ranges, prefixes, bits, sets by name; and its text.

Format: libnftables-json(5). Whatever is of another form raises NotModelled, and the test becomes a ``Doubt``. Sets of
100,000 elements are common: an element costs one conversion, and a set is read once however many rules name it.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Optional

from ..model.intervals import TOP, Intervals, merge
from ..model.ruleset import Match, Values

Convert = Callable[[Any], int]
Row = tuple[Values, ...]
ODD = (ValueError, TypeError, KeyError, IndexError, AttributeError, OSError, StopIteration)  # what another form raises
PLAIN = {"val", "timeout", "expires", "comment", "counter"}  # of an element; anything else may keep it from matching
ANYTHING: Intervals = (0, TOP - 1)  # any value, but there has to be one; with EVERYTHING a field may be missing
_SHOWN = 6  # elements of a set that are spelled out
_SILENT = ("counter", "last", "comment")


class NotModelled(Exception):
    """An expression that this model has no words for."""


class Left(NamedTuple):
    """What a test looks at: a field of the packet, how a constant of it is read, and the silent tests before it.

    ``ordered`` reads the bounds of ranges, None where ranges mean nothing. ``bits``: the field is made of flags.
    ``read`` None: the field is a name.
    """

    field: str
    read: Optional[Convert]
    guards: tuple[Match, ...] = ()
    ordered: Optional[Convert] = None
    bits: bool = False


def to_address(value: str) -> int:
    """Given an address as text, return it as a number. Raise OSError."""
    return int.from_bytes(socket.inet_pton(socket.AF_INET6 if ":" in value else socket.AF_INET, value), "big")


def to_hardware(value: str) -> int:
    """Given an Ethernet address, return it as a number. Raise ValueError."""
    return int(value.replace(":", ""), 16)


def to_number(value: Any) -> int:
    """Given a number, or one as text in any base (``0x10``), return it. Raise ValueError."""
    return int(value, 0) if isinstance(value, str) else int(value)


def named(names: Mapping[Any, int], other: Optional[int] = None) -> Convert:
    """Given the numbers that words stand for, return what turns such a word, or a number, into the number.

    ``other`` is what all stand for that are not there.
    """
    if other is None:
        return lambda value: names[value] if value in names else to_number(value)
    return lambda value: names.get(value, other)


def bits(names: Mapping[str, int]) -> Convert:
    """Given the numbers of flags, return what turns flags, joined in any of the ways of the JSON, into their sum."""

    def read(value: Any) -> int:
        if isinstance(value, dict):
            value = value["|"]
        if not isinstance(value, list):
            return names[value] if value in names else to_number(value)
        total = 0
        for part in value:
            total |= read(part)
        return total

    return read


def affine(value: Any, key: Any) -> Optional[tuple[int, int]]:
    """Given what a mark is set to, return (a, b) where that is ``(old & a) | b``; None where it is something else."""
    if isinstance(value, int):
        return (0, value)
    if value == key:
        return (-1, 0)
    sign = next(iter(value)) if isinstance(value, dict) else ""
    if sign not in ("&", "|") or not all(isinstance(number, int) for number in value[sign][1:]):
        return None
    found = affine(value[sign][0], key)
    if found is None:
        return None
    kept, added = found
    for number in value[sign][1:]:
        kept, added = (kept & number, added & number) if sign == "&" else (kept & ~number, added | number)
    return (kept, added)


class Objects:
    """What the rules of one table name (sets and maps, limits, interfaces), and which fields they change.

    ``family`` is the one that all its packets have: nobody has to ask for it.
    """

    def __init__(self, family: str, links: Mapping[str, int]) -> None:
        self.family = family
        self._links = links
        self.bodies: dict[tuple[str, str], dict[str, Any]] = {}
        self.changed: set[str] = set()
        self.families_known = False  # the code of its rules was read
        self._known: dict[tuple[str, tuple[str, ...]], tuple[tuple[Row, ...], bool]] = {}

    def index(self, link: Any) -> int:
        """Given the name of an interface, or its number, return the number. Raise ValueError or KeyError."""
        return int(link) if str(link).isdigit() else self._links[link]

    def body(self, kind: str, name: str) -> dict[str, Any]:
        """Return the object of that name. Raise NotModelled where it was not listed."""
        if (kind, name) not in self.bodies:
            raise NotModelled(f"the {kind} {name}, which was not listed")
        return self.bodies[kind, name]

    def elements(self, right: Any) -> list[Any]:
        """Given the right side of a test or map, return what it holds: of a set, of a set by name, or itself."""
        if isinstance(right, str) and right.startswith("@"):
            found = self.body("set", right[1:]).get("elem") or []
        else:
            found = right["set"] if isinstance(right, dict) and "set" in right else [right]
        return found if isinstance(found, list) else [found]

    def rows(self, lefts: Sequence[Left], right: Any) -> tuple[tuple[Row, ...], bool]:
        """Given what is looked at and what with, return the rows of a Match, and whether elements have limits.

        Raise NotModelled.
        """
        if not (isinstance(right, str) and right.startswith("@")):
            return read_rows(lefts, self.elements(right))
        key = (right, tuple(left.field for left in lefts))
        if key not in self._known:
            self._known[key] = read_rows(lefts, self.elements(right))
        return self._known[key]


def read_rows(lefts: Sequence[Left], elements: Sequence[Any]) -> tuple[tuple[Row, ...], bool]:
    """Given what is looked at and the elements of a set, return the rows of a Match, and whether any has a limit."""
    limited = False
    keys = []
    for element in elements:
        if isinstance(element, dict) and "elem" in element:
            limited = limited or not PLAIN.issuperset(element["elem"])
            keys.append(element["elem"].get("val"))
        else:
            keys.append(element)
    try:
        return (((_column(lefts[0], keys),),) if len(lefts) == 1 else _grouped(lefts, keys)), limited
    except ODD as error:
        raise NotModelled(str(error)) from error


def _grouped(lefts: Sequence[Left], keys: Sequence[Any]) -> tuple[Row, ...]:
    """Given elements of several fields, return rows: one for all elements that differ in one address only."""
    merged = next((at for at, left in enumerate(lefts) if left.field in ("saddr", "daddr")), None)
    groups: dict[Row, list[Intervals]] = {}
    for key in keys:
        parts = ["*"] * len(lefts) if key == "*" else key["concat"]
        if len(parts) != len(lefts):
            raise NotModelled("a set element with other fields than its set")
        values = [_column(left, [part]) for left, part in zip(lefts, parts)]
        own = () if merged is None else values.pop(merged)
        groups.setdefault(tuple(values), []).append(own)  # type: ignore[arg-type]
    if merged is None:
        return tuple(groups)
    return tuple((*others[:merged], merge(own), *others[merged:]) for others, own in groups.items())


def _column(left: Left, keys: Sequence[Any]) -> Values:
    """Given a field and what it may be, return that as one set. Raise one of ODD."""
    if left.read is None:
        if not all(isinstance(key, str) and "\\" not in key for key in keys):  # ``\\*`` is a star in a name itself
            raise NotModelled("a name of another form")
        return frozenset(keys)
    return merge([span(left, key) for key in keys])


def span(left: Left, value: Any) -> Intervals:
    """Given a field and a constant, range or prefix, return its numbers. Raise one of ODD, or NotModelled."""
    if not isinstance(value, dict) or "|" in value:
        if value == "*":
            return ANYTHING
        number = left.read(value)  # type: ignore[misc]
        return (number, number + 1)
    if left.ordered is None:
        raise NotModelled("a range of what has no order")
    if "range" in value:
        first, last = map(left.ordered, value["range"])
    elif "prefix" in value:
        address, length = value["prefix"]["addr"], value["prefix"]["len"]
        rest = (1 << ((128 if ":" in address else 32) - length)) - 1
        first, last = to_address(address) & ~rest, to_address(address) | rest
    else:
        raise NotModelled(f"a value made of {', '.join(value)}")
    if last < first:
        raise NotModelled("a range that ends before it begins")
    return (first, last + 1)


def render(expression: Any) -> str:
    """Given any expression or statement, return it as text, close to what ``nft list ruleset`` prints."""
    if isinstance(expression, dict) and len(expression) == 1:
        [(name, body)] = expression.items()
        return _FORMS[name](body) if name in _FORMS else _other(name, body)
    if isinstance(expression, list):
        return ",".join(render(part) for part in expression)
    return str(expression)


def is_silent(statement: Any) -> bool:
    """Return whether a statement is left out of a rule's text: counters, comments."""
    return any(name in statement for name in _SILENT)


def _goes_unsaid(body: dict[str, Any]) -> bool:
    """Return whether nft leaves out the comparison of a test: equality, but for that of some bits."""
    return body["op"] in ("==", "in") and not (isinstance(body["left"], dict) and "&" in body["left"])


def _set(elements: list[Any]) -> str:
    shown = [": ".join(map(render, part)) if isinstance(part, list) else render(part) for part in elements[:_SHOWN]]
    return "{ " + ", ".join(shown) + (f", ... {len(elements) - _SHOWN} more" if elements[_SHOWN:] else "") + " }"


def _nat(name: str) -> Callable[[Any], str]:
    def text(body: Any) -> str:
        port = f":{render(body['port'])}" if body and "port" in body else ""
        address = render(body.get("addr", "")) if body else ""
        return f"{name} to {address}{port}" if address or port else name

    return text


def _joined(sign: str) -> Callable[[Any], str]:
    return lambda body: sign.join(map(render, body))


def _other(name: str, body: Any) -> str:
    if body is None:
        return name
    words = [f"{key} {render(value)}" for key, value in body.items()] if isinstance(body, dict) else [render(body)]
    return f"{name} {' '.join(words)}".strip()


def _amount(body: dict[str, Any], key: str) -> str:
    unit = body.get(f"{key}_unit", "packets")
    return f"{'over ' if body.get('inv') else ''}{body.get(key)}{'' if unit == 'packets' else f' {unit}'}"


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


_FORMS: dict[str, Callable[[Any], str]] = {
    "match": lambda body: (
        f"{render(body['left'])} {'' if _goes_unsaid(body) else body['op'] + ' '}{render(body['right'])}"
    ),
    "payload": lambda body: (
        f"{body['protocol']} {body['field']}"
        if "protocol" in body
        else f"@{body['base']},{body['offset']},{body['len']}"
    ),
    "meta": lambda body: body["key"] if body["key"].startswith(("iif", "oif")) else f"meta {body['key']}",
    "ct": lambda body: " ".join(filter(None, ("ct", body.get("dir"), body["key"]))),
    "fib": lambda body: f"fib {' . '.join(_listed(body.get('flags', [])))} {body.get('result')}",
    "prefix": lambda body: f"{body['addr']}/{body['len']}",
    "range": lambda body: f"{body[0]}-{body[1]}",
    "concat": _joined(" . "),
    "set": lambda body: _set(body) if isinstance(body, list) else _other("set", body),
    "elem": lambda body: render(body.get("val")),
    **{sign: _joined(f" {sign} ") for sign in ("&", "|", "^", "<<", ">>")},
    "map": lambda body: f"{render(body['key'])} map {render(body['data'])}" if "key" in body else _other("map", body),
    "vmap": lambda body: f"{render(body['key'])} vmap {render(body['data'])}",
    "mangle": lambda body: f"{render(body['key'])} set {render(body['value'])}",
    "jump": lambda body: f"jump {body['target']}",
    "goto": lambda body: f"goto {body['target']}",
    "limit": lambda body: (
        f"limit rate {_amount(body, 'rate')}/{body.get('per')}" if isinstance(body, dict) else f"limit name {body}"
    ),
    "quota": lambda body: f"quota {_amount(body, 'val')}" if isinstance(body, dict) else f"quota name {body}",
    "reject": lambda _body: "reject",
    "log": lambda _body: "log",
    "redirect": _nat("redirect"),
    "dnat": _nat("dnat"),
    "snat": _nat("snat"),
    "masquerade": lambda _body: "masquerade",
}
