# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is known of a host before anything is judged, whatever its platform."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Optional

from ..finding import EMPTY
from .model.exposure import Receivers, same_for_all
from .model.intervals import BITS
from .model.network import Address, Network, Route, ways_of
from .model.ruleset import Ruleset


def network_of(addresses: Iterable[Address], routes: Mapping[int, Iterable[Route]]) -> Network:
    """Given a host's addresses beyond loopback and its routes by family, return its network."""
    mine = list(addresses)
    interfaces = sorted({each.interface for each in mine})
    numbers = {family: tuple(sorted({each.number for each in mine if each.family == family})) for family in BITS}
    leading = {family: [each for each in routes[family] if set(each.interfaces) <= set(interfaces)] for family in BITS}
    return Network(numbers, {family: ways_of(family, leading[family], interfaces) for family in BITS})


def unknown_network(reason: str) -> Network:
    """Return a network of which nothing is known, and why."""
    return Network({4: (), 6: ()}, {4: {}, 6: {}}, unavailable=reason)


class Manager(NamedTuple):
    """A manager of rules: whether it is enabled, whether the kernel holds its rules, and what differs.

    ``unavailable`` says what could not be read or compared, and why. ``off`` says what it means that it is not enabled.
    ``stored`` is where it keeps what it loads at the next boot, ``remedy`` the commands that fit what differs.
    """

    name: str
    enabled: bool
    loaded: bool = False
    differences: tuple[str, ...] = ()
    unavailable: str = ""
    off: str = ""
    stored: str = ""
    remedy: str = ""


class Boot(NamedTuple):
    """What the next boot makes of rules that run now: whether they are loaded again (None: not known), and a remedy."""

    subject: str
    kept: Optional[bool]
    text: str
    remedy: str = ""


class Snapshot(NamedTuple):
    """Rules, network, managers of rules, the range of clients' ports, and by subject what could not be seen and why.

    ``receivers`` says which processes a listener stands for, where rules tell processes apart. ``never_seen`` is what
    no run sees on this platform. ``system`` chooses the remedies.
    ``notes`` are settings of the filter that decide nothing about who can connect, for the report. ``boot`` is what the
    next boot makes of the rules.
    """

    ruleset: Ruleset
    network: Network
    managers: tuple[Manager, ...]
    ephemeral: tuple[int, int]
    unavailable: Mapping[str, str]
    receivers: Receivers = same_for_all
    never_seen: tuple[str, ...] = ()
    system: str = "linux"
    notes: Mapping[str, str] = EMPTY
    boot: tuple[Boot, ...] = ()
