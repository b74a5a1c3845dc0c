# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the next boot will load of the rules that run now: by ufw, firewalld, nftables.service, iptables-persistent.

What other programs make anew whenever they start (docker, fail2ban) is left to them while their unit is enabled.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ...errors import CoreError
from ..model.ruleset import LEGACY, NFT, Ruleset
from ..reading import NOTHING_READ, Reading
from ..snapshot import Boot
from . import nft_stored, ufw
from .collect_managers import ACTIVE, ENABLED, FIREWALLD, HOOKS, NFT_CONF, NFTABLES, PLUGINS, SAVED
from .restore import Rules, compare, load
from .stack import Readings

UFW, PERSISTENT = "ufw.service", "netfilter-persistent.service"
KEEP_NFT = "(echo flush ruleset; nft -s list ruleset) > /etc/nftables.conf && systemctl enable nftables"
_IP = {4: "ip", 6: "ip6"}
_SHOWN = 3
_NO_RULES = Rules({}, {})
_SYSCONFIG = {4: "iptables.service", 6: "ip6tables.service"}
_KNOWN = {UFW, FIREWALLD, NFTABLES, PERSISTENT, *_SYSCONFIG.values()}
_OTHERS = re.compile(r"shorewall|ferm|firehol|vuurmuur|awall|arno|csf|lfd|apf|ipset|iptables|nft|firewall")
# How chains and tables begin that a program makes whenever it starts, and the units that start it.
_MADE = {
    "fail2ban": ("f2b-|fail2ban", "fail2ban"),
    "docker": ("DOCKER|docker", "docker"),
    "libvirt": ("LIBVIRT_|libvirt", "libvirtd|virtnetworkd"),
    "kubernetes": ("KUBE-|CNI-|cali|FLANNEL|kube-", "kubelet|k3s|rke2|microk8s"),
    "podman": ("NETAVARK|netavark", "podman"),
    "tailscale": ("ts-", "tailscaled"),
    "wg-quick": ("wg-quick-", "wg-quick@"),
    "sshguard": ("sshguard", "sshguard"),
    "crowdsec": ("crowdsec|CROWDSEC", "crowdsec"),
    "containers of LXD or Incus": ("lxd|incus", "lxd|incus|snap.lxd"),
}
DAEMONS = re.compile(rf"(?:^|[ :])(?:{'|'.join(names for names, _units in _MADE.values())})")


class Units(NamedTuple):
    """The services that are enabled and those that run, by name; ``unavailable`` where systemd was not asked."""

    enabled: frozenset[str] = frozenset()
    active: frozenset[str] = frozenset()
    unavailable: str = ""


def units_of(read: Mapping[str, Reading]) -> Units:
    """Given what was read, return what systemd starts and has started."""
    if ENABLED not in read:
        return Units(unavailable="systemd does not run here")
    enabled, active = (frozenset(re.findall(r"^(\S+)", read[asked].text, re.MULTILINE)) for asked in (ENABLED, ACTIVE))
    return Units(enabled, active, read[ENABLED].unavailable or read[ACTIVE].unavailable)


def next_boot(readings: Readings, ruleset: Ruleset, units: Units) -> Iterator[Boot]:
    """Given what was read and the kernel's rules, return what the next boot brings of them, and what it does not."""
    holding = [table for table in ruleset.tables if table.holds_rules]
    if units.unavailable:
        if holding:
            text = f"what loads the rules of {len(holding)} tables at the next boot cannot be told: {units.unavailable}"
            yield Boot("next boot", None, text)
        return
    coming = _Coming(readings, ruleset, units)
    lost = [*coming.of_managers(), *coming.of_iptables(), *coming.of_nft(), *coming.of_daemons()]
    yield from lost
    yield from coming.of_loaders()
    if holding and not lost:
        loaders = sorted(units.enabled & _KNOWN) or ["the programs that made them"]
        yield Boot("next boot", True, f"the next boot loads what runs now again, by {', '.join(loaders)}")


class _Coming:
    """What is stored and enabled on a host, beside what runs."""

    def __init__(self, readings: Readings, ruleset: Ruleset, units: Units) -> None:
        self.read, self.ruleset, self.units = readings.managers, ruleset, units
        self.held = {
            (backend, family): rules
            for family in SAVED
            for backend, (rules, _why) in ufw.held(readings.saves, family).items()
        }
        self.stored = nft_stored.parse(self._text(NFT_CONF))
        self.hooks = self._text(HOOKS).splitlines() + sorted(filter(_OTHERS.search, units.enabled - _KNOWN))
        self.ufw_loads = ufw.is_on(self.read) and UFW in units.enabled

    def _text(self, name: str) -> str:
        return self.read.get(name, NOTHING_READ).text

    def _lost(self, subject: str, text: str, remedy: str, shown: str = "") -> Boot:
        """Return that something is gone after the next boot, or may be where something is enabled that may load it."""
        if not self.hooks:
            return Boot(subject, False, f"{text}: gone at the next boot{shown}", remedy)
        hooks = ", ".join(self.hooks[:_SHOWN])
        return Boot(subject, None, f"{text}: gone at the next boot, unless {hooks} loads it{shown}", remedy)

    def of_managers(self) -> Iterator[Boot]:
        """Return the managers whose rules run and that are not enabled."""
        used = {chain for rules in self.held.values() for (_table, chain), lines in rules.chains.items() if lines}
        if "ufw-user-input" in used and not self.ufw_loads:
            on = ufw.is_on(self.read)
            why = f"{UFW} is not enabled" if on else f"{ufw.CONF} does not say ENABLED=yes"
            yield self._lost("ufw", f"ufw's rules run, and {why}", "systemctl enable ufw" if on else "ufw enable")
        running = FIREWALLD in self.units.active or any(table.name == "firewalld" for table in self.ruleset.tables)
        if running and FIREWALLD not in self.units.enabled:
            why = f"firewalld's rules run, and {FIREWALLD} is not enabled"
            yield self._lost("firewalld", why, "systemctl enable firewalld")

    def of_iptables(self) -> Iterator[Boot]:
        """Return, by table, what the kernel holds of iptables beyond what something enabled loads."""
        for (backend, family), rules in self.held.items():
            if ("filter", "INPUT_ZONES") in rules.chains:  # firewalld with iptables behind it
                continue
            stored = self._stored(family)
            from_file = stored[0].chains if stored[1] in SAVED[family] and self._has(backend, family) else ()
            for table in dict.fromkeys(table for table, _chain in (*rules.chains, *from_file)):
                if not self._is_compared(f"{_IP[family]} {table}", rules):
                    yield from self._of_table(f"{_IP[family]} {table}", backend, rules, stored)

    def _has(self, backend: str, family: int) -> bool:
        """Return whether a back end is the one that iptables-restore would load into."""
        return bool(self.held[LEGACY, family].chains) == (backend == LEGACY)

    def _is_compared(self, name: str, rules: Rules) -> bool:
        """Return whether a table is compared as a whole with the files of ufw, or with nftables.conf."""
        of_ufw = name.endswith(" filter") and any("ufw" in chain for _table, chain in rules.chains)
        return of_ufw or (NFTABLES in self.units.enabled and name in self.stored)

    def _stored(self, family: int) -> tuple[Rules, str, str]:
        """Return what is loaded for a family, from where, and why nothing is."""
        sysconfig = _SYSCONFIG[family] in self.units.enabled
        path = SAVED[family][sysconfig]
        reading = self.read.get(path, NOTHING_READ)
        loads = sysconfig or (PERSISTENT in self.units.enabled and f"ip{family}tables" in self._text(PLUGINS))
        try:
            if self.ufw_loads:
                return ufw.wanted(self.read, family), "/etc/ufw", "no file in /etc/ufw has them"
            if loads:
                return load([(path, reading.sure())]), path, f"{path} does not have them"
        except CoreError as error:
            self.hooks.append(f"what cannot be told ({error})")
        kept = f" ({path} is there, and nothing loads it)" if reading.text else ""
        return _NO_RULES, "", f"nothing that is enabled loads them{kept}"

    def _of_table(self, name: str, backend: str, rules: Rules, stored: tuple[Rules, str, str]) -> Iterator[Boot]:
        coming, source, why = stored
        table = name.split()[1]
        places = [place for place in dict.fromkeys((*rules.chains, *coming.chains)) if place[0] == table]
        apart = {place: compare(coming.chains.get(place, []), rules.chains.get(place, [])) for place in places}
        extra = [f"{place[1]} {line.text}" for place, found in apart.items() for _number, line in found.running]
        extra = [line for line in extra if not DAEMONS.search(line)]
        missing = [f"{place[1]} {line.text}" for place, found in apart.items() for line in found.stored]
        for place in reversed(places):
            runs, comes = (side.policies.get(place, "ACCEPT") for side in (rules, coming))
            if runs != comes:
                (missing if runs == "ACCEPT" else extra).insert(
                    0, f"{place[1]} policy {comes if runs == 'ACCEPT' else runs}"
                )
        subject = f"{name} ({backend})"
        if extra:
            shown = f". First of {len(extra)}: {'; '.join(extra[:_SHOWN])}"
            yield self._lost(subject, f"rules of {name} run, and {why}", self._keep(name.startswith("ip6")), shown)
        elif missing and source != "/etc/ufw":
            text = (
                f"{source} has {len(missing)} rules of {name} that do not run and come at the next boot: {missing[0]}"
            )
            yield Boot(subject, False, text, "netfilter-persistent save")

    def _keep(self, six: bool) -> str:
        if self.ufw_loads:
            return f"Write them into /etc/ufw/before{'6' if six else ''}.rules, or remove them"
        if self._text(PLUGINS):
            return "netfilter-persistent save && systemctl enable netfilter-persistent"
        return "apt-get install iptables-persistent && netfilter-persistent save"

    def of_nft(self) -> Iterator[Boot]:
        """Return the tables of nft that nothing enabled loads."""
        for table in self.ruleset.tables:
            name = f"{table}"
            known = name in self.stored
            made = table.backend != NFT or table.name == "firewalld" or DAEMONS.search(table.name)
            if table.holds_rules and not made and not (known and NFTABLES in self.units.enabled):
                why = f"nftables.conf has it, but {NFTABLES} is not enabled" if known else "nftables.conf lacks it"
                remedy = "systemctl enable nftables" if known else KEEP_NFT
                yield self._lost(f"{name} (nft)", f"{name} runs, and {why}", remedy)

    def of_daemons(self) -> Iterator[Boot]:
        """Return the programs that made chains and are not enabled."""
        names = [f"{table.name} {chain}" for table in self.ruleset.tables for chain in table.chains]
        for program, (pattern, started) in _MADE.items():
            own, unit = re.compile(rf"(?:^| )(?:{pattern})"), re.compile(started)
            if any(map(own.search, names)) and not any(map(unit.match, self.units.enabled)):
                text = f"chains of {program} run, and no unit of it is enabled"
                yield self._lost(program, text, f"systemctl enable {started.partition('|')[0]}")

    def of_loaders(self) -> Iterator[Boot]:
        """Return that several load at boot and one throws away what another loaded."""
        loading = {
            "ufw": self.ufw_loads,
            "firewalld": FIREWALLD in self.units.enabled,
            "nftables": NFTABLES in self.units.enabled and nft_stored.FLUSHES in self.stored[""],
            "netfilter-persistent": PERSISTENT in self.units.enabled and bool(self._text(PLUGINS)),
        }
        names = [name for name, loads in loading.items() if loads]
        if len(names) > 1:
            flushes = " (nftables.conf begins with flush ruleset)" if loading["nftables"] else ""
            text = f"{' and '.join(names)} all load rules at boot{flushes}, and the last of them decides what stays"
            yield Boot("loaders", False, text, f"systemctl disable {' '.join(names[1:])}")
