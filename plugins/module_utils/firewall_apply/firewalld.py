# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""firewalld: what its zones let in, and what of that the policy would have otherwise, at once and at the next boot.

Read from firewall-cmd(1) (firewall-offline-cmd(1) where the daemon is off); the calls are those of ansible.posix's
module. What acts is changed first, and what is stored only when the host has answered by a new connection.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from ..host import Host
from ..steps import Step
from .declared import LOAD, STORE, Opening, Plan, Refused
from .linux import UNITS, starts_at_boot

PATHS, UNIT = ("/etc/firewalld",), UNITS["firewalld"]
KEPT = frozenset({"dhcpv6-client"})  # answers of a DHCPv6 server come from another address than was asked
_OPTIONS = {"services": "service", "ports": "port", "rich rules": "rich_rule"}  # of its module
_OPENERS = tuple(_OPTIONS)
_MAY_OPEN = ("protocols", "source-ports", "forward-ports", "masquerade")

Zone = Mapping[str, tuple[str, ...]]


class Firewalld(NamedTuple):
    """firewalld of this moment. ``zones`` are those that meet what comes in, ``acts`` and ``stored`` their settings."""

    running: bool
    enabled: bool
    zones: tuple[str, ...]
    acts: Mapping[str, Zone]
    stored: Mapping[str, Zone]
    services: Mapping[str, tuple[str, ...]]


def parse_zones(text: str) -> dict[str, dict[str, tuple[str, ...]]]:
    """Given ``--list-all-zones``, return by zone its settings, each as its words; rich rules are whole lines."""
    zones: dict[str, dict[str, tuple[str, ...]]] = {}
    zone: dict[str, tuple[str, ...]] = {}
    for line in filter(str.strip, text.splitlines()):
        if not line[0].isspace():
            zone = zones.setdefault(line.split()[0], {})
        elif line.startswith("\t"):
            zone["rich rules"] = (*zone.get("rich rules", ()), line.strip())
        else:
            name, _colon, words = line.strip().partition(":")
            zone[name] = tuple(sorted(words.split()))
    return zones


def collect(host: Host) -> Firewalld:
    """Return what firewalld has now. Raise CoreError, Refused where a reload would lose what is not stored."""
    running = host.run(["firewall-cmd", "--state"], expect=None).rc == 0
    asks = ["firewall-cmd", "--permanent"] if running else ["firewall-offline-cmd"]
    stored = parse_zones(host.run([*asks, "--list-all-zones"]).stdout)
    acts = parse_zones(host.run(["firewall-cmd", "--list-all-zones"]).stdout) if running else stored
    default = host.run(["firewall-cmd" if running else "firewall-offline-cmd", "--get-default-zone"]).stdout.strip()
    zones = tuple(zone for zone in acts if zone == default or _is_active(acts[zone]))
    names = {name for state in (acts, stored) for zone in zones for name in state.get(zone, {}).get("services", ())}
    services = {name: _service(host, asks, name) for name in sorted(names)}
    return Firewalld(running, starts_at_boot(host, UNIT), zones, acts, stored, services)


def _is_active(zone: Zone) -> bool:
    return bool(zone.get("interfaces") or zone.get("sources"))


def _service(host: Host, asks: list[str], name: str) -> tuple[str, ...]:
    """Return the ports of a service; what it has beside them is a word of its own, which no policy has."""
    text = host.run([*asks, f"--info-service={name}"]).stdout
    lines = dict(line.strip().partition(":")[::2] for line in text.splitlines()[1:])
    others = {key: lines.get(key, "").strip() for key in ("protocols", "source-ports", "includes")}
    more = [f"{key}={words}" for key, words in others.items() if words]
    return (*lines.get("ports", "").split(), *more)


def unstored(there: Firewalld) -> tuple[str, ...]:
    """Return what acts and is not stored, or the reverse: a reload, by which a rollback restores, would lose it."""
    lines = []
    for zone in sorted({*there.acts, *there.stored}):
        acts, stored = there.acts.get(zone, {}), there.stored.get(zone, {})
        names = (set(acts) | set(stored)) - {"interfaces", "icmp-block-inversion"}
        lines += [f"{zone} {name}" for name in sorted(names) if set(acts.get(name, ())) != set(stored.get(name, ()))]
    return tuple(lines)


def require_stored(there: Firewalld) -> None:
    """Raise Refused where a reload would lose something."""
    lines = unstored(there) if there.running else ()
    if lines:
        raise Refused(
            f"what firewalld has and what it has stored differ ({'; '.join(lines[:5])}), and a rollback by a reload "
            "would lose that; firewall-cmd --runtime-to-permanent stores it, firewall-cmd --reload drops it"
        )


def make_plan(there: Firewalld, openings: Sequence[Opening]) -> Plan:
    """Given what firewalld has and what is to be open, return its module's calls, and what is left."""
    accepting = [zone for zone in there.zones if "ACCEPT" in there.acts[zone].get("target", ())]
    guarded = [zone for zone in there.zones if zone not in accepting]
    if not guarded:
        raise Refused(f"the zone {accepting[0]} accepts everything (target ACCEPT); expected one that denies")
    steps = [] if there.running else [Step("start", UNIT, "it does not run", {"unit": UNIT, "phase": LOAD})]
    for phase, state in ((LOAD, there.acts), (STORE, there.stored)):
        steps += [step for zone in guarded for step in _of_zone(zone, state.get(zone, {}), there, openings, phase)]
    if not there.enabled:
        steps.append(Step("enable", UNIT, "it is not started at boot", {"unit": UNIT, "phase": STORE}))
    return Plan(tuple(steps), (*_left(there, guarded), *(f"zone {zone} accepts everything" for zone in accepting)))


def _left(there: Firewalld, zones: Sequence[str]) -> Iterator[str]:
    for zone in zones:
        state = there.acts[zone]
        yield from (f"{zone} {name} {word}" for name in _MAY_OPEN for word in state.get(name, ()) if word != "no")
        yield from (f"{zone} {rule}" for rule in state.get("rich rules", ()) if "accept" not in rule.split())


def _of_zone(zone: str, state: Zone, there: Firewalld, openings: Sequence[Opening], phase: str) -> Iterator[Step]:
    """Yield the steps by which a zone, as it acts or as it is stored, becomes what the policy says."""
    wanted = {key: each for each in openings for key in _keys(each)}
    covered = set()
    for name in state.get("services", ()):
        ports = {("ports", port) for port in there.services.get(name, ())}
        covered |= ports if ports <= set(wanted) else set()
    have = {(kind, word) for kind in _OPENERS for word in state.get(kind, ())}
    now = "stored" if phase == STORE else "acting"
    for kind, word in sorted(have - set(wanted)):
        if not _stays(kind, word, there, set(wanted)):
            call = {_OPTIONS[kind]: word, "zone": zone, "state": "disabled", "phase": phase}
            yield Step("remove", f"{zone}: {kind} {word}", f"no entry of the policy allows it ({now})", call)
    for kind, word in (key for key in wanted if key not in have | covered):
        call = {_OPTIONS[kind]: word, "zone": zone, "state": "enabled", "phase": phase}
        yield Step("allow", f"{zone}: {wanted[kind, word]}", f"the policy has it ({now})", call)


def _stays(kind: str, word: str, there: Firewalld, wanted: set[tuple[str, str]]) -> bool:
    if kind == "services":
        return word in KEPT or {("ports", port) for port in there.services.get(word, ())} <= wanted
    return kind == "rich rules" and "accept" not in word.split()


def _keys(opening: Opening) -> Iterator[tuple[str, str]]:
    """Yield how firewalld has an opening: as a port for anybody, else as a rich rule, as it prints it."""
    if not opening.source:
        yield ("ports", f"{opening.ports('-')}/{opening.proto}")
        return
    address = opening.source.partition("/32" if opening.family == 4 else "/128")[0]
    yield (
        "rich rules",
        (
            f'rule family="ipv{opening.family}" source address="{address}" '
            f'port port="{opening.ports("-")}" protocol="{opening.proto}" accept'
        ),
    )
