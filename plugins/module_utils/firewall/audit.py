# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Everything that the rules of this noun judge, put together once: who listens, who gets through, what was meant."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .facts import Facts
from .listeners import Listener, is_client
from .model.exposure import Exposer, Exposure
from .model.intervals import BITS, Intervals, merge
from .model.network import Network
from .model.ruleset import Ruleset
from .model.shadow import Shadow, find_shadows
from .policy import Allowance

SOCKETS = "sockets"  # the subject of not having seen them, alone or behind the name of a protocol


@dataclass(frozen=True)
class Wanted:
    """What the audit was asked to look at and to demand."""

    policy: tuple[Allowance, ...]
    today: dt.date
    require_filter: bool = True
    internal_ports: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Reach:
    """A listener with its exposure by family: to the outside, and to the host itself."""

    listener: Listener
    outside: Mapping[int, Exposure]
    inside: Mapping[int, Exposure]


@dataclass(frozen=True)
class Audit:
    """What was wanted, what is known, and the joins of both.

    ``unthought`` is, by family and protocol, the exposure of a port that no rule thinks of. ``clients`` are UDP sockets
    left aside as clients' own. ``blind`` says by subject what could not be seen.
    """

    wanted: Wanted
    facts: Facts
    reaches: tuple[Reach, ...]
    clients: tuple[Listener, ...] = ()
    unthought: Mapping[tuple[int, str], Exposure] = field(default_factory=dict)
    shadows: tuple[Shadow, ...] = ()
    blind: Mapping[str, str] = field(default_factory=dict)

    @property
    def ruleset(self) -> Ruleset:
        """The kernel's rules."""
        return self.facts.ruleset

    @property
    def network(self) -> Network:
        """The host's addresses and routes."""
        return self.facts.network

    @property
    def families(self) -> list[int]:
        """The families in which the host has addresses beyond loopback."""
        return [family for family in BITS if self.network.addresses[family]]

    def unread(self, *protos: str) -> str:
        """Return why sockets of these protocols may be missing here; empty where they could be read."""
        subjects = (SOCKETS, *(f"{proto} {SOCKETS}" for proto in protos))
        return "; ".join(self.blind[subject] for subject in subjects if subject in self.blind)

    def allowances(self, proto: str, port: int) -> list[Allowance]:
        """Return the entries of the policy, expired or not, that speak of a port."""
        return [entry for entry in self.wanted.policy if entry.covers(proto, port)]

    def allowed(self, listener: Listener, family: int) -> Intervals:
        """Return the sources that the policy lets reach a listener today."""
        valid = [
            entry for entry in self.allowances(listener.proto, listener.port) if not entry.expired(self.wanted.today)
        ]
        return merge(entry.addresses[family] for entry in valid)


def build_audit(wanted: Wanted, facts: Facts, listeners: Iterable[Listener], blind: Mapping[str, str]) -> Audit:
    """Given what is wanted and what is known, return what is judged."""
    exposer = Exposer(facts.ruleset, facts.network, facts.receivers)
    servers: list[Listener] = []
    clients: list[Listener] = []
    for listener in listeners:
        named = any(entry.covers(listener.proto, listener.port) for entry in wanted.policy)
        (clients if is_client(listener, facts.ephemeral) and not named else servers).append(listener)
    return Audit(
        wanted,
        facts,
        tuple(_reach(exposer, listener) for listener in servers),
        tuple(clients),
        _unthought(exposer, facts.network),
        tuple(find_shadows(facts.ruleset)),
        {**facts.blind, **blind},
    )


def _reach(exposer: Exposer, listener: Listener) -> Reach:
    outside = {family: exposer.outside(listener, family) for family in listener.bound}
    return Reach(listener, outside, {family: exposer.inside(listener, family) for family in listener.inside})


def _unthought(exposer: Exposer, network: Network) -> dict[tuple[int, str], Exposure]:
    return {
        (family, proto): exposer.unthought(proto, family, network.addresses[family])
        for family in BITS
        for proto in ("tcp", "udp")
        if network.addresses[family]
    }
