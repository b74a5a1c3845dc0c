# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of firewall_probe as records: which hosts may be knocked at, at which addresses and ports. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from itertools import islice
from typing import Any, NamedTuple, Union

from ..errors import InputError
from ..firewall.model.intervals import Intervals, count, merge
from ..firewall.policy import parse_policy
from . import MOST_A_SECOND

Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]
LONGEST_WAIT, MOST_KNOCKS = 10, 1000
OPT_IN = "cryptobot_firewall_probe is not true for it"
NO_ADDRESS = "an address such as 10.0.0.5 or fd12:3456::5"
_KINDS = ("unspecified", "loopback", "multicast", "link_local", "reserved")


class Pair(NamedTuple):
    """An address of a host, and a TCP port that it declares."""

    host: str
    address: str
    port: int

    def __str__(self) -> str:
        return f"tcp {f'[{self.address}]' if ':' in self.address else self.address}:{self.port}"


class Declared(NamedTuple):
    """What a host declares: where it can be knocked at and why not elsewhere, its TCP ports, its UDP ports in words."""

    host: str
    enabled: bool
    addresses: tuple[str, ...]
    unusable: str
    ports: Intervals
    udp: tuple[str, ...]

    @property
    def size(self) -> int:
        """How much there is to knock at."""
        return len(self.addresses) * count(self.ports)

    def pairs(self) -> list[Pair]:
        """Return what there is to knock at, as far as one host may knock at all: a policy may name every port."""
        every = (
            Pair(self.host, address, port)
            for address in self.addresses
            for at in range(0, len(self.ports), 2)
            for port in range(self.ports[at], self.ports[at + 1])
        )
        return list(islice(every, MOST_KNOCKS))


class Options(NamedTuple):
    """All options. ``most`` is what the limit and the time of the run allow."""

    own: Declared
    targets: tuple[Declared, ...]
    rate: int
    wait: float
    most: int


def read_address(text: str) -> Address:
    """Given an address as it is declared, return it. Raise ValueError, saying what is expected, where it is none at
    which another host could reach this one and nobody else.
    """
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        raise ValueError(NO_ADDRESS) from None
    scoped = "%" in text or getattr(address, "ipv4_mapped", None)
    kind = "scoped or mapped" if scoped else next((kind for kind in _KINDS if getattr(address, f"is_{kind}")), "")
    if kind:
        raise ValueError(f"an address at which other hosts reach this one, not a {kind.replace('_', '-')} one")
    return address


def read_options(params: Mapping[str, Any], name: str = "") -> Options:
    """Given the options of firewall_probe and the host's own name, return them. Raise InputError."""
    rate, wait, limit = params["rate"], params["wait"], params["limit"]
    for key, value, least, most in (("rate", rate, 1, MOST_A_SECOND), ("limit", limit, 1, MOST_KNOCKS)):
        if not least <= value <= most:
            raise InputError(key, value, f"a number from {least} to {most}")
    if not 0 < wait <= LONGEST_WAIT:
        raise InputError("wait", wait, f"seconds above 0, up to {LONGEST_WAIT}")
    targets = [_declared(f"targets[{at}].", each["host"], each) for at, each in enumerate(params["targets"])]
    in_time = int((params["timeout"] - wait) * rate * 0.8)  # a fifth is for the rest of the run
    return Options(_declared("", name, params), tuple(targets), rate, wait, max(0, min(limit, in_time)))


def _declared(place: str, host: str, given: Mapping[str, Any]) -> Declared:
    usable, unusable = _of_connection(given["host_address"])
    for text in given["addresses"]:
        try:
            usable.append(str(read_address(text)))
        except ValueError as error:
            raise InputError(f"{place}addresses", text, str(error)) from error
    try:
        entries = parse_policy(given["policy"])
    except InputError as error:
        raise InputError(f"{place}{error.name}", error.value, error.expected, error.known) from error
    udp = [f"udp {entry.port_text}" for entry in entries if entry.proto == "udp"]
    ports = merge(entry.ports for entry in entries if entry.proto == "tcp")
    return Declared(host, given["enabled"], tuple(dict.fromkeys(usable)), unusable, ports, tuple(udp))


def _of_connection(text: Any) -> tuple[list[str], str]:
    """Given what Ansible reaches a host by, return the address that it is, or why it is none to knock at.

    It is no mistake: a name is common, and so is an address that leads to the controller itself.
    """
    if not text:
        return [], ""
    try:
        return [str(read_address(str(text)))], ""
    except ValueError as error:
        return [], f"ansible_host is {str(text)[:60]!r}, expected {error}"


class Plan(NamedTuple):
    """At what this host knocks, in order, and what it leaves out: by host the reason."""

    pairs: tuple[Pair, ...]
    left_out: Mapping[str, str]


def plan(options: Options) -> Plan:
    """Given the options, return at what this host knocks: the same in check mode and in the run.

    All hosts get their turn before any gets a second one, so that what is beyond the limit is shared by all.
    """
    why_not = {target.host: _why_not(target) for target in options.targets}
    asked = [target for target in options.targets if options.own.enabled and not why_not[target.host]]
    turns = sorted(((at, pair) for target in asked for at, pair in enumerate(target.pairs())), key=lambda turn: turn[0])
    kept = tuple(pair for _at, pair in turns[: options.most])
    for target in asked:
        beyond = target.size - sum(1 for pair in kept if pair.host == target.host)
        why_not[target.host] = f"{beyond} of its ports are beyond the {options.most} of one run" if beyond else ""
    return Plan(kept, {host: why for host, why in why_not.items() if why})


def _why_not(target: Declared) -> str:
    if not target.enabled:
        return OPT_IN
    if not target.addresses:
        return target.unusable or "no address of it is declared"
    return "" if target.ports else "its policy names no TCP port"
