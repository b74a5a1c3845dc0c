# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The profiles of Windows Firewall: which of them filters which interface, and with what. Pure.

Order and defaults: "Windows Firewall rules" of Microsoft's documentation. Rules that override blocks go first, then all
that block, then all that allow, then the default of the profile. A network of no category counts as public.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ...errors import CoreError
from ...fields import Fields, fields_of
from ...powershell import Answers
from ..model.intervals import spanning
from ..model.ruleset import ACCEPT, CONNECTION_STATES, DROP, UNKNOWN, Chain, FilterRule, Match, Table, Verdict
from ..snapshot import Manager
from .network import own_addresses
from .rules import PROFILES, InboundRule, lines

BACKEND = "windows-firewall"
_CATEGORIES = {"DomainAuthenticated": "Domain", "Private": "Private", "Public": "Public"}
_ESTABLISHED = Match(
    ("ct_state",), ((spanning(CONNECTION_STATES["established"], CONNECTION_STATES["established"]),),), "established"
)


class Profile(NamedTuple):
    """A profile and the interfaces that it rules at the moment.

    ``blocks_all``: rules that allow count for nothing. ``local``: the host's own rules count. ``denies``: what no rule
    names is blocked. ``left_out`` are interfaces of it that it does not filter.
    """

    name: str
    interfaces: tuple[str, ...]
    on: bool = True
    denies: bool = True
    blocks_all: bool = False
    local: bool = True
    left_out: tuple[str, ...] = ()


def parse_profiles(answers: Answers) -> tuple[Profile, ...]:
    """Given the answers, return the profiles that rule an interface. Raise CoreError where they could not be read."""
    settings = {row.text("Name"): row for row in fields_of("profiles", answers["profiles"])}
    categories = _categories(answers)
    active: dict[str, list[str]] = {}
    for interface in sorted({own.interface for own in own_addresses(answers)}):
        active.setdefault(categories.get(interface, "Public"), []).append(interface)
    missing = sorted(set(active) - set(settings))
    if missing:
        raise CoreError(f"the settings of the profile {', '.join(missing)} are not among the answers")
    return tuple(_profile(settings[name], tuple(active[name])) for name in PROFILES if name in active)


def _categories(answers: Answers) -> dict[str, str]:
    found = {}
    for row in fields_of("connections", answers["connections"]):
        category = _CATEGORIES.get(row.text("NetworkCategory"))
        if category is None:
            raise row.wrong("NetworkCategory", f"expected one of {', '.join(_CATEGORIES)}")
        found[row.text("InterfaceAlias")] = category
    return found


def _profile(row: Fields, interfaces: tuple[str, ...]) -> Profile:
    words = {name: row.text(name).lower() for name in ("Enabled", "DefaultInboundAction", "AllowInboundRules")}
    if words["Enabled"] not in ("true", "false") or words["DefaultInboundAction"] not in _DENIES:
        raise row.wrong("Enabled", f"or DefaultInboundAction: not understood, the settings are {words}")
    unfiltered = lines(row.text("DisabledInterfaceAliases"))
    return Profile(
        row.text("Name"),
        interfaces,
        on=words["Enabled"] == "true",
        denies=_DENIES[words["DefaultInboundAction"]],
        blocks_all=words["AllowInboundRules"] == "false",
        local=row.text("AllowLocalFirewallRules").lower() != "false",
        left_out=tuple(name for name in interfaces if name in unfiltered),
    )


_DENIES = {"block": True, "notconfigured": True, "allow": False}  # not configured is block: New-NetFirewallProfile


def chains(profiles: Iterable[Profile], rules: Sequence[InboundRule], instead: str) -> Table:
    """Given profiles and rules, return them as a table: a chain per profile, on the interfaces that it rules.

    ``instead`` says what may filter where a profile is off; empty: nothing does.
    """
    found = [chain for profile in profiles for chain in _chains(profile, rules, instead)]
    return Table(BACKEND, "inet", "Windows Firewall", {chain.name: chain for chain in found})


def _chains(profile: Profile, rules: Sequence[InboundRule], instead: str) -> Iterable[Chain]:
    filtered = tuple(name for name in profile.interfaces if name not in profile.left_out and profile.on)
    bare = tuple(name for name in profile.interfaces if name not in filtered)
    if filtered:
        policy = DROP if profile.denies or profile.blocks_all else ACCEPT
        yield Chain(profile.name, tuple(_ordered(profile, rules)), "input", 0, policy, filtered)
    if bare and instead:
        where, text = f"Windows Firewall {profile.name}", f"it is off there, and {instead}"
        doubtful = FilterRule(where, text, verdict=Verdict(UNKNOWN), implied=True)
        yield Chain(f"{profile.name} (off)", (doubtful,), "input", 0, ACCEPT, bare)


def _ordered(profile: Profile, rules: Sequence[InboundRule]) -> Iterable[FilterRule]:
    yield FilterRule(
        "Windows Firewall", "answers to connections", (_ESTABLISHED,), verdict=Verdict(ACCEPT), implied=True
    )
    applied = [rule for rule in rules if applies(profile, rule)]
    for rule in sorted(applied, key=_precedence):
        for tests in rule.alternatives:
            where = f"Windows Firewall {profile.name} rule {rule.id}"
            yield FilterRule(where, rule.text, tests, verdict=Verdict(rule.verdict))


def applies(profile: Profile, rule: InboundRule) -> bool:
    """Return whether a rule counts in a profile: where all is blocked, only the rules that block do."""
    if profile.name not in rule.profiles or (rule.source == "Local" and not profile.local):
        return False
    return not profile.blocks_all or rule.verdict == DROP


def _precedence(rule: InboundRule) -> int:
    return 1 if rule.verdict != ACCEPT else 0 if rule.first else 2


def managers(profiles: Iterable[Profile], rules: Sequence[InboundRule]) -> tuple[Manager, ...]:
    """Given profiles and rules, return a view per profile: whether it is on, and which rules made here it ignores."""
    return tuple(_manager(profile, rules) for profile in profiles)


def _manager(profile: Profile, rules: Sequence[InboundRule]) -> Manager:
    name = f"Windows Firewall profile {profile.name}"
    off = f"Windows Firewall is off in the profile {profile.name} ({', '.join(profile.interfaces)})"
    mine = [rule for rule in rules if rule.own and profile.name in rule.profiles and profile.on]
    why = "group policy lets no local rules count" if not profile.local else "all is blocked whatever rules allow"
    ignored = tuple(f"{why}: {rule.text}" for rule in mine if not applies(profile, rule))
    return Manager(name, profile.on, loaded=profile.on, differences=ignored, off=off)


def settings(profiles: Iterable[Profile]) -> Mapping[str, str]:
    """Given profiles, return what is set in them, in words."""
    return {
        f"profile {profile.name}": ", ".join(
            (
                "on" if profile.on else "off",
                f"interfaces {' '.join(profile.interfaces)}",
                f"default {'block' if profile.denies else 'allow'}",
                *(["all is blocked"] if profile.blocks_all else []),
                *([] if profile.local else ["local rules do not count"]),
                *([f"not filtered: {' '.join(profile.left_out)}"] if profile.left_out else []),
            )
        )
        for profile in profiles
    }
