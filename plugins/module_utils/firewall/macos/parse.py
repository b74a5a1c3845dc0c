# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From what was read on a macOS host to the records that are judged. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ...errors import CoreError
from ..facts import Facts
from ..model.intervals import BITS, Intervals
from ..model.network import Network
from ..model.ruleset import Ruleset, Table
from ..reading import Reading
from ..views import View
from . import alf, pf
from .evidence import Evidence
from .network import Own, by_interface, network_of, parse_ifconfig, parse_routes
from .pf_words import Names

_CLIENT_PORTS = (49152, 65535)  # net.inet.ip.portrange.first and last, as macOS sets them
_PF = "pf"

NEVER_SEEN = (
    "content filters of security products (network extensions) and launchd's own limits are not read",
    "packets that are routed or bridged through this host (Internet sharing, virtual machines) are not judged",
    "what the application firewall makes of a program that is not in its list depends on a signature that is not read",
)
REMEDIES = {
    "firewall.rules_visible": "Run the audit as root (become: true).",
    "firewall.blind": "Run the audit as root (become: true), or judge what the message names by hand.",
    "firewall.inactive": "Run socketfilterfw --setglobalstate on; for ports, write rules for pf and run pfctl -E.",
    "firewall.default_deny": "Begin the rules of pf with 'block in all' and pass what the policy names, then pfctl -E.",
    "firewall.shadowed_rule": "Take the wider rule's 'quick' away, or put the narrower rule where it decides.",
    "firewall.view_drift": "Load the rules (pfctl -f /etc/pf.conf) and turn pf on (pfctl -E).",
}


@dataclass
class _Seen:
    """What could be parsed, and what could not."""

    tables: list[Table] = field(default_factory=list)
    views: list[View] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    blind: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)


def parse(evidence: Evidence) -> Facts:
    """Given what was read, return the facts. What could not be read, or not be understood, is named in them."""
    seen = _Seen()
    own, network = _network(evidence, seen)
    _read_alf(evidence, seen)
    _read_pf(evidence, own, seen)
    return Facts(
        Ruleset(tuple(seen.tables), {family: tuple(seen.unread) for family in BITS}),
        network,
        tuple(seen.views),
        _client_ports(evidence.ephemeral),
        seen.blind,
        receivers=alf.receivers,
        never_seen=NEVER_SEEN,
        remedies=REMEDIES,
        notes=seen.notes,
    )


def _network(evidence: Evidence, seen: _Seen) -> tuple[list[Own], Network]:
    try:
        own = parse_ifconfig(evidence.interfaces.sure())
        routes = {family: parse_routes(family, reading.sure()) for family, reading in evidence.routes.items()}
        return own, network_of(own, routes)
    except CoreError as error:
        seen.blind["routes"] = str(error)
        return [], Network({4: (), 6: ()}, {4: {}, 6: {}}, blind=str(error))


def _read_alf(evidence: Evidence, seen: _Seen) -> None:
    seen.notes["stealth mode"] = alf.stealth(evidence.alf)
    try:
        settings = alf.parse_settings(evidence.alf)
    except CoreError as error:
        seen.unread.append(str(error))
        return
    seen.tables += alf.app_table(settings)
    off = "the application firewall is off: no program is kept from taking connections"
    seen.views.append(View(alf.NAME, settings.on, loaded=True, off=off))


def _read_pf(evidence: Evidence, own: list[Own], seen: _Seen) -> None:
    try:
        enabled = pf.is_enabled(evidence.info.sure())
        seen.tables += [_pf_table(evidence, own, seen)] if enabled else []
    except CoreError as error:
        seen.unread.append(str(error))
        return
    seen.notes[_PF] = "on" if enabled else "off"
    alone = "the application firewall alone filters, by program" if seen.tables else "nothing filters by port"
    seen.views.append(View(_PF, enabled, loaded=True, off=f"pf is off: its rules do not count, and {alone}"))


def _pf_table(evidence: Evidence, own: list[Own], seen: _Seen) -> Table:
    evidence.anchors.sure()
    names = Names(
        {},
        by_interface(own, networks=False),
        by_interface(own, networks=True),
        pf.parse_services(evidence.services.text),
    )
    tables = _tables(evidence.tables, seen)
    rules = pf.Sources(evidence.rules, names, tables)
    return pf.filter_table(
        rules, pf.Sources(evidence.translations, names, tables), pf.parse_skipped(evidence.skipped.sure())
    )


def _tables(readings: Mapping[tuple[str, str], Reading], seen: _Seen) -> dict[tuple[str, str], Mapping[int, Intervals]]:
    """Return the tables that could be read; a name that stands for none stays doubtful, and is reported."""
    found: dict[tuple[str, str], Mapping[int, Intervals]] = {}
    reasons: dict[str, str] = {}
    for (anchor, table), reading in readings.items():
        try:
            found[anchor, table] = pf.parse_table(reading.sure())
        except CoreError as error:
            reasons[table] = str(error)
    for table in sorted(set(reasons) - {name for _anchor, name in found}):
        seen.blind[f"table <{table}> of pf"] = reasons[table]
    return found


def _client_ports(reading: Reading) -> tuple[int, int]:
    words = reading.text.split()
    if len(words) == 2 and all(word.isdigit() for word in words):
        return (int(words[0]), int(words[1]))
    return _CLIENT_PORTS
