# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the policy allows: who may reach which port, why, on whose word and until when."""

from __future__ import annotations

import datetime as dt
import ipaddress
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Optional

from ..accepted import parse_day
from ..errors import InputError
from .model.intervals import EVERYTHING, Intervals, contains, merge, network, spanning

ANY, LOOPBACK = "any", "loopback"
_PORTS = re.compile(r"(?P<first>\d{1,5})(?:-(?P<last>\d{1,5}))?")
_MAX_PORT = 65535


class Allowance(NamedTuple):
    """One entry of the policy: ``sources`` are its words (any, loopback, networks), ``addresses`` what they stand for.

    ``addresses`` leaves loopback out: what stays on the host is not a matter of addresses but of the interface.
    """

    proto: str
    ports: Intervals
    port_text: str
    sources: tuple[str, ...]
    addresses: Mapping[int, Intervals]
    service: str
    why: str
    owner: str
    expires: Optional[dt.date]
    required: bool

    def covers(self, proto: str, port: int) -> bool:
        """Return whether this entry speaks of that port."""
        return self.proto == proto and contains(self.ports, port)

    def expired(self, today: dt.date) -> bool:
        """Return whether the entry no longer counts: it does until the end of the day that it names."""
        return self.expires is not None and self.expires < today

    def __str__(self) -> str:
        service = f" ({self.service})" if self.service else ""
        return f"{self.proto}/{self.port_text}{service} from {', '.join(self.sources)}"


def is_loopback(word: str) -> bool:
    """Return whether a word of the policy means the host itself: loopback, or a network such as 127.0.0.1/32."""
    return word == LOOPBACK or (word != ANY and ipaddress.ip_network(word).is_loopback)


def parse_policy(entries: Sequence[Mapping[str, Any]]) -> tuple[Allowance, ...]:
    """Given the entries of the policy as the inventory has them, return them. Raise InputError naming what is wrong."""
    return tuple(_entry(f"policy[{place}]", entry) for place, entry in enumerate(entries))


def _entry(name: str, entry: Mapping[str, Any]) -> Allowance:
    sources = tuple(str(word).strip() for word in entry["from"])
    if not sources:
        raise InputError(f"{name}.from", entry["from"], "at least one of any, loopback or a network such as 10.0.0.0/8")
    return Allowance(
        entry["proto"],
        _ports(f"{name}.port", entry["port"]),
        str(entry["port"]),
        sources,
        _addresses(f"{name}.from", sources),
        service=entry.get("service") or "",
        why=entry.get("why") or "",
        owner=entry.get("owner") or "",
        expires=parse_day(f"{name}.expires", entry.get("expires")),
        required=entry.get("required", True),
    )


def _ports(name: str, value: object) -> Intervals:
    match = _PORTS.fullmatch(str(value).strip())
    if match:
        first, last = int(match["first"]), int(match["last"] or match["first"])
        if 1 <= first <= last <= _MAX_PORT:
            return spanning(first, last)
    raise InputError(name, value, "a port from 1 to 65535 or a range such as 8000-8004")


def _addresses(name: str, sources: Sequence[str]) -> dict[int, Intervals]:
    found: dict[int, list[Intervals]] = {4: [], 6: []}
    for word in sources:
        if word == ANY:
            return {4: EVERYTHING, 6: EVERYTHING}
        if word != LOOPBACK:
            family, numbers = _network(name, word)
            found[family].append(numbers)
    return {family: merge(parts) for family, parts in found.items()}


def _network(name: str, word: str) -> tuple[int, Intervals]:
    try:
        return network(word)
    except ValueError as error:
        raise InputError(name, word, f"any, loopback, or a network such as 10.0.0.0/8 ({error})") from error
