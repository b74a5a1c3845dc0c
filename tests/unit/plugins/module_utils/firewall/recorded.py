# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Recorded rulesets as the evidence that a gatherer would have returned on that host."""

from __future__ import annotations

import ipaddress
from functools import cache
from pathlib import Path

from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.linux.collect_managers import (
    ACTIVE,
    ENABLED,
    FIREWALLD,
    FIREWALLD_ASKED,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.linux.parse import parse
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.linux.stack import Readings
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.linux.ufw import FILES
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.listeners import Listener
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.exposure import Exposer
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.intervals import spanning
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.ruleset import LEGACY, XTABLES
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.reading import Reading
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.snapshot import Snapshot

FIXTURES = Path(__file__).resolve().parents[4] / "fixtures"
SYSTEMS = ("debian-11", "debian-12", "debian-13")
_SUFFIXES = {XTABLES: "nft", LEGACY: "legacy"}
_UFW_RULES = FIXTURES / "ufw" / "rules"  # as the package brings them: no scenario changes them


def scenarios(system: str) -> list[str]:
    """Return the names of the rulesets that were recorded on a system."""
    return sorted(path.stem for path in (FIXTURES / "nft" / system).glob("*.json"))


def reading(path: Path) -> Reading:
    """Return a file as what was read, or that it was not there."""
    return (
        Reading(path.read_text(encoding="utf-8"))
        if path.exists()
        else Reading(unavailable=f"{path.name} does not exist")
    )


def readings(system: str, name: str) -> Readings:
    """Return all that was recorded of a scenario."""
    saves = {
        (backend, family): FIXTURES / f"iptables-save/{system}/{name}.{suffix}.v{family}"
        for backend, suffix in _SUFFIXES.items()
        for family in (4, 6)
    }
    ipset, zones, links = (
        FIXTURES / f"iptables-save/{system}/{name}.ipset",
        FIXTURES / f"firewalld/{system}/{name}",
        FIXTURES / f"iproute2/{system}",
    )
    return Readings(
        reading(FIXTURES / f"nft/{system}/{name}.json"),
        {key: reading(path) for key, path in saves.items() if path.exists()},
        reading(ipset) if ipset.exists() else Reading(),
        reading(links / "link.json"),
        {family: reading(links / f"route{family}.json") for family in (4, 6)},
        Reading("32768\t60999\n"),
        {**_ufw(FIXTURES / f"ufw/{system}/{name}"), **_firewalld(zones)},
    )


def _ufw(folder: Path) -> dict[str, Reading]:
    names = {path: "default" if path.startswith("/etc/default") else path.rpartition("/")[2] for path in FILES}
    return {
        path: reading((_UFW_RULES if name.startswith(("before", "after")) else folder) / name)
        for path, name in names.items()
    }


def _firewalld(zones: Path) -> dict[str, Reading]:
    if not zones.exists():
        return {ENABLED: Reading("ufw.service enabled enabled\n"), ACTIVE: Reading()}
    asked = {f"{stored}{question}": Reading() for question in FIREWALLD_ASKED for stored in ("", "--permanent ")}
    listed = {
        FIREWALLD_ASKED[0]: reading(zones / "runtime"),
        f"--permanent {FIREWALLD_ASKED[0]}": reading(zones / "permanent"),
    }
    running = Reading(f"{FIREWALLD} enabled enabled\n")
    return {ENABLED: running, ACTIVE: running, **asked, **listed}


@cache
def facts(system: str, name: str) -> Snapshot:
    """Return the facts of a recorded scenario."""
    return parse(readings(system, name))


@cache
def exposer(system: str, name: str) -> Exposer:
    """Return a recorded scenario, ready to be asked about listeners."""
    known = facts(system, name)
    return Exposer(known.ruleset, known.network)


def listener(proto: str = "tcp", port: int = 22) -> Listener:
    """Return a listener at all addresses of both families."""
    return Listener(proto, "::", port, {4: None, 6: None}, {4: 0x7F000001, 6: 1})


def verdict(asked: Exposer, proto: str, port: int, source: str) -> str:
    """Return what becomes of a connection from an address, or from the host itself (host, host6)."""
    waiting = listener(proto, port)
    if source in ("host", "host6"):
        family = 6 if source == "host6" else 4
        return asked.inside(waiting, family).verdict(spanning(waiting.inside[family], waiting.inside[family]))
    address = ipaddress.ip_address(source)
    return asked.outside(waiting, address.version).verdict(spanning(int(address), int(address)))
