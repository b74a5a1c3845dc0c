# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every rule gets: who listens, who gets through, what was meant, put together once for the whole host."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ..accepted import Accepted
from ..finding import EMPTY, Check, Finding
from ..registry import Outcome, finding_of
from .history import NO_HISTORY, Baseline
from .listeners import Listener, is_client
from .model.exposure import Exposer, Exposure, Published
from .model.intervals import BITS, Intervals, merge
from .model.network import Network
from .model.ruleset import Ruleset
from .model.shadow import Shadow, find_shadows
from .policy import Allowance
from .snapshot import Snapshot

SOCKETS = "sockets"  # the subject of not having seen them, alone or behind the name of a protocol


class Inputs(NamedTuple):
    """What the audit was asked to look at and to demand, and what earlier runs saw.

    ``now`` and ``boot_id`` are the host's; ``narrow``: others' listeners are left out; ``forgotten``: why what earlier
    runs left is of no use.
    """

    policy: tuple[Allowance, ...]
    today: dt.date
    require_filter: bool = True
    internal_ports: frozenset[int] = frozenset()
    accepted: tuple[Accepted, ...] = ()
    history: Baseline = NO_HISTORY
    now: float = 0.0
    boot_id: str = ""
    narrow: bool = False
    forgotten: str = ""


class Reach(NamedTuple):
    """A listener with its exposure by family: to the outside, and to the host itself."""

    listener: Listener
    outside: Mapping[int, Exposure]
    inside: Mapping[int, Exposure]

    def name(self, family: int) -> str:
        """Return what the exposure of a family is remembered by."""
        return f"{self.listener} IPv{family}"


class Context(NamedTuple):
    """What was asked for, what is known, and the joins of both.

    ``published`` are ports that rules lead to other hosts, and
    ``published_partly`` the rules that lead more of them there. ``clients`` are UDP sockets left aside as clients' own.
    ``unthought`` is, by family and protocol, the exposure of a port that no rule thinks of. ``unavailable`` says by
    subject what could not be seen.
    """

    inputs: Inputs
    snapshot: Snapshot
    reaches: tuple[Reach, ...]
    exposer: Exposer
    published: tuple[Published, ...] = ()
    published_partly: tuple[str, ...] = ()
    clients: tuple[Listener, ...] = ()
    unthought: Mapping[tuple[int, str], Exposure] = EMPTY
    shadows: tuple[Shadow, ...] = ()
    unavailable: Mapping[str, str] = EMPTY

    def finding(self, check: Check, outcome: Outcome) -> Finding:
        """Return an outcome as a finding, with the remedy for this system. Each outcome names its own subject."""
        return finding_of(check, outcome, kind=self.snapshot.system)

    @property
    def ruleset(self) -> Ruleset:
        """The kernel's rules."""
        return self.snapshot.ruleset

    @property
    def network(self) -> Network:
        """The host's addresses and routes."""
        return self.snapshot.network

    @property
    def families(self) -> list[int]:
        """The families in which the host has addresses beyond loopback."""
        return [family for family in BITS if self.network.addresses[family]]

    def unread(self, *protos: str) -> str:
        """Return why sockets of these protocols may be missing here; empty where they could be read."""
        subjects = (SOCKETS, *(f"{proto} {SOCKETS}" for proto in protos))
        return "; ".join(self.unavailable[subject] for subject in subjects if subject in self.unavailable)

    def port(self, proto: str, port: int, family: int) -> Exposure:
        """Return the exposure of a port to the outside, whether anything listens there or not."""
        return self.exposer.port(proto, port, family, self.network.addresses[family])

    def allowances(self, proto: str, port: int) -> list[Allowance]:
        """Return the entries of the policy, expired or not, that speak of a port."""
        return [entry for entry in self.inputs.policy if entry.covers(proto, port)]

    def allowed(self, listener: Listener, family: int) -> Intervals:
        """Return the sources that the policy lets reach a listener today."""
        return self.allowed_at(listener.proto, listener.port, family)

    def allowed_at(self, proto: str, port: int, family: int) -> Intervals:
        """Return the sources that the policy lets reach a port today."""
        valid = [entry for entry in self.allowances(proto, port) if not entry.expired(self.inputs.today)]
        return merge(entry.addresses[family] for entry in valid)


def build_context(
    inputs: Inputs, snapshot: Snapshot, listeners: Iterable[Listener], unavailable: Mapping[str, str]
) -> Context:
    """Given what is wanted and what is known, return what is judged."""
    exposer = Exposer(snapshot.ruleset, snapshot.network, snapshot.receivers)
    servers: list[Listener] = []
    clients: list[Listener] = []
    for listener in listeners:
        named = any(entry.covers(listener.proto, listener.port) for entry in inputs.policy)
        (clients if is_client(listener, snapshot.ephemeral) and not named else servers).append(listener)
    return Context(
        inputs,
        snapshot,
        tuple(_reach(exposer, listener) for listener in servers),
        exposer,
        *exposer.published(),
        tuple(clients),
        _unthought(exposer, snapshot.network),
        tuple(find_shadows(snapshot.ruleset)),
        {**snapshot.unavailable, **unavailable},
    )


def _reach(exposer: Exposer, listener: Listener) -> Reach:
    """What is bound to loopback is reached from outside only where a rule or a setting leads there."""
    families = {**listener.bound, **listener.inside}
    outside = {family: exposer.outside(listener, family) for family in families}
    shown = {family: each for family, each in outside.items() if family in listener.bound or each.open or each.unknown}
    return Reach(listener, shown, {family: exposer.inside(listener, family) for family in listener.inside})


def _unthought(exposer: Exposer, network: Network) -> dict[tuple[int, str], Exposure]:
    return {
        (family, proto): exposer.unthought(proto, family, network.addresses[family])
        for family in BITS
        for proto in ("tcp", "udp")
        if network.addresses[family]
    }
