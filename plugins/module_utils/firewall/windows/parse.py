# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the answers of a Windows host to the records that are judged. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Optional

from ...errors import CoreError
from ...fields import fields_of
from ...powershell import Answers
from ..listeners import Listener
from ..model.intervals import BITS
from ..model.network import Network
from ..model.packet import Receiver
from ..model.ruleset import Ruleset
from ..snapshot import Snapshot
from . import profiles as of
from .network import parse_network, surroundings
from .profiles import Profile
from .rules import InboundRule, parse_rules

_CLIENT_PORTS = (49152, 65535)  # the default of Windows since Vista
_SHARED_HOST = "svchost.exe"  # hosts services, so one without any is one that could not be looked into
_PACKAGED = ("\\windowsapps\\", "\\systemapps\\")

NEVER_SEEN = (
    "what VPN clients and security products filter in the Windows Filtering Platform is not read",
    "what Hyper-V, WSL and containers let through to virtual machines is not judged",
)


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
    ruleset = Ruleset((of.chains(parsed.profiles, parsed.rules, instead),))
    if parsed.unread:
        ruleset = Ruleset((), {family: tuple(parsed.unread) for family in BITS})
    return Snapshot(
        ruleset,
        _network(answers, parsed),
        of.managers(parsed.profiles, parsed.rules),
        _client_ports(answers),
        parsed.unavailable,
        receivers=receivers,
        never_seen=NEVER_SEEN,
        system="windows",
        notes=of.settings(parsed.profiles),
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
        parsed.profiles = of.parse_profiles(answers)
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
        return Network({4: (), 6: ()}, {4: {}, 6: {}}, unavailable=str(error))


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
