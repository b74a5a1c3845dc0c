# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the answers of a Windows host to the records that are judged: a chain for each profile that rules an interface.

Order and defaults: "Windows Firewall rules" of Microsoft's documentation. Rules that override blocks go first, then all
that block, then all that allow, then the default of the profile. A network of no category counts as public. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Optional

from ...errors import CoreError
from ...fields import Fields, fields_of
from ...powershell import Answers
from ..listeners import Listener
from ..model.intervals import BITS, spanning
from ..model.network import Network
from ..model.packet import Receiver
from ..model.ruleset import ACCEPT, CONNECTION_STATES, DROP, UNKNOWN, Chain, FilterRule, Match, Ruleset, Table, Verdict
from ..snapshot import Manager, Snapshot, unknown_network
from .network import own_addresses, parse_network, surroundings
from .rules import PROFILES, InboundRule, lines, parse_rules

_CLIENT_PORTS = (49152, 65535)  # the default of Windows since Vista
_SHARED_HOST = "svchost.exe"  # hosts services, so one without any is one that could not be looked into
_PACKAGED = ("\\windowsapps\\", "\\systemapps\\")

NEVER_SEEN = (
    "what VPN clients and security products filter in the Windows Filtering Platform is not read",
    "what Hyper-V, WSL and containers let through to virtual machines is not judged",
)
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


def _parse_profiles(answers: Answers) -> tuple[Profile, ...]:
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


def _chains(profiles: Iterable[Profile], rules: Sequence[InboundRule], instead: str) -> Table:
    """Given profiles and rules, return them as a table: a chain per profile, on the interfaces that it rules.

    ``instead`` says what may filter where a profile is off; empty: nothing does.
    """
    found = [chain for profile in profiles for chain in _chains_of(profile, rules, instead)]
    return Table("windows-firewall", "inet", "Windows Firewall", {chain.name: chain for chain in found})


def _chains_of(profile: Profile, rules: Sequence[InboundRule], instead: str) -> Iterable[Chain]:
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
    applied = [rule for rule in rules if _applies(profile, rule)]
    for rule in sorted(applied, key=lambda rule: 1 if rule.verdict != ACCEPT else 0 if rule.first else 2):
        for tests in rule.alternatives:
            where = f"Windows Firewall {profile.name} rule {rule.id}"
            yield FilterRule(where, rule.text, tests, verdict=Verdict(rule.verdict))


def _applies(profile: Profile, rule: InboundRule) -> bool:
    """Return whether a rule counts in a profile: where all is blocked, only the rules that block do."""
    if profile.name not in rule.profiles or (rule.source == "Local" and not profile.local):
        return False
    return not profile.blocks_all or rule.verdict == DROP


def _manager(profile: Profile, rules: Sequence[InboundRule]) -> Manager:
    """Given a profile and the rules, return the view of it: whether it is on, and which rules made here it ignores."""
    name = f"Windows Firewall profile {profile.name}"
    off = f"Windows Firewall is off in the profile {profile.name} ({', '.join(profile.interfaces)})"
    mine = [rule for rule in rules if rule.own and profile.name in rule.profiles and profile.on]
    why = "group policy lets no local rules count" if not profile.local else "all is blocked whatever rules allow"
    ignored = tuple(f"{why}: {rule.text}" for rule in mine if not _applies(profile, rule))
    return Manager(name, profile.on, loaded=profile.on, differences=ignored, off=off)


def _settings(profile: Profile) -> str:
    """Given a profile, return what is set in it, in words."""
    words = ["on" if profile.on else "off", f"interfaces {' '.join(profile.interfaces)}"]
    words += [f"default {'block' if profile.denies else 'allow'}", *(["all is blocked"] if profile.blocks_all else [])]
    words += [] if profile.local else ["local rules do not count"]
    return ", ".join([*words, *([f"not filtered: {' '.join(profile.left_out)}"] if profile.left_out else [])])


@dataclass
class _Parsed:
    """What could be parsed, and by subject what could not."""

    profiles: tuple[Profile, ...] = ()
    rules: tuple[InboundRule, ...] = ()
    unread: list[str] = field(default_factory=list)
    unavailable: dict[str, str] = field(default_factory=dict)


def parse(answers: Answers) -> Snapshot:
    """Given the answers of a Windows host, return the facts. What has no answer, or another form, is named in them."""
    parsed = _parse_all(answers)
    instead, products = _instead(answers)
    if products and all(profile.on for profile in parsed.profiles):
        parsed.unavailable["other firewalls"] = f"{products}; what it stops is not read"
    ruleset = Ruleset((_chains(parsed.profiles, parsed.rules, instead),))
    if parsed.unread:
        ruleset = Ruleset((), {family: tuple(parsed.unread) for family in BITS})
    return Snapshot(
        ruleset,
        _network(answers, parsed),
        tuple(_manager(profile, parsed.rules) for profile in parsed.profiles),
        _client_ports(answers),
        parsed.unavailable,
        receivers=receivers,
        never_seen=NEVER_SEEN,
        system="windows",
        notes={f"profile {profile.name}": _settings(profile) for profile in parsed.profiles},
    )


def _parse_all(answers: Answers) -> _Parsed:
    """Return profiles and rules. Without all of them nothing is certain, because what is missing may block or allow."""
    parsed = _Parsed()
    try:
        engine = fields_of("engine", answers["engine"])
        state = engine[0].text("State") if engine else ""
        if state != "Running":
            parsed.unread.append(f"the service mpssvc, which is the firewall, is {state or 'not there'}")
    except CoreError as error:
        parsed.unread.append(str(error))
    try:
        parsed.profiles = _parse_profiles(answers)
        parsed.rules = parse_rules(answers, surroundings(answers))
    except CoreError as error:
        parsed.unread.append(str(error))
    return parsed


def _instead(answers: Answers) -> tuple[str, str]:
    """Return what may filter in place of Windows Firewall, and the other products; both empty where there is none."""
    try:
        names = sorted({row.text("displayName") for row in fields_of("products", answers["products"])})
    except CoreError as error:
        return f"whether another product filters is not known: {error}", ""
    if not names:
        return "", ""
    products = f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} registered as firewall"
    return products, products


def _network(answers: Answers, parsed: _Parsed) -> Network:
    try:
        return parse_network(answers)
    except CoreError as error:
        parsed.unavailable["routes"] = str(error)
        return unknown_network(str(error))


def _client_ports(answers: Answers) -> tuple[int, int]:
    try:
        row = next(iter(fields_of("client_ports", answers["client_ports"])))
        first, count = row.whole("DynamicPortRangeStartPort"), row.whole("DynamicPortRangeNumberOfPorts")
    except (CoreError, StopIteration):
        return _CLIENT_PORTS
    return (first, first + count - 1) if 0 < first <= first + count - 1 < 1 << 16 else _CLIENT_PORTS


def receivers(listener: Listener) -> tuple[Receiver, ...]:
    """Given a listener, return its processes as rules name them: paths in lower case, the kernel as ``system``."""
    return tuple(_receiver(path, listener.services) for path in listener.exes or ("",))


def _receiver(path: str, services: Optional[Iterable[str]]) -> Receiver:
    exe = path.lower()
    hosted = None if services is None else frozenset(name.lower() for name in services)
    if exe == "system":
        return Receiver(exe, frozenset() if hosted is None else hosted, "")
    if "\\" not in exe:  # only its name is known, or nothing
        return Receiver(None, hosted or None, None)
    if not hosted and exe.endswith("\\" + _SHARED_HOST):
        hosted = None
    return Receiver(exe, hosted, None if any(folder in exe for folder in _PACKAGED) else "")
