# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""nftables: one table of ours beside all others, whose policy drops what the inventory's does not have.

Whatever other tables accept, this one decides too, and nobody's rules but ours are touched. It is loaded from a text
that was tried in an empty network namespace, and stored beside nftables.conf only when the host has answered.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Optional

from ..errors import SourceMissing
from ..host import Host
from ..steps import Step
from .declared import LOAD, STORE, Opening, Plan
from .linux import UNITS, starts_at_boot

FAMILY, TABLE = "inet", "cryptobot"
FOLDER = "/etc/cryptobot-maintenance"
STORED, UNIT = f"{FOLDER}/firewall.nft", UNITS["nftables"]
MAINS = ("/etc/sysconfig/nftables.conf", "/etc/nftables.conf")
INCLUDE = f'include "{STORED}"'
# A line for each: the host itself, answers, errors and neighbours; a DHCPv6 server answers from another address.
_ALWAYS = (
    'iifname "lo" accept',
    "ct state established,related accept",
    "ct state invalid drop",
    "meta l4proto { icmp, ipv6-icmp } accept",
    "ip6 saddr fe80::/10 udp dport 546 accept",
)


class Nftables(NamedTuple):
    """What is there: the table as the kernel has it, as it would be, and what the next boot loads."""

    acts: str
    wanted: str
    stored: str
    included: bool
    enabled: bool
    main: str


def ruleset(openings: Sequence[Opening]) -> str:
    """Given what is to be open, return the text of the table; it replaces the one that is there in one step."""
    rules = "".join(f"\t\t{rule}\n" for rule in (*_ALWAYS, *map(_rule, openings)))
    return (
        "# Made by the role firewall_apply of cryptobot.maintenance of cryptobot_firewall_policy; change that one.\n"
        f"table {FAMILY} {TABLE}\ndelete table {FAMILY} {TABLE}\ntable {FAMILY} {TABLE} {{\n\tchain input {{\n"
        f"\t\ttype filter hook input priority filter; policy drop;\n{rules}\t}}\n}}\n"
    )


def _rule(opening: Opening) -> str:
    source = f"{'ip6' if opening.family == 6 else 'ip'} saddr {opening.source} " if opening.source else ""
    return f"{source}{opening.proto} dport {opening.ports('-')} accept"


def collect(host: Host, text: str) -> Nftables:
    """Given the wanted table's text, return what is there. Raise CoreError where the kernel does not take the text."""
    listing = ["nft", "-s", "list", "table", FAMILY, TABLE]
    tried = host.run(["unshare", "--net", "sh", "-ec", f"nft -f -; {' '.join(listing)}"], stdin=text).stdout
    main = next((path for path in MAINS if _read(host, path) is not None), MAINS[-1])
    lines = [line.strip() for line in (_read(host, main) or "").splitlines()]
    return Nftables(
        host.run(listing, expect=None).stdout,
        tried,
        _read(host, STORED) or "",
        INCLUDE in lines,
        starts_at_boot(host, UNIT),
        main,
    )


def _read(host: Host, path: str) -> Optional[str]:
    try:
        return host.read(path)
    except SourceMissing:
        return None


def make_plan(there: Nftables, text: str, openings: Sequence[Opening]) -> Plan:
    """Given what is there and what is to be open, return the steps."""
    steps = []
    name = f"table {FAMILY} {TABLE}"
    if there.acts != there.wanted:
        why = "it is not there" if not there.acts else "it is not what the policy says"
        said = {"openings": [str(each) for each in openings]}
        steps.append(Step("load", name, why, {"phase": LOAD, "what": "table"}, said))
    if there.stored != text:
        steps.append(Step("store", STORED, "the next boot loads it", {"phase": STORE, "what": "file"}))
    if not there.included:
        steps.append(
            Step(
                "include", there.main, "the next boot loads it", {"phase": STORE, "what": "include", "path": there.main}
            )
        )
    if not there.enabled:
        steps.append(Step("enable", UNIT, "it is not started at boot", {"phase": STORE, "what": "unit"}))
    return Plan(tuple(steps))
