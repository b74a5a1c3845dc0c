# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the policy means for any manager: openings, the management connection among them. Pure."""

from __future__ import annotations

import datetime as dt
import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ..errors import CoreError, InputError
from ..firewall.policy import ANY, Allowance, is_loopback, parse_policy
from ..steps import Step

LOAD, STORE = "load", "store"  # what acts at once, and what only the next boot reads
FEWEST, MOST = 20, 600
_NAMED = re.compile(r"[\w.+@%:~/\\-]+")


class Refused(CoreError):
    """The change cannot be made as it is asked for; nothing was done."""


class Peer(NamedTuple):
    """The management connection of this moment, as this host sees it: who came from where to which port."""

    address: str
    port: int
    own_port: int

    def __str__(self) -> str:
        return f"{self.address} port {self.port} to port {self.own_port}"


class Opening(NamedTuple):
    """One thing that may come in. ``source`` is a network of one family, or empty for anybody."""

    proto: str
    first: int
    last: int
    source: str

    def ports(self, between: str) -> str:
        """Return the port, or the range with what stands between its ends."""
        return str(self.first) if self.first == self.last else f"{self.first}{between}{self.last}"

    @property
    def family(self) -> int:
        """4 or 6, or 0 for both."""
        return ipaddress.ip_network(self.source).version if self.source else 0

    def __str__(self) -> str:
        return f"{self.proto}/{self.ports('-')} from {self.source or ANY}"


class Plan(NamedTuple):
    """What is to be done, in order, and what stays although it is no part of the policy."""

    steps: tuple[Step, ...]
    left: tuple[str, ...] = ()


def read_options(params: Mapping[str, Any]) -> tuple[Allowance, ...]:
    """Given the options, return the policy. Raise InputError."""
    if not FEWEST <= params["seconds"] <= MOST:
        raise InputError("seconds", params["seconds"], f"{FEWEST} to {MOST}")
    if not _NAMED.fullmatch(params["state_dir"]):
        text = "a path of letters, digits and ._+@%:~/\\- alone, because what restores the rules is started by it"
        raise InputError("state_dir", params["state_dir"], text)
    return parse_policy(params["policy"])


def openings(policy: Sequence[Allowance], today: dt.date, peers: Sequence[Peer]) -> tuple[Opening, ...]:
    """Given the policy and the management connections, return what is to be open, each once, in a stable order."""
    wanted = {each for entry in policy if not entry.expired(today) for each in _of_entry(entry)}
    for peer in peers:
        if not any(_lets_in(each, peer) for each in wanted):
            wanted.add(Opening("tcp", peer.own_port, peer.own_port, str(ipaddress.ip_network(peer.address))))
    return tuple(sorted(_without_covered(wanted)))


def _of_entry(entry: Allowance) -> Iterator[Opening]:
    first, end = entry.ports
    for word in entry.sources:
        if not is_loopback(word):
            yield Opening(entry.proto, first, end - 1, "" if word == ANY else str(ipaddress.ip_network(word)))


def _lets_in(opening: Opening, peer: Peer) -> bool:
    if opening.proto != "tcp" or not opening.first <= peer.own_port <= opening.last:
        return False
    return not opening.source or ipaddress.ip_address(peer.address) in ipaddress.ip_network(opening.source)


def _without_covered(wanted: set[Opening]) -> Iterator[Opening]:
    """Yield the openings but those of a network for ports that anybody may reach: managers drop such, or warn."""
    for each in wanted:
        if not each.source or each._replace(source="") not in wanted:
            yield each
