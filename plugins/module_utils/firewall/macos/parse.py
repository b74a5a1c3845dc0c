# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From what was read on a macOS host to the records that are judged. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ...errors import CoreError
from ..model.intervals import BITS, Intervals
from ..model.network import Address, Network
from ..model.ruleset import Ruleset, Table
from ..reading import Reading
from ..snapshot import Manager, Snapshot
from . import alf, pf
from .network import by_interface, network_of, parse_ifconfig, parse_routes
from .pf_words import PfNames
from .readings import PfReadings

_CLIENT_PORTS = (49152, 65535)  # net.inet.ip.portrange.first and last, as macOS sets them
_PF = "pf"

NEVER_SEEN = (
    "content filters of security products (network extensions) and launchd's own limits are not read",
    "packets that are routed or bridged through this host (Internet sharing, virtual machines) are not judged",
    "what the application firewall makes of a program that is not in its list depends on a signature that is not read",
)


@dataclass
class _Parsed:
    """What could be parsed, and what could not."""

    tables: list[Table] = field(default_factory=list)
    managers: list[Manager] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    unavailable: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)


def parse(readings: PfReadings) -> Snapshot:
    """Given what was read, return the facts. What could not be read, or not be understood, is named in them."""
    parsed = _Parsed()
    addresses, network = _network(readings, parsed)
    _read_alf(readings, parsed)
    _read_pf(readings, addresses, parsed)
    return Snapshot(
        Ruleset(tuple(parsed.tables), {family: tuple(parsed.unread) for family in BITS}),
        network,
        tuple(parsed.managers),
        _client_ports(readings.ephemeral),
        parsed.unavailable,
        receivers=alf.receivers,
        never_seen=NEVER_SEEN,
        system="darwin",
        notes=parsed.notes,
    )


def _network(readings: PfReadings, parsed: _Parsed) -> tuple[list[Address], Network]:
    try:
        addresses = parse_ifconfig(readings.interfaces.sure())
        routes = {family: parse_routes(family, reading.sure()) for family, reading in readings.routes.items()}
        return addresses, network_of(addresses, routes)
    except CoreError as error:
        parsed.unavailable["routes"] = str(error)
        return [], Network({4: (), 6: ()}, {4: {}, 6: {}}, unavailable=str(error))


def _read_alf(readings: PfReadings, parsed: _Parsed) -> None:
    parsed.notes["stealth mode"] = alf.stealth(readings.alf)
    try:
        settings = alf.parse_settings(readings.alf)
    except CoreError as error:
        parsed.unread.append(str(error))
        return
    parsed.tables += alf.app_table(settings)
    off = "the application firewall is off: no program is kept from taking connections"
    parsed.managers.append(Manager(alf.NAME, settings.on, loaded=True, off=off))


def _read_pf(readings: PfReadings, addresses: list[Address], parsed: _Parsed) -> None:
    try:
        enabled = pf.is_enabled(readings.info.sure())
        parsed.tables += [_pf_table(readings, addresses, parsed)] if enabled else []
    except CoreError as error:
        parsed.unread.append(str(error))
        return
    parsed.notes[_PF] = "on" if enabled else "off"
    alone = "the application firewall alone filters, by program" if parsed.tables else "nothing filters by port"
    parsed.managers.append(Manager(_PF, enabled, loaded=True, off=f"pf is off: its rules do not count, and {alone}"))


def _pf_table(readings: PfReadings, addresses: list[Address], parsed: _Parsed) -> Table:
    readings.anchors.sure()
    names = PfNames(
        {},
        by_interface(addresses, networks=False),
        by_interface(addresses, networks=True),
        pf.parse_services(readings.services.text),
    )
    tables = _tables(readings.tables, parsed)
    rules = pf.PfSources(readings.rules, names, tables)
    return pf.filter_table(
        rules, pf.PfSources(readings.translations, names, tables), pf.parse_skipped(readings.skipped.sure())
    )


def _tables(
    readings: Mapping[tuple[str, str], Reading], parsed: _Parsed
) -> dict[tuple[str, str], Mapping[int, Intervals]]:
    """Return the tables that could be read; a name that stands for none stays doubtful, and is reported."""
    found: dict[tuple[str, str], Mapping[int, Intervals]] = {}
    reasons: dict[str, str] = {}
    for (anchor, table), reading in readings.items():
        try:
            found[anchor, table] = pf.parse_table(reading.sure())
        except CoreError as error:
            reasons[table] = str(error)
    for table in sorted(set(reasons) - {name for _anchor, name in found}):
        parsed.unavailable[f"table <{table}> of pf"] = reasons[table]
    return found


def _client_ports(reading: Reading) -> tuple[int, int]:
    words = reading.text.split()
    if len(words) == 2 and all(word.isdigit() for word in words):
        return (int(words[0]), int(words[1]))
    return _CLIENT_PORTS
