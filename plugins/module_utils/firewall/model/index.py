# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules found by the protocol and port that they speak of, so that with thousands of them a packet meets a few."""

from __future__ import annotations

from collections.abc import Iterable
from operator import itemgetter

from .intervals import NOTHING, few
from .packet import Packet, fit
from .ruleset import FilterRule, Match

Placed = tuple[int, FilterRule]


class PortIndex:
    """Rules in their order. Those of a few ports are noted by port; those of many ports, or of any, are kept apart."""

    def __init__(self, rules: Iterable[FilterRule], field: str = "dport") -> None:
        self._field = field
        self._of_port: dict[int, list[Placed]] = {}
        self._of_many: list[Placed] = []
        self._of_any: list[Placed] = []
        self._of_any_by_proto: dict[int, list[Placed]] = {}
        self._known: dict[tuple[int, int], list[FilterRule]] = {}
        for placed in enumerate(rules):
            for notes in self._notes_for(placed[1]):
                notes.append(placed)

    def _notes_for(self, rule: FilterRule) -> list[list[Placed]]:
        asked = [test for test in rule.tests if isinstance(test, Match) and test.fields == (self._field,)]
        if not asked:
            return [self._of_any]
        ports = next((found for found in (few(test.numbers() or NOTHING) for test in asked) if found), [])
        return [self._of_port.setdefault(port, []) for port in ports] or [self._of_many]

    def rules(self, packet: Packet) -> list[FilterRule]:
        """Given a packet, return the rules that can match its protocol and destination port, in their order."""
        port = getattr(packet, self._field)
        key = (packet.proto, port)
        if key not in self._known:
            narrow = [*self._of_port.get(port, ()), *self._of_many]
            placed = [entry for entry in narrow if concerns(entry[1], packet, self._field)] + self._any_port(packet)
            self._known[key] = [rule for _place, rule in sorted(placed, key=itemgetter(0))]
        return self._known[key]

    def _any_port(self, packet: Packet) -> list[Placed]:
        """Return the rules that ask for no port and can match the protocol of a packet."""
        if packet.proto not in self._of_any_by_proto:
            self._of_any_by_proto[packet.proto] = [
                entry for entry in self._of_any if concerns(entry[1], packet, self._field)
            ]
        return self._of_any_by_proto[packet.proto]


def concerns(rule: FilterRule, packet: Packet, field: str = "dport") -> bool:
    """Return whether a rule can match this protocol and port at all: what else the packet is does not matter here."""
    return not any(
        isinstance(test, Match) and test.fields in (("proto",), (field,)) and not fit(test, packet)[0]
        for test in rule.tests
    )
